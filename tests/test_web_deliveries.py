"""A project's page of deliveries, and the same for programs: who sees what, and who may change it."""

import re
from typing import Any
from unittest import mock

from django.contrib.auth.models import Group, Permission, User
from django.test import TestCase, override_settings

from builds import access, deliveries, vault
from builds.hooks import Envelope, Ignored
from builds.models import Delivery, Hook

from .racing import project
from .test_deliveries import envelope, push

URL = "/projects/one/deliveries/"


class DeliveriesTest(TestCase):
    def setUp(self) -> None:
        self.project = project()
        self.viewer = User.objects.create_user("viewer")
        self.editor = User.objects.create_user("editor")
        self.editor.user_permissions.add(Permission.objects.get(codename="change_project"))

    def test_who_may_change_the_project_makes_the_secret_which_is_shown_once(self) -> None:
        self.client.force_login(self.editor)
        self.assertContains(self.client.get(URL), "Make a secret")
        answer = self.client.post(f"{URL}secret/")
        self.assertIn("no-store", answer["Cache-Control"])
        self.assertNotContains(answer, "The one before it")
        found = re.search(r'value="(whsec_[^"]+)"', answer.content.decode())
        assert found
        hook = Hook.objects.get()
        self.assertEqual((vault.unseal(hook.secret), hook.made_by), (found[1], "editor"))
        page = self.client.get(URL)
        self.assertNotContains(page, "whsec_")
        self.assertContains(page, "http://testserver/hooks/one/")
        self.assertContains(page, "Make a new secret")
        self.assertContains(self.client.post(f"{URL}secret/"), "The one before it is good for nothing any more.")
        self.assertNotEqual(vault.unseal(Hook.objects.get().secret), found[1])

    def test_a_change_takes_no_new_secret_back(self) -> None:
        """One that was made while the form was checked, here or in the admin: the old one may have leaked."""
        admin = User.objects.create_superuser("admin")
        deliveries.make_secret(self.project, by="editor")
        hook = Hook.objects.get()
        for user, page in ((self.editor, URL), (admin, f"/admin/builds/hook/{hook.pk}/change/")):
            made: list[str] = []

            def meanwhile(hook: Hook, *args: Any, made: list[str] = made, **kwargs: Any) -> None:
                made.append(deliveries.make_secret(self.project, by="bob"))

            self.client.force_login(user)
            with mock.patch.object(Hook, "clean_fields", meanwhile):
                self.assertEqual(self.client.post(page, {"branches": user.username}).status_code, 302)
            hook.refresh_from_db()
            self.assertEqual((vault.unseal(hook.secret), hook.made_by), (made[0], "bob"))
            self.assertEqual((hook.branches, hook.tags), (user.username, False))

    def test_others_may_look_and_change_nothing(self) -> None:
        deliveries.make_secret(self.project, by="editor")
        self.client.force_login(self.viewer)
        page = self.client.get(URL)
        self.assertContains(page, "is not shown again")
        self.assertNotContains(page, "Make a new secret")
        self.assertNotContains(page, '<form class="panel pad"')
        self.assertEqual(self.client.post(f"{URL}secret/").status_code, 403)
        self.assertEqual(self.client.post(URL, {"forks": "on"}).status_code, 403)
        self.assertFalse(Hook.objects.get().forks)
        self.assertEqual(self.client.get(f"{URL}secret/").status_code, 405)

    def test_strangers_see_nothing(self) -> None:
        with override_settings(BUILDBOARD_PUBLIC=True):
            self.assertRedirects(self.client.get(URL), f"/accounts/login/?next={URL}", fetch_redirect_response=False)
            self.assertEqual(self.client.get("/api/v1/projects/one/deliveries").status_code, 401)
        self.project.groups.add(Group.objects.create(name="others"))
        self.client.force_login(self.editor)
        for answer in (self.client.get(URL), self.client.post(f"{URL}secret/"), self.client.post(URL)):
            self.assertEqual(answer.status_code, 404)
        self.assertEqual(self.client.get("/api/v1/projects/one/deliveries").status_code, 404)

    def test_which_news_are_built_is_set_here(self) -> None:
        self.client.force_login(self.editor)
        self.assertRedirects(self.client.post(URL, {"forks": "on"}), URL)
        self.assertEqual(Hook.objects.count(), 0, "there is nothing to be set before there is a secret")
        deliveries.make_secret(self.project, by="editor")
        self.assertRedirects(self.client.post(URL, {"forks": "on", "supersede": "on"}), URL)
        hook = Hook.objects.get()
        self.assertEqual((hook.tags, hook.pull_requests, hook.forks, hook.supersede), (False, False, True, True))

    def test_what_was_delivered_is_listed_newest_first(self) -> None:
        deliveries.make_secret(self.project, by="editor")
        hook = Hook.objects.get()
        started = deliveries.take(hook, envelope("a"), push(), "192.0.2.7")
        deliveries.take(hook, envelope("b", "ping"), Ignored("A ping: the hook works."))
        deliveries.refuse(hook, Envelope("gitlab", "Push Hook", "c"), "<b>No</b>.")
        self.client.force_login(self.viewer)
        page = self.client.get(URL)
        text = page.content.decode()
        self.assertLess(text.index("&lt;b&gt;No&lt;/b&gt;."), text.index("A ping: the hook works."))
        self.assertLess(text.index("A ping"), text.index(f'href="/builds/{started.build_id}/"'))
        self.assertNotContains(page, "192.0.2.7")
        token = access.new_token(self.viewer, "x", scopes=("read",))
        answer = self.client.get("/api/v1/projects/one/deliveries", headers={"Authorization": f"Bearer {token}"}).json()
        self.assertEqual([one["outcome"] for one in answer["items"]], ["refused", "ignored", "started"])
        self.assertEqual(
            {name: value for name, value in answer["items"][2].items() if name not in ("id", "received_at")},
            {"forge": "github", "delivery": "a", "event": "push", "outcome": "started", "why": "", "ref": "main",
             "build": started.build_id, "commit": started.commit, "sender": "octocat"},
        )  # fmt: skip

    def test_older_ones_are_on_other_pages(self) -> None:
        deliveries.make_secret(self.project, by="editor")
        hook = Hook.objects.get()
        for number in range(60):
            deliveries.take(hook, envelope(str(number)), Ignored(f"Number {number}."))
        self.client.force_login(self.viewer)
        page = self.client.get(URL)
        self.assertContains(page, "Number 10.")
        self.assertNotContains(page, "Number 9.")
        older = re.search(r'href="(\?before=\d+)"', page.content.decode())
        assert older
        page = self.client.get(URL + older[1])
        self.assertContains(page, "Number 9.")
        self.assertContains(page, "Newest")
        first = self.client.get("/api/v1/projects/one/deliveries?limit=40").json()
        second = self.client.get(first["next"]).json()
        self.assertEqual((len(first["items"]), len(second["items"]), second["next"]), (40, 20, None))
        self.assertEqual(Delivery.objects.count(), 60)
        for bad in ("before=0", "before=x", "limit=0", "limit=101"):
            self.assertEqual(self.client.get(f"/api/v1/projects/one/deliveries?{bad}").status_code, 422)
