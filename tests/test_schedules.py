"""Schedules: each time once, whoever looks; what was missed is said, and the newest made up for."""

from datetime import UTC, datetime, timedelta
from unittest import mock

from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, transaction
from django.test import TestCase, TransactionTestCase, override_settings
from django.utils import timezone

from builds import lifecycle, schedules
from builds.models import Build, Project, Schedule

from .racing import answer_lost, project, together


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def nightly(**fields: object) -> Schedule:
    """Every day at 03:30, next on 6 January 2026."""
    of = fields.pop("project", None) or Project.objects.filter(slug="one").first() or project()
    made = Schedule(**({"project": of, "name": "nightly", "cron": "30 3 * * *", "zone": "UTC"} | fields))
    with mock.patch.object(timezone, "now", lambda: at("2026-01-05T12:00")):
        schedules.save(made)
    return made


class DueTest(TestCase):
    def test_a_time_that_has_come_starts_a_build_and_the_next_one_follows(self) -> None:
        made = nightly(ref="release", inputs={})
        self.assertEqual(made.next_at, at("2026-01-06T03:30"))
        self.assertEqual(schedules.start_due(at("2026-01-06T03:29:59")), [])
        [build] = schedules.start_due(at("2026-01-06T03:30:01"))
        self.assertEqual((build.trigger, build.started_by, build.ref), ("schedule", "schedule nightly", "release"))
        made.refresh_from_db()
        self.assertEqual((made.next_at, made.last_at), (at("2026-01-07T03:30"), at("2026-01-06T03:30")))
        self.assertEqual((made.last_build, made.note, made.missed), (build, "", 0))
        self.assertEqual(schedules.start_due(at("2026-01-06T03:30:03")), [])

    def test_a_change_takes_nothing_back_that_came_meanwhile(self) -> None:
        made = nightly(cron="* * * * *")
        Schedule.objects.update(next_at=timezone.now() - timedelta(seconds=5))
        mine = Schedule.objects.get()
        [build] = schedules.start_due()
        mine.name = "by day"
        schedules.save(mine)
        found = Schedule.objects.get()
        self.assertEqual((found.name, found.last_build, mine.last_build), ("by day", build, build))
        made.delete()
        with self.assertRaises(Schedule.DoesNotExist):
            schedules.save(mine)
        self.assertFalse(Schedule.objects.exists())

    def test_inputs_are_given(self) -> None:
        of = project(recipe="inputs: {target: {default: all}}\nsteps: [{name: a, run: b}]")
        nightly(project=of, inputs={"target": "docs"})
        [build] = schedules.start_due(at("2026-01-06T03:30:01"))
        self.assertEqual(build.inputs, {"target": "docs"})

    def test_what_was_missed_is_said_and_the_newest_made_up_for(self) -> None:
        made = nightly()
        [build] = schedules.start_due(at("2026-01-09T04:00"))
        made.refresh_from_db()
        self.assertEqual(
            made.note,
            "3 starts were missed, since 2026-01-06 03:30 UTC: nobody looked. The last one was made up for.",
        )
        self.assertEqual((made.missed, made.missed_at, made.last_build), (3, at("2026-01-09T03:30"), build))
        self.assertEqual(made.next_at, at("2026-01-10T03:30"))
        [build] = schedules.start_due(at("2026-01-10T03:30"))
        made.refresh_from_db()
        self.assertEqual((made.note, made.missed), ("", 3), "how many there were ever is still said")

    def test_what_is_too_long_ago_is_not_made_up_for(self) -> None:
        made = nightly()
        self.assertEqual(schedules.start_due(at("2026-01-06T05:00")), [])
        made.refresh_from_db()
        self.assertEqual(made.note, "1 start was missed, since 2026-01-06 03:30 UTC: nobody looked.")
        self.assertEqual((made.missed, made.last_build), (1, None))
        self.assertEqual(made.next_at, at("2026-01-07T03:30"))
        with override_settings(BUILDBOARD_SCHEDULE_LATE_MINUTES=240):
            self.assertEqual(len(schedules.start_due(at("2026-01-07T07:00"))), 1)
        made.refresh_from_db()
        self.assertEqual(made.note, "It was started late: nobody looked when it was due.")
        with override_settings(BUILDBOARD_SCHEDULE_LATE_MINUTES=0):
            self.assertEqual(schedules.start_due(at("2026-01-08T03:32")), [])
            self.assertEqual(len(schedules.start_due(at("2026-01-09T03:30:30"))), 1)

    def test_a_refusal_is_said_and_the_next_time_comes(self) -> None:
        made = nightly()
        Project.objects.update(enabled=False)
        self.assertEqual(schedules.start_due(at("2026-01-06T03:30:01")), [])
        made.refresh_from_db()
        self.assertIn("disabled", made.note)
        self.assertEqual((made.missed, made.next_at), (0, at("2026-01-07T03:30")))

    def test_one_that_cannot_be_started_at_all_holds_up_no_other(self) -> None:
        of = project()
        Project.objects.update(repository="https://forge.example/a/b.git")
        of.refresh_from_db()
        bad, good = nightly(project=of, name="bad", inputs=5), nightly(project=of, name="good")
        with self.assertLogs("builds.schedules", "ERROR"):
            [build] = schedules.start_due(at("2026-01-06T03:30:01"))
        self.assertEqual(build.started_by, "schedule good")
        for made in (bad, good):
            made.refresh_from_db()
            self.assertEqual(made.next_at, at("2026-01-07T03:30"))
        self.assertEqual((bad.note, good.note), ("It could not be started: AttributeError.", ""))

    def test_a_database_that_is_away_is_no_reason_to_leave_one_out(self) -> None:
        made = nightly()
        with mock.patch.object(lifecycle, "enqueue", side_effect=OperationalError), self.assertRaises(OperationalError):
            schedules.start_due(at("2026-01-06T03:30:01"))
        made.refresh_from_db()
        self.assertEqual(made.next_at, at("2026-01-06T03:30"))

    def test_inputs_are_pairs(self) -> None:
        for wrong in (5, [1], "a"):
            with self.assertRaisesMessage(ValidationError, "Expected an object of inputs"):
                Schedule(project=project(f"p-{wrong!r}"), name="n", cron="@daily", inputs=wrong).full_clean()

    def test_a_zone_that_is_not_known_any_more_ends_it(self) -> None:
        made = nightly()
        Schedule.objects.update(zone="Europe/Atlantis")
        self.assertEqual(schedules.start_due(at("2026-01-06T03:30:01")), [])
        made.refresh_from_db()
        self.assertIn("no time zone 'Europe/Atlantis'", made.note)
        self.assertIsNone(made.next_at)

    def test_one_that_is_off_has_no_next_time(self) -> None:
        made = nightly(enabled=False)
        self.assertIsNone(made.next_at)
        made.enabled = True
        schedules.save(made)
        self.assertGreater(made.next_at, timezone.now())
        with self.assertRaises(IntegrityError), transaction.atomic():
            Schedule.objects.update(enabled=False)

    def test_of_a_restored_board_what_was_due_is_left_out(self) -> None:
        made, later = nightly(), nightly(name="yearly", cron="0 0 1 1 *", zone="UTC")
        Schedule.objects.filter(pk=later.pk).update(next_at=timezone.now() + timedelta(days=1))
        schedules.skip_missed()
        self.assertEqual(schedules.start_due(), [])
        made.refresh_from_db()
        self.assertGreater(made.next_at, timezone.now())
        self.assertEqual((made.missed, made.note[:42]), (0, "The board was restored from a backup: what"))
        later.refresh_from_db()
        self.assertEqual(later.note, "")

    def test_many_are_started_at_one_look(self) -> None:
        for number in range(5):
            nightly(name=f"number {number}")
        with self.assertNumQueries(1):
            self.assertEqual(schedules.start_due(at("2026-01-06T03:00")), [])
        self.assertEqual(len(schedules.start_due(at("2026-01-06T03:30"))), 5)


class RaceTest(TransactionTestCase):
    def test_of_six_who_look_at_the_same_instant_one_starts_it(self) -> None:
        nightly()
        found = together([lambda: schedules.start_due(at("2026-01-06T03:30:01")) for _ in range(6)])
        self.assertEqual(sum(len(each) for each in found), 1)
        self.assertEqual(Build.objects.count(), 1)

    def test_a_crash_loses_no_start_and_doubles_none(self) -> None:
        made = nightly()
        now = at("2026-01-06T03:30:01")
        for landed in (False, True):
            with answer_lost(landed), self.assertRaisesRegex(Exception, "lost"):
                schedules.start_due(now)
            self.assertEqual(Build.objects.count(), int(landed))
            made.refresh_from_db()
            self.assertEqual(made.next_at, at(f"2026-01-0{7 if landed else 6}T03:30"))
        self.assertEqual(schedules.start_due(now + timedelta(seconds=2)), [])
        self.assertEqual(Build.objects.count(), 1)
