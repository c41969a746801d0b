"""When a lease has lapsed: by this process's own clock, and only by looks that succeeded and were in time."""

from unittest import mock

from django.db import OperationalError
from django.test import SimpleTestCase, TestCase

from builds import lifecycle
from builds.leases import LeaseWatch
from builds.models import Build, Project
from tests.support.board import Board

LEASE = 9.0


class LeaseWatchTests(TestCase):
    def setUp(self) -> None:
        project = Project.objects.create(name="p", slug="p", recipe="steps: [{name: a, run: a}]")
        self.build = lifecycle.enqueue(project, by="alice")
        self.lease = lifecycle.claim("host:1:aa", "t" * 32)
        self.now = 100.0
        self.watch = LeaseWatch(LEASE, lambda: self.now)

    def look(self, seconds: float = 2.0, times: int = 1) -> list[int]:
        """Look so many times, each after so many seconds; what the looks ended."""
        found = []
        for _ in range(times):
            self.now += seconds
            found += self.watch.look()
        return found

    def test_a_build_without_a_sign_of_life_for_a_whole_lease_is_lost_and_says_why(self) -> None:
        self.assertEqual(self.look(times=5), [])
        self.assertEqual(self.look(), [self.build.pk])
        self.build.refresh_from_db()
        self.assertEqual(self.build.status, "lost")
        self.assertEqual(self.build.reason, "The worker host:1:aa gave no sign of life for 9 s.")
        self.assertEqual(self.look(times=3), [])

    def test_a_renewal_starts_over(self) -> None:
        self.look(times=5)
        lifecycle.renew(self.lease)
        self.assertEqual(self.look(times=5), [])
        self.assertEqual(self.look(), [self.build.pk])

    def test_a_look_that_failed_starts_over(self) -> None:
        self.look(times=5)
        with mock.patch.object(lifecycle, "leases", side_effect=OperationalError("gone")):
            self.assertEqual(self.look(), [])
        self.assertEqual(self.look(times=5), [])
        self.assertEqual(self.look(), [self.build.pk])

    def test_a_late_look_starts_over(self) -> None:
        self.look(times=5)
        self.assertEqual(self.look(seconds=60), [])
        self.assertEqual(self.look(times=4), [])
        self.assertEqual(self.look(), [self.build.pk])

    def test_a_look_that_took_long_counts_as_late(self) -> None:
        self.look(times=5)
        leases = lifecycle.leases

        def slow() -> dict:
            self.now += 30
            return leases()

        with mock.patch.object(lifecycle, "leases", slow):
            self.assertEqual(self.look(), [])
        self.assertEqual(self.look(times=4), [])

    def test_a_sign_of_life_between_the_look_and_the_end_saves_the_build(self) -> None:
        self.look(times=5)
        leases = lifecycle.leases

        def then_renewed() -> dict:
            found = leases()
            lifecycle.renew(self.lease)
            return found

        with mock.patch.object(lifecycle, "leases", then_renewed):
            self.assertEqual(self.look(), [])
        self.assertEqual(Build.objects.get().status, "running")

    def test_an_end_that_could_not_be_stored_starts_over(self) -> None:
        """On a full disk, say, the worker could not write either: once there is room its renewal comes first."""
        self.look(times=5)
        with mock.patch.object(lifecycle, "lose", side_effect=OperationalError("full")):
            self.assertEqual(self.look(), [])
        self.assertEqual(self.look(times=5), [])
        self.assertEqual(self.look(), [self.build.pk])


class WebWatchTests(SimpleTestCase):
    databases = {"default"}  # the board's own

    def test_a_web_process_ends_the_build_of_a_worker_whose_machine_is_gone(self) -> None:
        with Board(BUILDBOARD_LEASE_SECONDS="3") as board:
            board.project("p", "steps: [{name: a, run: a}]")
            build_id = board.enqueue("p")
            with board.database():
                lifecycle.claim("elsewhere:1:aa", "t" * 32)
            board.web()
            ended = board.wait(build_id, 30)
            self.assertEqual(ended["status"], "lost")
            self.assertEqual(ended["reason"], "The worker elsewhere:1:aa gave no sign of life for 3 s.")
