"""Credentials in the admin: what is given is sealed, and no page shows it again."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.test import TestCase, override_settings, tag
from django.urls import reverse

from builds import vault
from builds.models import Credential, Project

ADD = reverse("admin:builds_credential_add")
TOKEN = {"name": "robot", "kind": "token", "scope": "https://git.example/team/", "username": "", "known_hosts": ""}
KEY = {"name": "key", "kind": "key", "scope": "git@git.example:team/", "username": "", "known_hosts": "", "secret": ""}


def made_key(*options: str) -> tuple[str, str]:
    """A private key and its public half, as ssh-keygen makes them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "key")
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", file, *options], check=True)
        return file.read_text(), Path(folder, "key.pub").read_text()


class CredentialCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.admin = User.objects.create_superuser("admin", password="admin-password")

    def setUp(self) -> None:
        self.client.force_login(self.admin)

    def post(self, url: str, form: dict[str, Any]) -> Any:
        return self.client.post(url, form, follow=True)

    def wrong(self, form: dict[str, Any], url: str = ADD) -> str:
        answer = self.post(url, form)
        self.assertIn("adminform", answer.context, "the form was taken")
        return str(answer.context["adminform"].form.errors)


@tag("fast")
class TokenTest(CredentialCase):
    def test_a_token_is_sealed_and_shown_nowhere(self) -> None:
        said = self.post(ADD, TOKEN | {"secret": " geheim-123 "}).content.decode()
        made = Credential.objects.get()
        self.assertEqual(made.secret(), "geheim-123")
        self.assertNotIn("geheim", made.sealed)
        change = reverse("admin:builds_credential_change", args=[made.pk])
        said += self.client.get(change).content.decode()
        said += self.client.get(reverse("admin:builds_credential_history", args=[made.pk])).content.decode()
        said += self.client.get(reverse("admin:builds_credential_changelist")).content.decode()
        self.assertNotIn("geheim", said)
        self.assertNotIn(made.sealed, said)

    def test_a_form_that_was_refused_does_not_send_it_back(self) -> None:
        answer = self.post(ADD, TOKEN | {"secret": "geheim-123", "scope": "nowhere"})
        self.assertContains(answer, "expected the beginning of addresses", html=False, count=0)
        self.assertContains(answer, "Expected the beginning of addresses, such as https://host/team/")
        self.assertNotContains(answer, "geheim")
        self.assertEqual(Credential.objects.count(), 0)

    def test_nothing_typed_keeps_what_is_there_but_not_for_other_addresses(self) -> None:
        self.post(ADD, TOKEN | {"secret": "geheim-123"})
        made = Credential.objects.get()
        change = reverse("admin:builds_credential_change", args=[made.pk])
        self.post(change, TOKEN | {"name": "other", "secret": ""})
        made.refresh_from_db()
        self.assertEqual((made.name, made.secret()), ("other", "geheim-123"))
        said = self.wrong(TOKEN | {"scope": "https://evil.example/", "secret": ""}, change)
        self.assertIn("expected it once more", said)
        made.refresh_from_db()
        self.assertEqual(made.scope, "https://git.example/team/")
        self.post(change, TOKEN | {"scope": "https://evil.example/", "secret": "another"})
        made.refresh_from_db()
        self.assertEqual((made.scope, made.secret()), ("https://evil.example/", "another"))

    def test_what_is_wrong_is_said_at_its_field(self) -> None:
        self.assertIn("Expected a token", self.wrong(TOKEN | {"secret": ""}))
        self.assertIn("on one line", self.wrong(TOKEN | {"secret": "a\nb"}))
        self.assertIn("such as https://host/team/", self.wrong(TOKEN | {"secret": "x", "scope": "git@git.example:t/"}))
        self.assertIn("no host key", self.wrong(TOKEN | {"secret": "x", "known_hosts": "git.example\n"}))
        self.assertIn("give the project a credential", self.wrong(TOKEN | {"secret": "x", "scope": "https://a:b@c/"}))
        self.assertEqual(Credential.objects.count(), 0)

    def test_who_has_no_right_to_credentials_does_not_see_them(self) -> None:
        self.post(ADD, TOKEN | {"secret": "geheim-123"})
        stranger = User.objects.create_user("stranger", is_staff=True)
        stranger.user_permissions.set(Permission.objects.filter(codename__in=["view_project", "change_project"]))
        self.client.force_login(stranger)
        change = reverse("admin:builds_credential_change", args=[Credential.objects.get().pk])
        self.assertEqual([self.client.get(url).status_code for url in (ADD, change)], [403, 403])

    def test_which_projects_use_it_is_told_of_those_that_one_may_see(self) -> None:
        made = Credential(name="robot", scope="https://git.example/team/")
        made.keep("x")
        made.save()
        for slug in ("theirs", "everybodys"):
            Project.objects.create(name=slug, slug=slug, repository="https://git.example/team/w.git", credential=made)
        Project.objects.get(slug="theirs").groups.add(Group.objects.create(name="others"))
        keeper = User.objects.create_user("keeper", is_staff=True)
        keeper.user_permissions.set(Permission.objects.filter(codename__in=["view_credential", "change_credential"]))
        change = reverse("admin:builds_credential_change", args=[made.pk])
        for user, told in ((self.admin, "everybodys, theirs"), (keeper, "everybodys")):
            self.client.force_login(user)
            for page in (change, reverse("admin:builds_credential_changelist")):
                self.assertContains(self.client.get(page), f">{told}<")


@tag("fast")
class DeployKeyTest(CredentialCase):
    def test_a_key_is_made_here_and_its_public_half_is_shown(self) -> None:
        self.post(ADD, KEY)
        made = Credential.objects.get()
        self.assertTrue(made.secret().startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n"))
        self.assertTrue(made.public_key.startswith("ssh-ed25519 AAAA"))
        answer = self.client.get(reverse("admin:builds_credential_change", args=[made.pk]))
        self.assertContains(answer, made.public_key)
        self.assertNotContains(answer, "PRIVATE KEY")

    def test_keys_of_ssh_keygen_are_taken_with_windows_line_ends_too(self) -> None:
        for options in (("-t", "ed25519"), ("-t", "rsa", "-m", "PEM")):
            secret, public = made_key(*options)
            self.post(ADD, KEY | {"name": options[1], "secret": secret.replace("\n", "\r\n")})
            made = Credential.objects.get(name=options[1])
            self.assertEqual(made.secret(), secret)
            self.assertEqual(made.public_key.split()[:2], public.split()[:2])

    def test_a_key_that_is_none_or_has_a_passphrase_is_refused(self) -> None:
        secret, public = made_key("-t", "ed25519", "-N", "open sesame")
        self.assertIn("has a passphrase", self.wrong(KEY | {"secret": secret}))
        self.assertIn("no private key", self.wrong(KEY | {"secret": public}))
        self.assertIn("no private key", self.wrong(KEY | {"secret": secret[:100]}))
        self.assertIn("such as git@host:team/", self.wrong(KEY | {"scope": "https://git.example/"}))

    def test_host_keys_are_kept_line_by_line(self) -> None:
        _, public = made_key("-t", "ed25519")
        line = "git.example " + " ".join(public.split()[:2])
        self.post(ADD, KEY | {"known_hosts": f"# of 2024\r\n{line}\r\n"})
        self.assertEqual(Credential.objects.get().known_hosts, f"# of 2024\n{line}\n")


@tag("fast")
class ProjectTest(TestCase):
    def test_a_project_takes_a_credential_for_its_own_address_alone(self) -> None:
        credential = Credential(name="robot", scope="https://git.example/team/")
        credential.keep("x")
        credential.save()
        project = Project(name="p", slug="p", repository="https://git.example/team/w.git", credential=credential)
        project.full_clean()
        project.repository = "https://evil.example/team/w.git"
        with self.assertRaisesRegex(ValidationError, "robot is for addresses below https://git.example/team/"):
            project.full_clean()

    def test_what_a_project_says_of_its_repository_is_checked(self) -> None:
        for field, value in {
            "repository": "ext::sh -c id",
            "branch": "--upload-pack=x",
            "recipe_path": "../secret",
            "depth": 0,
        }.items():
            project = Project(name="p", slug="p", repository="https://git.example/w")
            setattr(project, field, value)
            with self.subTest(field), self.assertRaises(ValidationError) as caught:
                project.full_clean()
            self.assertEqual(list(caught.exception.message_dict), [field])

    def test_without_a_repository_there_has_to_be_a_recipe(self) -> None:
        with self.assertRaisesRegex(ValidationError, "has no repository to have one in"):
            Project(name="p", slug="p").full_clean()

    def test_folders_of_this_machine_need_a_setting(self) -> None:
        project = Project(name="p", slug="p", repository="/srv/git/w")
        with self.assertRaisesRegex(ValidationError, "BUILDBOARD_LOCAL_REPOSITORIES"):
            project.full_clean()
        with override_settings(BUILDBOARD_LOCAL_REPOSITORIES=["/srv/git"]):
            project.full_clean()

    def test_the_database_refuses_a_credential_without_a_secret(self) -> None:
        with self.assertRaises(IntegrityError):
            Credential.objects.create(name="x", scope="https://host/")

    def test_a_secret_that_no_key_opens_says_so_without_it(self) -> None:
        credential = Credential(name="x", scope="https://host/", sealed=vault.seal("x"))
        others = override_settings(BUILDBOARD_SECRETS_KEYS=[Fernet.generate_key().decode()])
        with others, self.assertRaisesRegex(vault.Unreadable, "cannot be read"):
            credential.secret()
