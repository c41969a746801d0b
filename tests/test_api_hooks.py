"""A project's webhook as programs make and change it: its secret is told once, and to nobody who may not."""

from typing import Any
from unittest import mock

from django.contrib.auth.models import Group, Permission
from django.test import override_settings, tag

from builds import access, deliveries, vault
from builds.models import Hook

from .asking import ApiCase

NEW = {"branches": [], "tags": True, "pull_requests": True, "forks": False, "supersede": False}


@tag("fast")
class HookTests(ApiCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice.user_permissions.add(Permission.objects.get(codename="change_project"))

    def call(self, method: str, body: Any = None, status: int = 200, path: str = "", token: str = "") -> Any:
        answer = self.ask(method, f"/projects/open/hook{path}", body, token=token)
        self.assertEqual(answer.status_code, status, answer.content)
        return answer.json() if answer.content else None

    def test_one_is_made_changed_and_deleted(self) -> None:
        self.assertIn("takes no webhooks", self.call("GET", status=404)["detail"])
        made = self.call("PUT", {"branches": ["main", "release/*"]}, 201)
        secret = made.pop("secret")
        self.assertTrue(secret.startswith("whsec_"))
        self.assertEqual({name: made[name] for name in NEW}, NEW | {"branches": ["main", "release/*"]})
        self.assertEqual((made["address"], made["made_by"]), ("http://testserver/hooks/open/", "alice (ci)"))
        self.assertEqual(vault.unseal(Hook.objects.get().secret), secret)
        self.assertEqual(self.call("GET"), made)
        self.assertNotIn("secret", self.call("PUT", {"forks": True}))
        self.assertEqual(self.call("GET"), made | {"forks": True})
        again = self.call("POST", path="/secret")["secret"]
        self.assertNotEqual(again, secret)
        self.assertEqual(vault.unseal(Hook.objects.get().secret), again)
        self.assertEqual(self.call("GET")["branches"], ["main", "release/*"])
        self.call("DELETE", status=204)
        self.call("DELETE", status=404)
        self.call("POST", path="/secret", status=404)

    def test_a_change_takes_no_new_secret_back(self) -> None:
        """One that was made while the change was checked: the old one may have leaked."""
        self.call("PUT", {}, 201)
        made: list[str] = []

        def meanwhile(hook: Hook, *args: Any, **kwargs: Any) -> None:
            made.append(deliveries.make_secret(self.open, by="bob"))

        with mock.patch.object(Hook, "full_clean", meanwhile):
            told = self.call("PUT", {"forks": True, "branches": ["main"]})
        found = Hook.objects.get()
        self.assertEqual(vault.unseal(found.secret), made[0])
        self.assertEqual((found.made_by, found.forks, found.branches), ("bob", True, "main"))
        self.assertEqual((told["made_by"], told["forks"]), ("bob", True))

    def test_two_that_meet_are_each_answered(self) -> None:
        def made_meanwhile(hook: Hook, *args: Any, **kwargs: Any) -> None:
            deliveries.make_secret(self.open, by="bob")

        with mock.patch.object(Hook, "full_clean", made_meanwhile):
            self.assertIn("meanwhile", self.call("PUT", {"forks": True}, 409)["detail"])
        self.assertEqual(Hook.objects.get().made_by, "bob")
        with mock.patch.object(Hook, "full_clean", lambda hook: Hook.objects.all().delete()):
            self.call("PUT", {"forks": True}, 404)

    def test_what_is_wrong_is_said(self) -> None:
        problem = self.call("PUT", {"branches": ["!main"]}, 422)
        self.assertEqual(problem["errors"][0]["at"], "branches")
        self.assertIn("takes back, and nothing is taken", problem["detail"])
        self.assertEqual(
            {one["at"] for one in self.call("PUT", {"tags": "x", "hooks": 1}, 422)["errors"]}, {"tags", "hooks"}
        )
        [word] = self.call("PUT", {"forks": "yes"}, 422)["errors"]
        self.assertEqual(word, {"at": "forks", "expected": "expected true or false"})
        self.call("PUT", {"branches": ["x" * 600]}, 422)
        for never in ("\0", "ma\ud800in"):
            problem = self.call("PUT", {"branches": [never]}, 422)
            self.assertIn("Expected printable characters", problem["errors"][0]["expected"])
        self.assertFalse(Hook.objects.exists())

    def test_it_takes_the_scope_and_the_right_and_a_project_that_one_sees(self) -> None:
        self.call("PUT", {}, 201)
        reader = access.new_token(self.alice, scopes=("read", "projects"))
        for token in (reader, self.strange_token):
            for method, path in (("PUT", ""), ("DELETE", ""), ("POST", "/secret")):
                self.call(method, {} if method == "PUT" else None, 403, path, token)
        self.assertNotIn("secret", self.call("GET", token=reader))
        self.open.groups.add(Group.objects.create(name="others"))
        for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/secret")):
            self.call(method, {} if method == "PUT" else None, 404, path, self.strange_token)

    @override_settings(BUILDBOARD_PUBLIC=True)
    def test_nobody_who_is_not_known_learns_of_it(self) -> None:
        self.call("PUT", {}, 201)
        for path, status in (("open", 401), ("none", 404)):
            self.assertEqual(self.ask("GET", f"/projects/{path}/hook", token=None).status_code, status)
