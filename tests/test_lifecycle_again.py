"""A build whose worker ended is retried by itself, where its project asks for it; and clocks that jump."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from unittest import mock

from django.db import OperationalError
from django.test import TransactionTestCase, override_settings
from django.utils import timezone

from builds import events, lifecycle
from builds.models import Board, Build, Project
from builds.states import Status
from tests.racing import answer_lost, leased, project, together

SILENT = "The worker was silent."


class AgainTests(TransactionTestCase):
    def setUp(self):
        self.project = project()
        self.asks(2)

    def asks(self, times: int) -> None:
        Project.objects.update(auto_retries=times)

    def test_a_lost_build_is_started_again_and_both_say_so(self):
        first = lifecycle.enqueue(self.project, by="alice", ref="main")
        lease = lifecycle.claim("w", "t")
        lifecycle.lose(first.pk, lease.token, SILENT)
        again = Build.objects.get(retry_of=first)
        first.refresh_from_db()
        self.assertEqual((first.status, first.reason), ("lost", f"{SILENT} Retried as build {again.pk}."))
        self.assertEqual(
            (again.status, again.attempt, again.started_by, again.ref, again.recipe),
            ("queued", 2, "Buildboard", "main", first.recipe),
        )
        self.assertEqual(again.data()["attempt"], 2)
        self.assertEqual(json.loads(events.read(first.pk, 0)[-1].data)["reason"], first.reason)
        self.assertEqual([record.kind for record in events.read(again.pk, 0)], ["build"])
        revisions = sorted([first.revision, again.revision])
        self.assertEqual(revisions, [Board.get().revision - 1, Board.get().revision])

    def test_a_build_that_was_stopped_with_its_worker_is_started_again(self):
        lease = leased(self.project)
        lifecycle.finish(lease, Status.CANCELLED, "The worker was stopped.", again=True)
        again = Build.objects.get(retry_of=lease.build_id)
        stopped = Build.objects.get(pk=lease.build_id)
        self.assertEqual(
            (stopped.status, stopped.reason),
            ("cancelled", f"The worker was stopped. Retried as build {again.pk}."),
        )

    def test_it_is_started_again_as_often_as_the_project_asks_and_no_more(self):
        lifecycle.enqueue(self.project, by="alice")
        for attempt in (1, 2, 3):
            lease = lifecycle.claim("w", f"t{attempt}")
            self.assertEqual(Build.objects.get(pk=lease.build_id).attempt, attempt)
            lifecycle.lose(lease.build_id, lease.token, SILENT)
        build = Build.objects.get(pk=lease.build_id)
        self.assertEqual(build.reason, f"{SILENT} Not retried: it was attempt 3, and its project has no more than 3.")
        self.assertFalse(Build.objects.queued().exists())
        by_hand = lifecycle.retry(build, by="alice")
        self.assertEqual((by_hand.attempt, by_hand.started_by), (1, "alice"), "a person begins anew")

    def test_what_a_person_or_a_step_ended_stays_ended(self):
        cancelled = leased(self.project, "t1")
        lifecycle.cancel(cancelled.build_id, by="bob")
        lifecycle.finish(cancelled, Status.CANCELLED, "The worker was stopped.", again=True)
        asked = leased(self.project, "t2")
        lifecycle.cancel(asked.build_id, by="bob")
        lifecycle.lose(asked.build_id, asked.token, SILENT)
        lifecycle.finish(leased(self.project, "t3"), Status.FAILED, "Step one: exit code 1.")
        lifecycle.finish(leased(self.project, "t4"), Status.PASSED)
        self.asks(0)
        lifecycle.lose(leased(self.project, "t5").build_id, "t5", SILENT)
        self.assertFalse(Build.objects.filter(retry_of__isnull=False).exists())
        self.assertEqual(Build.objects.get(pk=asked.build_id).reason, SILENT)

    def test_where_it_cannot_be_started_again_the_reason_says_why(self):
        lease = leased(self.project, "t1")
        for change, why in (
            ({"enabled": False}, "The project one is disabled; it starts no builds."),
            ({"runs_on": "?!", "enabled": True}, "What one runs on is not valid: '?!' is not a label"),
        ):
            with self.subTest(why):
                Project.objects.update(**change)
                lifecycle.lose(lease.build_id, lease.token, SILENT)
                self.assertIn(f"{SILENT} Not retried: {why}", Build.objects.get(pk=lease.build_id).reason)
                Project.objects.update(enabled=True, runs_on="")
                lease = leased(self.project, f"t{why[:20]}")
        Build.objects.filter(pk=lease.build_id).update(recipe="steps: []")
        lifecycle.lose(lease.build_id, lease.token, SILENT)
        self.assertIn("The recipe of one is not valid", Build.objects.get(pk=lease.build_id).reason)
        lease = leased(self.project, "full")
        lifecycle.enqueue(self.project, by="alice")
        with override_settings(BUILDBOARD_MAX_QUEUED=1):
            lifecycle.lose(lease.build_id, lease.token, "x" * 600)
        reason = Build.objects.get(pk=lease.build_id).reason
        self.assertTrue(
            reason.endswith(
                "x Not retried: The queue is full (1 builds at most). Try again when some of them have started."
            )
        )
        self.assertEqual(len(reason), 500)

    def test_two_who_lose_it_at_once_start_it_again_once(self):
        for n in range(8):
            lease = leased(self.project, f"t{n}")
            losing = partial(lifecycle.lose, lease.build_id, lease.token, SILENT)
            self.assertEqual(sorted(together([losing] * 4)), [False, False, False, True])
            again = Build.objects.get(retry_of=lease.build_id)
            lifecycle.cancel(again.pk, by="alice")

    def test_an_answer_that_was_lost_starts_nothing_twice_and_loses_nothing(self):
        for landed in (True, False):
            with self.subTest(landed=landed):
                lease = leased(self.project, f"t{landed}")
                finish = partial(lifecycle.finish, lease, Status.CANCELLED, "The worker was stopped.", again=True)
                with self.assertRaises(OperationalError), answer_lost(landed):
                    finish()
                self.assertEqual(Build.objects.filter(retry_of=lease.build_id).count(), int(landed))
                self.assertEqual(finish(), Status.CANCELLED)
                again = Build.objects.get(retry_of=lease.build_id)
                lifecycle.cancel(again.pk, by="alice")


class ClockTests(TransactionTestCase):
    """The wall clock is set in the middle of a build; its worker's own is not."""

    @contextmanager
    def clock(self, hours: float) -> Iterator[None]:
        real = timezone.now
        with mock.patch.object(timezone, "now", lambda: real() + timedelta(hours=hours)):
            yield

    def test_a_clock_that_is_set_stretches_no_build_and_no_step(self):
        of = project()
        for hours in (-5, 5):
            with self.subTest(hours=hours):
                lease = leased(of, f"t{hours}")
                lifecycle.begin_step(lease, 0)
                with self.clock(hours):
                    lifecycle.end_step(lease, 0, Status.PASSED, exit_code=0)
                    lifecycle.begin_step(lease, 1)
                    time.sleep(0.05)
                lifecycle.end_step(lease, 1, Status.PASSED, exit_code=0)
                lifecycle.finish(lease, Status.PASSED)
                build = Build.objects.get(pk=lease.build_id)
                self.assertLess(build.duration, 60)
                one, two = build.steps.all()
                self.assertLess(one.duration, 60)
                self.assertGreaterEqual(two.duration, 0.05)
                self.assertLessEqual(build.started_at, one.started_at)
                self.assertLessEqual(one.finished_at, two.started_at)
                self.assertLessEqual(two.finished_at, build.finished_at)
        steps = lifecycle.enqueue(of, by="alice").steps.all()
        self.assertLess(max(step.expected_seconds for step in steps), 60, "nor do estimates hear of it")

    def test_a_build_that_others_lose_ends_no_earlier_than_it_began(self):
        lease = leased(project())
        lifecycle.begin_step(lease, 0)
        with self.clock(-5):
            lifecycle.lose(lease.build_id, lease.token, SILENT)
        build = Build.objects.get(pk=lease.build_id)
        self.assertGreaterEqual(build.finished_at, build.started_at)
        step = build.steps.get(position=0)
        self.assertGreaterEqual(step.finished_at, step.started_at)

    def test_a_claim_that_is_found_again_goes_on_counting_from_its_start(self):
        build = lifecycle.enqueue(project(), by="alice")
        lifecycle.claim("w", "t")
        Build.objects.filter(pk=build.pk).update(started_at=timezone.now() - timedelta(seconds=40))
        found = lifecycle.claim("w", "t")
        lifecycle.finish(found, Status.PASSED)
        self.assertAlmostEqual(Build.objects.get(pk=build.pk).duration, 40, delta=20)
