"""A project is deleted while a build of it starts: one of the two is refused, in a sentence, and nothing is left."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import TransactionTestCase

from builds import access, chains, deliveries, lifecycle, schedules
from builds.access import Caller
from builds.lifecycle import ProjectGone, elsewhere, starts
from builds.models import After, Build, Delivery, FollowUp, Project, Schedule
from builds.source import Source
from builds.states import Status
from builds.web import projectsettings
from builds.web.projectsettings import HasBuilds
from builds.worker.storing import Storing

from . import forges
from .racing import project, together
from .test_deliveries import envelope, push

ROUNDS = 5
NOW = datetime(2026, 1, 6, 3, 30, 1, tzinfo=UTC)


class GoneCase(TransactionTestCase):
    def setUp(self) -> None:
        self.user = User.objects.create_user("alice")
        self.user.user_permissions.set(Permission.objects.filter(codename__in=("start_build", "delete_project")))
        self.project = project("w")

    def delete(self) -> None:
        projectsettings.delete(self.project, Caller(self.user))


class RaceTest(GoneCase):
    def race(self, start: Callable[[], object]) -> None:
        """`start` beside a deletion: either there is a build, or no project."""

        def started() -> str:
            try:
                start()
            except ProjectGone:
                return "gone"
            return "started"

        def deleted() -> str:
            try:
                self.delete()
            except HasBuilds:
                return "has builds"
            return "deleted"

        found = together([started, deleted])
        is_there = Project.objects.filter(pk=self.project.pk).exists()
        self.assertEqual((self.project.builds.exists(), found[1] == "has builds"), (is_there, is_there), found)

    def rounds(self, start: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> None:
        for number in range(ROUNDS):
            self.project = project(f"p{number}")
            prepare()
            self.race(start)

    def test_by_people(self) -> None:
        self.rounds(lambda: lifecycle.enqueue(self.project, by="alice"))

    def test_elsewhere(self) -> None:
        def begin() -> None:
            token = f"{self.project.pk:032}"
            lifecycle.begin_outside(
                self.project, by="alice", worker="w", token=token, steps=["a"], source=Source("command")
            )

        self.rounds(begin)

    def test_by_a_schedule(self) -> None:
        def due() -> None:
            Schedule.objects.create(project=self.project, name="n", cron="30 3 * * *", next_at=NOW.replace(second=0))

        self.rounds(lambda: schedules.start_due(NOW), due)

    def test_by_a_chain(self) -> None:
        upstream = project("upstream")
        build = lifecycle.enqueue(upstream, by="alice")

        def due() -> None:
            FollowUp.objects.create(after=After.objects.create(project=self.project, upstream=upstream), build=build)

        self.rounds(chains.start_due, due)

    def test_by_a_delivery(self) -> None:
        def take() -> None:
            hook = deliveries.hook_of(self.project.slug)
            if hook is not None:
                deliveries.take(hook, envelope(self.project.slug), push())

        self.rounds(take, lambda: deliveries.make_secret(self.project, by="alice"))


class AnswerTest(GoneCase):
    """It is deleted in the last moment in which nothing of the start is stored yet."""

    def setUp(self) -> None:
        super().setUp()
        self.client.force_login(self.user)
        real = starts.hold

        def late(found: Project) -> None:
            Project.objects.filter(pk=found.pk).delete()
            real(found)

        for module in (starts, elsewhere):
            patch = mock.patch.object(module, "hold", late)
            patch.start()
            self.addCleanup(patch.stop)

    def api(self, path: str, body: dict[str, Any]) -> Any:
        token = access.new_token(self.user)
        return self.client.post(
            path, body, content_type="application/json", headers={"authorization": f"Bearer {token}"}
        )

    def test_the_verb_says_so(self) -> None:
        with self.assertRaisesRegex(ProjectGone, "There is no project w any more: it was deleted."):
            lifecycle.enqueue(self.project, by="alice")
        self.assertEqual(Build.objects.count(), 0)

    def test_the_api_and_the_page_answer_404(self) -> None:
        answer = self.api("/api/v1/projects/w/builds", {})
        self.assertEqual(answer.status_code, 404)
        self.assertEqual(answer.json()["detail"], "There is no project w any more: it was deleted.")
        run = {"lease": "a" * 32, "steps": ["a"], "where": "here"}
        self.assertEqual(self.api("/api/v1/projects/w/runs", run).status_code, 404)
        self.assertEqual(self.client.post("/projects/w/start/", {"request_key": "k"}).status_code, 404)

    def test_a_delivery_is_answered_as_where_there_is_no_webhook(self) -> None:
        real = deliveries.why_not

        def late(*asked: Any) -> str:
            Project.objects.filter(pk=self.project.pk).delete()
            return real(*asked)

        for message in ("Mend it", "Mend it [skip ci]"):  # one that starts a build, and one that is only remembered
            self.project = project()
            secret = deliveries.make_secret(self.project, by="alice")
            payload = {"type": "push", "data": {"ref": "refs/heads/main", "commit": forges.COMMIT, "message": message}}
            sent = forges.generic(payload, secret)
            kind = sent.headers.pop("Content-Type")
            with mock.patch.object(deliveries, "why_not", late):
                answer = self.client.post("/hooks/one/", sent.body, content_type=kind, headers=sent.headers)
            self.assertEqual(answer.status_code, 401, answer.content)
            self.assertEqual(Delivery.objects.count(), 0)


class EndTest(GoneCase):
    def test_a_build_ends_while_what_comes_after_it_is_removed(self) -> None:
        after = After.objects.create(project=project("next"), upstream=self.project)
        lifecycle.enqueue(self.project, by="alice")
        lease = lifecycle.claim("worker", "t" * 32)
        lifecycle.begin_step(lease, 0)
        lifecycle.end_step(lease, 0, Status.PASSED, exit_code=0)
        real = FollowUp.objects.bulk_create
        removals: list[threading.Thread] = []

        def removed() -> None:
            After.objects.filter(pk=after.pk).delete()
            connection.close()

        def late(rows: list[FollowUp]) -> list[FollowUp]:
            if not removals:
                removals.append(threading.Thread(target=removed))
                removals[0].start()
                removals[0].join(1)  # on SQLite it waits for this transaction
            return real(rows)

        with mock.patch.object(FollowUp.objects, "bulk_create", late):
            self.assertEqual(Storing()(lifecycle.finish, lease, Status.PASSED, ""), Status.PASSED)
        removals[0].join()
        self.assertEqual((After.objects.count(), FollowUp.objects.count()), (0, 0))
