from unittest import mock

from django.test import TestCase
from django.utils import timezone

from builds import events, landmarks, retention
from builds.events import Chunk
from builds.landmarks import Annotation, AnnotationAt
from builds.models import Build
from builds.retention import Pace
from builds.web import comparison, difference
from builds.web.comparison import Spot

from . import failures

PASSED = ["cc a.c", "cc b.c", "link in 1.2s", "done"]
FAILED = ["cc b.c", "cc a.c", "link in 350ms", "ld: cannot find -ltide", "error: link failed"]


class ComparisonTest(TestCase):
    def setUp(self) -> None:
        comparison._first_error.cache_clear()
        comparison._compared.cache_clear()

    def compare(self, build: Build) -> comparison.Comparison:
        found = comparison.compare(build, list(build.steps.all()))
        assert found is not None
        return found

    def test_the_first_line_that_differs_beside_what_stood_there(self) -> None:
        passed, failed = failures.build(PASSED, status="passed"), failures.build(FAILED)
        found = self.compare(failed)
        rows = [(row.kind, row.build, row.spot, row.text) for row in found.rows]
        self.assertEqual(
            rows,
            [
                ("both", failed.pk, Spot(1, 2), "cc a.c"),
                ("both", failed.pk, Spot(1, 3), "link in 350ms"),
                ("was", passed.pk, Spot(1, 4), "done"),
                ("is", failed.pk, Spot(1, 4), "ld: cannot find -ltide"),
            ],
        )
        self.assertEqual((found.step, found.line, found.said, found.note), ("compile", 4, "", ""))
        self.assertEqual(found.rows[2].href, f"/builds/{passed.pk}/#2:4")
        with self.assertNumQueries(4):
            self.assertEqual(self.compare(failed), found, "it was worked out once")

    def test_the_passed_build_is_the_newest_before_it_of_the_same_ref(self) -> None:
        of_ref, _ = failures.build(PASSED, status="passed", ref="x"), failures.build(PASSED, status="passed")
        failed = failures.build(FAILED, ref="x")
        other = failures.build(FAILED, ref="y")
        later = failures.build(PASSED, status="passed", ref="y")
        self.assertEqual(comparison.last_passed(failed), of_ref)
        self.assertEqual(comparison.last_passed(other), _)
        self.assertEqual(comparison.last_passed(failures.build(FAILED, ref="z")), later)
        self.assertIsNone(comparison.last_passed(of_ref))

    def test_what_ran_outside_is_compared_with_nothing(self) -> None:
        here = failures.build(PASSED, status="passed")
        Build.objects.filter(pk=failures.build(PASSED, status="passed").pk).update(outside=True)
        failed = failures.build(FAILED)
        self.assertEqual(comparison.last_passed(failed), here)
        failed.outside = True
        self.assertIsNone(comparison.last_passed(failed))

    def test_the_same_output_is_no_difference(self) -> None:
        failures.build(PASSED, status="passed")
        found = self.compare(failures.build(["cc b.c", "cc a.c", "link in 9s"]))
        self.assertEqual(found.rows, [])
        self.assertIn("No difference in substance found: it failed with the same output.", found.said)
        self.assertIn("printed nothing", self.compare(failures.build([])).said)

    def test_a_line_that_came_more_often_says_so(self) -> None:
        passed = failures.build(PASSED, status="passed")
        found = self.compare(failures.build([*PASSED, "cc a.c"]))
        self.assertEqual(found.rows[-1].spot, Spot(1, 5))
        self.assertIn(f"Build {passed.pk} printed this line, too, but not as often.", found.note)

    def test_what_cannot_be_compared_says_why(self) -> None:
        passed = failures.build(PASSED, status="passed")
        failed = failures.build(FAILED)
        passed.steps.filter(position=1).update(name="build")
        self.assertIn("had no step compile", self.compare(failed).said)
        Build.objects.filter(pk=passed.pk).update(pruned_at=timezone.now())
        self.assertIn(f"The log of build {passed.pk} was pruned", self.compare(failed).said)
        self.assertIsNone(comparison.compare(passed, list(passed.steps.all())))
        Build.objects.filter(pk=failed.pk).update(pruned_at=timezone.now())
        self.assertIn("This build's log was pruned", self.compare(Build.objects.get(pk=failed.pk)).said)

    def test_of_a_long_step_its_end_is_compared_and_that_is_said(self) -> None:
        failures.build(PASSED, status="passed")
        failed = failures.build(["early error: x", *PASSED, "late"])
        with mock.patch.object(comparison, "MOST_LINES", 5):
            found = self.compare(failed)
        self.assertEqual((found.line, found.said), (6, ""))
        self.assertIn("Only the last 5 lines were compared.", found.note)
        comparison._compared.cache_clear()
        with mock.patch.object(comparison, "MOST_BYTES", 1), mock.patch.object(comparison, "_BITE", 2):
            self.assertEqual(self.compare(failed).line, 6)

    def test_logs_that_would_take_too_long_say_so(self) -> None:
        log = [f"line {n}" for n in range(300)]
        failures.build(log, status="passed")
        failed = failures.build([*log, "late"])
        with mock.patch.object(difference, "MOST_SECONDS", -1):
            found = self.compare(failed)
        self.assertEqual(found.said, "The logs are too long to be compared here: 300 and 301 lines.")
        self.assertEqual((found.rows, found.json["detail"]), ([], found.said))

    def test_compacted_logs_are_compared_as_others_are(self) -> None:
        passed, failed = failures.build(PASSED, status="passed"), failures.build(FAILED)
        before = self.compare(failed)
        comparison._compared.cache_clear()
        with mock.patch.object(Pace, "_pause", lambda *_: None):
            for one in (passed, failed):
                retention.compact(one.pk, Pace())
        failed.refresh_from_db()
        self.assertIsNotNone(failed.compacted_at)
        self.assertEqual(self.compare(failed), before)

    def test_text_is_without_colours_and_bounded(self) -> None:
        failures.build(PASSED, status="passed")
        found = self.compare(failures.build(["\x1b[31mred\x1b[0m " + "x" * 9_000]))
        self.assertTrue(found.rows[-1].text.startswith("red xxx"))
        self.assertLess(len(found.rows[-1].text), 1_100)


class FirstErrorTest(TestCase):
    def setUp(self) -> None:
        comparison._first_error.cache_clear()

    def first(self, build: Build) -> Spot | None:
        return comparison.first_error(build, list(build.steps.all()))

    def test_it_is_looked_for_in_the_step_that_failed(self) -> None:
        failed = failures.build(["0 errors", "\x1b[31ma.c:1:2: error: x\x1b[0m", "error: y"])
        self.assertEqual(self.first(failed), Spot(1, 2))
        self.assertEqual(Spot(1, 2).anchor, "2:2")
        with self.assertNumQueries(1):  # the steps
            self.first(failed)

    def test_what_the_step_itself_calls_an_error_is_believed(self) -> None:
        failed = failures.build(["error: x", "::error::y", "fatal: z"])
        for number, (step, line, level) in enumerate([(0, 1, "error"), (1, 1, "warning"), (1, 2, "error")], start=1):
            said = AnnotationAt(step, line, number, Annotation(level, "y"))
            landmarks.store(failed.pk, [said], {f"{level}s_told": 1})
        self.assertEqual(self.first(Build.objects.get(pk=failed.pk)), Spot(1, 2))

    def test_without_one_and_in_what_has_not_failed_there_is_none(self) -> None:
        self.assertIsNone(self.first(failures.build(["nothing"])))
        self.assertIsNone(self.first(failures.build(["error: x"], status="passed")))
        gone = failures.build(["error: x"])
        Build.objects.filter(pk=gone.pk).update(pruned_at=timezone.now())
        self.assertIsNone(self.first(Build.objects.get(pk=gone.pk)))

    def test_only_the_last_lines_are_looked_at(self) -> None:
        failed = failures.build(["error: early", "a", "b", "error: late"])
        with mock.patch.object(comparison, "ERROR_LINES", 2):
            self.assertEqual(self.first(failed), Spot(1, 4))

    def test_it_is_read_from_the_end_and_no_further_than_it_is_looked_at(self) -> None:
        failed = failures.build(["x"])
        for bite in range(6):
            texts = [f"{'y' * 500} {n}" for n in range(900)]
            events.put(failed.pk, 50 + bite, [Chunk(1, 2 + 900 * bite, [*texts[:-1], f"error: in bite {bite}"])])
        with mock.patch.object(comparison.printed, "lines", side_effect=comparison.printed.lines) as lines:
            self.assertEqual(self.first(failed), Spot(1, 5_401))
        lines.assert_called_once_with(failed.pk, 1, 4_802, 5_401)

    def test_of_chunks_with_many_lines_each_line_has_its_number(self) -> None:
        failed = failures.build(["x"])
        events.put(failed.pk, 50, [Chunk(1, 2, [f"line {n}" for n in range(900)])])
        events.put(failed.pk, 51, [Chunk(1, 902, ["fatal: it broke"])])
        self.assertEqual(self.first(failed), Spot(1, 902))
