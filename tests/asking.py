"""What tests of the API share: users, their tokens, and a way to ask."""

import json
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.test import TestCase

from builds import access
from builds.models import Project

RECIPE = "steps: [{name: compile, run: 'true'}]"


class ApiCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.alice = User.objects.create_user("alice", password="alice-password")
        cls.alice.user_permissions.set(Permission.objects.filter(codename__in=("start_build", "cancel_build")))
        cls.stranger = User.objects.create_user("stranger", password="stranger-password")
        cls.inside = Group.objects.create(name="inside")
        cls.alice.groups.add(cls.inside)
        cls.open = Project.objects.create(name="Open", slug="open", recipe=RECIPE)
        cls.secret = Project.objects.create(name="Secret", slug="secret", recipe=RECIPE)
        cls.secret.groups.add(cls.inside)
        cls.token = access.new_token(cls.alice, "ci")
        cls.strange_token = access.new_token(cls.stranger)

    def ask(self, method: str, path: str, body: Any = None, token: str | None = "", **headers: str) -> Any:
        """`token`: "" is alice's, None is none. `body`: JSON, or bytes as they are."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.token}"
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.client.generic(method, f"/api/v1{path}", data, "application/json", headers=headers)

    def assert_problem(self, answer: Any, status: int, *texts: str) -> dict[str, Any]:
        self.assertEqual(answer.status_code, status, answer.content)
        self.assertEqual(answer["Content-Type"], "application/problem+json")
        found = answer.json()
        self.assertEqual(found["status"], status)
        self.assertLessEqual({"type", "title", "status", "detail"}, set(found))
        for text in texts:
            self.assertIn(text, found["detail"])
        return found
