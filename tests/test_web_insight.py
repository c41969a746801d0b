from datetime import timedelta

from django.contrib.auth.models import User
from django.test import TestCase
from django.utils import timezone

from builds import landmarks
from builds.landmarks import Annotation, AnnotationAt
from builds.models import Build, Step
from builds.web.insight import Insight

from . import failures


class InsightTest(TestCase):
    def insight(self, build: Build) -> Insight:
        return Insight(build, list(build.steps.all()))

    def history(self, *seconds: float) -> None:
        for one in seconds:
            failures.build([], status="passed", seconds=one)

    def running(self, seconds: float) -> Build:
        build = failures.build(["a"], status="failed", seconds=seconds)
        build.steps.filter(position=1).update(status="running", finished_at=None, exit_code=None)
        Build.objects.filter(pk=build.pk).update(status="running", lease_token="t", finished_at=None)
        return Build.objects.select_related("project").get(pk=build.pk)

    def test_a_build_that_runs_tells_how_long_still_and_how_sure_that_is(self) -> None:
        self.history(*[19] * 2, *[21] * 6, *[25] * 2)
        found = self.insight(self.running(6))
        self.assertEqual(found.left, "about 15 s left")
        self.assertRegex(found.usual, r"usually 1[23]–(19|20) s")
        self.assertTrue(20 < float(found.fill[:-1]) < 27, found.fill)
        self.assertTrue(70 < float(found.zone[0][:-1]) < 80, found.zone)
        self.assertAlmostEqual(float(found.zone[0][:-1]) + float(found.zone[1][:-1]), 100, places=1)

    def test_one_that_takes_longer_than_nearly_all_says_so(self) -> None:
        self.history(*[20] * 9, 400)
        found = self.insight(self.running(60))
        self.assertEqual((found.left, found.usual), ("any moment", "longer than 9 of 10 builds"))
        self.assertEqual((found.percent, found.fill), ("99 %", "99.00%"))

    def test_without_history_nothing_is_claimed(self) -> None:
        build = self.running(60)
        build.steps.update(expected_seconds=None)
        found = self.insight(build)
        self.assertEqual((found.left, found.usual, found.percent, found.fill), ("no history yet", "", "…", "0.00%"))
        self.assertEqual((found.zone, found.durations_json), (("100.00%", "0.00%"), "[]"))

    def test_what_is_over_stands_beside_the_median(self) -> None:
        self.history(30, 30, 31)
        self.assertEqual(
            self.insight(failures.build([], status="passed", seconds=42.5)).compared, "12 s longer than usual"
        )
        self.assertEqual(self.insight(failures.build([], seconds=20)).compared, "", "it ended before its time")
        self.assertEqual(self.insight(failures.build([], seconds=60.5)).compared, "30 s longer than usual")
        self.assertEqual(self.insight(failures.build([], slug="new", status="passed")).compared, "")
        waits = Build.objects.create(project=failures.project(), recipe="x")
        self.assertEqual(self.insight(waits).compared, "usually 30–42 s")

    def test_silences_name_the_step_and_link_to_the_line_before(self) -> None:
        found = self.insight(failures.build(["a", "b"], seconds=40, gap=12))
        self.assertEqual(
            [(line.said, line.anchor) for line in found.silences],
            [("27 s in compile, after line 2", "2:2"), ("12 s in compile, after line 1", "2:1")],
        )
        self.assertIsNone(found.lasting)

    def test_the_silence_that_lasts_is_told_apart(self) -> None:
        build = self.running(30)
        found = self.insight(build)
        self.assertEqual(found.silences, [])
        assert found.lasting is not None
        self.assertEqual((found.lasting.anchor, found.lasts_long), ("2:1", True))
        build.events.filter(kind="log", step=1).update(at=timezone.now())
        self.assertFalse(self.insight(build).lasts_long)
        Step.objects.filter(build=build, position=1).update(started_at=timezone.now() - timedelta(seconds=9))
        build.events.filter(kind="log", step=1).delete()
        found = self.insight(build)
        assert found.lasting is not None
        self.assertEqual(found.lasting.anchor, "step-2")
        self.assertRegex(found.lasting.said, r"\A9\.\d s in compile, before its first line\Z")

    def test_an_annotated_error_is_told_also_when_its_line_was_cut(self) -> None:
        build = failures.build(["::error file=a.c,line=3::It broke", "x"])
        said = Annotation("error", "It broke", "", "a.c", 3)
        landmarks.store(build.pk, [AnnotationAt(1, 1, 1, said)], {"errors_told": 1})
        build = Build.objects.select_related("project").get(pk=build.pk)
        self.assertEqual(self.insight(build).first_error_text, "a.c:3: It broke")
        build.events.filter(kind="log", step=1, line=1).delete()
        found = self.insight(build)
        self.assertEqual((found.first_error_text, found.is_annotated), ("a.c:3: It broke", True))
        self.assertTrue(found.says_why)

    def test_a_builds_page_asks_for_all_of_it_in_few_queries(self) -> None:
        self.client.force_login(User.objects.create_user("alice"))
        self.history(30, 30, 31)
        build = self.running(20)
        self.client.get(f"/builds/{build.pk}/")
        with self.assertNumQueries(7):
            found = self.insight(build)
            self.assertEqual(len(found.durations), 3)
            self.assertIsNotNone(found.forecast)
            self.assertEqual(found.silences, [])
            self.assertIsNotNone(found.lasting)
        text = self.client.get(f"/builds/{build.pk}/").content.decode()
        self.assertIn('data-durations="[30.0, 30.0, 31.0]"', text)
