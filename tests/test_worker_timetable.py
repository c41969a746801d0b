"""A supervisor starts what is due, goes on when the database is away, and two of them start nothing twice."""

from datetime import timedelta
from unittest import mock

from django.db import OperationalError
from django.test import SimpleTestCase
from django.utils import timezone

from builds import schedules
from builds.models import Build, Project, Schedule
from builds.worker.timetable import LOOK_SECONDS, Timetable

from .support.board import Board
from .support.processes import eventually


class TimetableTest(SimpleTestCase):
    databases = {"default"}

    def test_it_looks_now_and_then_and_survives_a_database_that_is_away(self) -> None:
        timetable = Timetable()
        with mock.patch.object(schedules, "start_due", side_effect=[OperationalError("gone"), []]) as start_due:
            for now in (0.0, LOOK_SECONDS / 2, LOOK_SECONDS, LOOK_SECONDS * 1.5):
                timetable.look(now)
        self.assertEqual(start_due.call_count, 2)

    def test_no_mistake_in_it_ends_the_supervisor(self) -> None:
        with (
            mock.patch.object(schedules, "start_due", side_effect=TypeError),
            self.assertLogs("builds.worker.timetable", "ERROR"),
        ):
            Timetable().look(0.0)

    def test_supervisors_of_a_real_board(self) -> None:
        with Board() as board:
            board.project("hello", "steps: [{name: say, run: echo hi}]")
            with board.database():
                made = Schedule(project=Project.objects.get(), name="often", cron="0 0 1 1 *", zone="UTC")
                schedules.save(made)
            for _ in range(2):
                board.workers(1)
            with board.database():
                due = timezone.now() - timedelta(seconds=1)
                Schedule.objects.update(next_at=due)

                def passed() -> bool:
                    return Build.objects.filter(status="passed", trigger="schedule").exists()

                eventually(passed, 30)
                self.assertEqual(Build.objects.count(), 1)
                found = Schedule.objects.get()
                self.assertEqual(found.last_build, Build.objects.get())
                self.assertGreater(found.next_at, timezone.now())
