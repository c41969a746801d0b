"""`manage.py apitoken`: the token on stdout, and nothing else."""

import io

from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import TestCase, tag

from builds import access
from builds.models import ApiToken


def run(*args: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(*args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@tag("fast")
class ApiTokenTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.alice = User.objects.create_user("alice", password="alice-password")

    def test_it_prints_the_token_and_nothing_else(self) -> None:
        out, err = run("apitoken", "alice", "--name", "ci", "--scope", "start", "--scope", "read", "--days", "3")
        self.assertRegex(out, r"^bb_[\w-]{43}\n$")
        self.assertEqual(err, "")
        token = ApiToken.objects.get()
        self.assertEqual((token.digest, token.name, token.scopes), (access.digest(out.strip()), "ci", "read start"))
        self.assertIsNotNone(token.expires_at)

    def test_without_options_it_has_every_scope_and_never_expires(self) -> None:
        run("apitoken", "alice")
        token = ApiToken.objects.get()
        self.assertEqual((token.scopes, token.expires_at), ("read start cancel keep secrets targets projects", None))

    def test_what_is_wrong_is_named(self) -> None:
        User.objects.create_user("gone", is_active=False)
        for args, text in (
            (("nobody",), "Users: alice, gone"),
            (("gone",), "deactivated"),
            (("alice", "--days", "0"), "--days 0"),
            (("alice", "--name", "x" * 101), "--name"),
            (("alice", "--scope", "root"), "root"),
        ):
            with self.subTest(args), self.assertRaisesMessage(CommandError, text):
                run("apitoken", *args)
        self.assertFalse(ApiToken.objects.exists())
