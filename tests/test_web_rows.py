from datetime import timedelta

from django.contrib.auth.models import User
from django.test import SimpleTestCase, TestCase, tag
from django.utils import timezone

from builds import lifecycle
from builds.models import Build, Project, Step
from builds.queue import Place
from builds.web.rows import SPARK, Row, card, last_durations, rows, spark, usual_range, waits


@tag("fast")
class WaitsTest(SimpleTestCase):
    def test_a_place_is_said_in_words(self) -> None:
        self.assertEqual(waits(Place(3, "2 builds before it", False)), "3rd · 2 builds before it")
        self.assertEqual(waits(None), "")


@tag("fast")
class BriefTest(SimpleTestCase):
    def test_what_became_of_a_build_by_a_restore_comes_first(self) -> None:
        for status, clause in (("running", "how it ended"), ("queued", "whether it has run since")):
            for backup in ("a backup of 2026-03-01 03:00:00 UTC", "a backup"):
                reason = f"The board was restored from {backup}. This build was {status} then; {clause} is not known."
                build = Build(reason=reason, worker="host:1")
                said = f"{clause.capitalize()} is not known: the board was restored."
                self.assertEqual((Row(build, {}, None).brief, Row(build, {}, None).said), (said, reason))


class HistoryTest(TestCase):
    def setUp(self) -> None:
        self.project = Project.objects.create(name="p", slug="p", recipe="steps: [{name: a, run: x}]")

    def build(self, status: str, seconds: float) -> Build:
        now = timezone.now()
        build = Build.objects.create(
            project=self.project,
            recipe=self.project.recipe,
            status=status,
            worker="w",
            started_at=now - timedelta(seconds=seconds),
            finished_at=None if status == "running" else now,
            lease_token="t" if status == "running" else None,
        )
        if status in ("passed", "failed"):
            Step.objects.create(
                build=build,
                position=0,
                name="a",
                status=status,
                exit_code=0 if status == "passed" else 1,
                started_at=build.started_at,
                finished_at=now,
            )
        return build

    def test_a_row_says_that_its_build_is_of_a_fork(self) -> None:
        self.client.force_login(User.objects.create_user("viewer"))
        builds = [self.build("passed", 3), self.build("running", 3), lifecycle.enqueue(self.project, by="hook")]
        for pages in ("/", self.project.get_absolute_url()):
            self.assertNotContains(self.client.get(pages), '<span class="fork"')
        Build.objects.filter(pk__in=[build.pk for build in builds]).update(fork=True, pull_request=7)
        for pages in ("/", self.project.get_absolute_url()):
            self.assertContains(self.client.get(pages), '<span class="fork" title="from a fork">fork</span>', 3)

    def test_a_card_shows_what_runs_before_what_waits(self) -> None:
        running = self.build("running", 3)
        Build.objects.create(project=self.project, recipe="x")
        self.assertEqual(card(self.project).newest, running)

    def test_bars_of_what_did_not_pass_have_a_foot(self) -> None:
        made = spark([self.build("passed", 10), self.build("failed", 5), self.build("running", 1)])
        self.assertEqual(
            (made.good.count("M"), made.bad.count("M"), made.bad.count("m0"), made.running.count("M")), (1, 1, 1, 1)
        )
        self.assertEqual(made.said, "1 of the last 2 builds passed")
        self.assertTrue(made.running.startswith(f"M{3 + 7 * (SPARK - 1)} "), "the newest stands at the right")

    def test_one_build_is_not_the_last_ones(self) -> None:
        self.assertEqual(spark([self.build("passed", 10)]).said, "its one finished build passed")
        self.assertEqual(spark([self.build("failed", 10)]).said, "its one finished build did not pass")

    def test_a_lost_builds_row_says_what_became_of_its_worker_and_not_its_name(self) -> None:
        build = self.build("lost", 10)
        build.reason = "The worker w died (signal 9)."
        (row,) = rows([build])
        self.assertEqual((row.brief, row.said), ("Its worker died (signal 9).", "The worker w died (signal 9)."))

    def test_a_project_without_builds_has_an_empty_card(self) -> None:
        empty = card(self.project)
        self.assertEqual((empty.status, empty.median, empty.spark.said), ("pending", None, "no builds yet"))

    def test_what_is_usual_needs_three_builds(self) -> None:
        for seconds in (42, 45):
            self.build("passed", seconds)
        self.assertEqual(usual_range(last_durations(Build(project=self.project, pk=10**9))), "")
        self.build("passed", 49)
        self.assertEqual(usual_range(last_durations(Build(project=self.project, pk=10**9))), "usually 42–49 s")

    def test_what_ran_outside_says_nothing_about_how_long_it_takes_here(self) -> None:
        for seconds in (10, 20, 30):
            elsewhere = self.build("passed", seconds)
            Build.objects.filter(pk=elsewhere.pk).update(outside=True)
        here = self.build("passed", 40)
        self.assertEqual(card(self.project).median, 40)
        self.assertEqual(last_durations(here), [])
        self.assertEqual(last_durations(Build(project=self.project, pk=10**9, outside=True)), [10, 20, 30])

    def test_the_last_ten_passed_builds_before_it_tell_how_long_one_takes(self) -> None:
        for seconds in range(1, 14):
            newest = self.build("passed", seconds)
        self.build("failed", 99)
        self.assertEqual([round(one) for one in last_durations(newest)], list(range(3, 13)))
        self.assertEqual(last_durations(Build(project=self.project, pk=0)), [])
