"""How many schedules, chains and targets a project has at most: one more is refused wherever it is made."""

from typing import Any
from unittest import mock

from django.contrib.auth.models import User
from django.test import TransactionTestCase
from django.urls import reverse

from builds import access
from builds.models import After, Schedule, Target

from .racing import project
from .test_chains import after
from .test_schedules import nightly

SCHEDULES = "A project has up to 1 schedules. Delete one that is not needed any more."
AFTERS = "A project is built after up to 1 others. Remove one first."
FOLLOWERS = "Up to 1 projects are built after it already."
TARGETS = "A project has up to 1 of them. Delete one that is not needed any more."
NIGHTLY = {"name": "weekly", "cron": "@weekly", "zone": "UTC", "inputs": "{}"}
MAIL = {"kind": "mail", "address": "team@example.org", "tells": ["failed"]}


class BoundsTest(TransactionTestCase):
    def setUp(self) -> None:
        self.one, self.two, self.three = (project(name) for name in ("one", "two", "three"))
        self.admin = User.objects.create_superuser("admin")
        self.client.force_login(self.admin)
        self.token = access.new_token(self.admin)
        for name in ("schedule.MAX_SCHEDULES", "chain.MAX_AFTERS"):
            self.enterContext(mock.patch(f"builds.models.{name}", 1))
        self.enterContext(mock.patch("builds.outbox.targets.MOST_TARGETS", 1))

    def ask(self, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.client.post(f"/api/v1/projects/{path}", body, content_type="application/json", headers=headers)

    def test_schedules(self) -> None:
        made = nightly(project=self.one)
        self.assertContains(self.client.post("/projects/one/schedules/", NIGHTLY), SCHEDULES, status_code=422)
        answer = self.ask("one/schedules", {"name": "weekly", "cron": "@weekly"})
        self.assertEqual((answer.status_code, answer.json()["detail"]), (422, SCHEDULES))
        given = NIGHTLY | {"project": self.one.pk}
        self.assertContains(self.client.post(reverse("admin:builds_schedule_add"), given), SCHEDULES)
        self.assertEqual(Schedule.objects.count(), 1)
        changed = self.client.post(f"/projects/one/schedules/{made.pk}/", NIGHTLY)
        self.assertEqual(changed.status_code, 302, "one that is there can be changed")
        self.assertEqual(self.ask("two/schedules", {"name": "weekly", "cron": "@weekly"}).status_code, 201)

    def test_chains(self) -> None:
        after(self.one, self.two)
        given = {"upstream": self.three.pk}
        self.assertContains(self.client.post("/projects/one/after/", given), AFTERS, status_code=422)
        answer = self.ask("one/after", {"project": "three"})
        self.assertEqual((answer.status_code, answer.json()["detail"]), (409, AFTERS))
        given |= {"project": self.one.pk}
        self.assertContains(self.client.post(reverse("admin:builds_after_add"), given), AFTERS)
        given = {"upstream": self.two.pk}
        self.assertContains(self.client.post("/projects/three/after/", given), FOLLOWERS, status_code=422)
        self.assertEqual(self.ask("three/after", {"project": "two"}).json()["detail"], FOLLOWERS)
        self.assertEqual(After.objects.count(), 1)
        self.assertEqual(self.ask("two/after", {"project": "three"}).status_code, 201)

    def test_targets(self) -> None:
        self.assertEqual(self.ask("one/targets", MAIL).status_code, 201)
        answer = self.ask("one/targets", MAIL)
        self.assertEqual((answer.status_code, answer.json()["errors"]), (422, [{"at": "name", "expected": TARGETS}]))
        answer = self.client.post("/projects/one/notifications/new/mail/", MAIL)
        self.assertContains(answer, TARGETS, status_code=answer.status_code)
        self.assertEqual(Target.objects.count(), 1)
        self.assertEqual(self.ask("two/targets", MAIL).status_code, 201)
