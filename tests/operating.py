"""What tests of the admin share: who operates, and a project to operate on."""

from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.test import TestCase

from builds import lifecycle
from builds.models import Build, Project

RECIPE = "steps: [{name: compile, run: 'true'}, {name: test, run: 'true'}]"


def rights(*names: str) -> Any:
    return Permission.objects.filter(codename__in=names, content_type__app_label="builds")


class AdminCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.admin = User.objects.create_superuser("admin", password="admin-password")
        cls.viewer = User.objects.create_user("viewer", password="viewer-password", is_staff=True)
        cls.viewer.user_permissions.set(rights("view_project", "view_build", "view_worker", "view_board"))
        cls.operator = User.objects.create_user("operator", password="operator-password", is_staff=True)
        cls.operator.user_permissions.set(rights("view_project", "view_build", "start_build", "cancel_build"))
        cls.stranger = User.objects.create_user("stranger", password="stranger-password")
        cls.project = Project.objects.create(name="Open", slug="open", recipe=RECIPE)
        cls.secret = Project.objects.create(name="Secret", slug="secret", recipe=RECIPE)
        cls.secret.groups.add(Group.objects.create(name="inside"))

    def setUp(self) -> None:
        self.client.force_login(self.operator)

    def enqueue(self, project: Project | None = None, **more: Any) -> Build:
        return lifecycle.enqueue(project or self.project, by="alice", **more)

    def texts(self, answer: Any) -> str:
        return " ".join(str(message) for message in answer.context["messages"])
