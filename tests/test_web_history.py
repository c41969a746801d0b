"""The figures of a project: what they count, what they leave out, and what they cost."""

from datetime import UTC, datetime, timedelta

from django.db import connection
from django.test import SimpleTestCase, TestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.models import Build, Project, Step
from builds.web import history
from builds.web.history import Failing, Rate, Run, StepRun, figures, groups, of_runs, percentile, rate, spread

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ENDINGS = ("passed", "failed", "cancelled", "lost")


def run(number: int, status: str = "passed", seconds: float = 40, waited: float = 3) -> Run:
    began = NOON + timedelta(minutes=number)
    return Run(number, status, "main", began - timedelta(seconds=waited), began, began + timedelta(seconds=seconds))


def step(build: int, name: str, seconds: float = 1, status: str = "passed") -> StepRun:
    return StepRun(build, name, status, NOON, NOON + timedelta(seconds=seconds))


@tag("fast")
class FiguresTest(SimpleTestCase):
    def test_a_project_without_builds_has_no_figures(self) -> None:
        found = of_runs([], [])
        self.assertEqual((found.rate, found.rate.share), (Rate(0, 0), None))
        for nothing in (found.rate_before, found.duration, found.duration_before, found.waits, found.fails_most):
            self.assertIsNone(nothing)
        self.assertEqual((found.groups, found.steps), ([], []))

    def test_the_last_fifty_are_compared_with_the_fifty_before(self) -> None:
        old = [run(number, "failed" if number % 2 else "passed", 10) for number in range(80)]
        new = [run(number, seconds=20) for number in range(80, 130)]
        found = of_runs(old + new, [])
        self.assertEqual((found.rate, found.rate_before), (Rate(50, 50), Rate(25, 50)))
        assert found.duration and found.duration_before
        self.assertEqual((found.duration.median, found.duration_before.median), (20, 10))

    def test_a_handful_is_nothing_to_compare_with(self) -> None:
        found = of_runs([run(number) for number in range(54)], [])
        self.assertEqual((found.rate_before, found.duration_before), (None, None))
        self.assertIsNotNone(of_runs([run(number) for number in range(55)], []).rate_before)

    def test_who_cancels_a_build_says_nothing_about_the_project(self) -> None:
        self.assertEqual(rate([run(1), run(2, "cancelled"), run(3, "lost"), run(4, "failed")]), Rate(1, 3))

    def test_durations_are_of_those_that_passed(self) -> None:
        found = of_runs([run(1, "failed", 1), run(2, seconds=40), run(3, seconds=44)], []).duration
        assert found
        self.assertEqual((found.count, found.median), (2, 42))

    def test_a_build_that_never_began_has_no_duration_and_did_not_wait_to_the_end(self) -> None:
        gone = Run(1, "cancelled", "", NOON, None, NOON + timedelta(seconds=9))
        self.assertEqual((gone.duration, gone.waited), (None, None))
        self.assertIsNone(of_runs([gone], []).waits)

    def test_clocks_that_were_set_back_make_nothing_negative(self) -> None:
        self.assertEqual((run(1, seconds=-5).duration, run(1, waited=-5).waited), (0, 0))

    def test_steps_are_sorted_by_how_long_they_take(self) -> None:
        ended = [step(1, "link", 2), step(1, "compile", 30), step(2, "compile", 50), step(2, "test", 1, "failed")]
        found = of_runs([run(1), run(2)], ended, ["compile", "link", "test", "sign"])
        self.assertEqual([one.name for one in found.steps], ["compile", "link", "test", "sign"])
        self.assertEqual([one.took and one.took.median for one in found.steps], [40, 2, None, None])
        self.assertEqual([one.failed for one in found.steps], [0, 0, 1, 0])

    def test_of_steps_that_fail_as_often_the_one_that_failed_last_is_named(self) -> None:
        ended = [step(4, "a", 1, "failed"), step(7, "b", 1, "failed"), step(2, "b", 1), step(3, "b", 1)]
        self.assertEqual(of_runs([], ended).fails_most, Failing("b", 1, 7))
        ended.append(step(1, "a", 1, "failed"))
        self.assertEqual(of_runs([], ended).fails_most, Failing("a", 2, 4))

    def test_groups_are_counted_from_the_newest(self) -> None:
        runs = [run(number, "failed" if number == 25 else "passed") for number in range(1, 26)]
        runs.insert(3, run(999, "cancelled"))
        first, last = groups(runs)
        self.assertEqual((first.first, first.last, first.rate), (1, 5, Rate(5, 5)))
        self.assertEqual((last.first, last.last, last.rate), (6, 25, Rate(19, 20)))

    @given(st.lists(st.sampled_from(ENDINGS), max_size=210))
    def test_whatever_came_each_build_is_in_one_group(self, statuses: list[str]) -> None:
        runs = [run(number, status) for number, status in enumerate(statuses, start=1)]
        found = groups(runs)
        counted = sum(status != "cancelled" for status in statuses)
        self.assertEqual(sum(group.rate.counted for group in found), counted)
        self.assertTrue(all(group.rate.counted == history.GROUP for group in found[1:]))
        self.assertTrue(all(one.last < other.first for one, other in zip(found, found[1:], strict=False)))

    @given(st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=60))
    def test_a_spread_is_in_order_and_within_its_values(self, values: list[float]) -> None:
        found = spread(values)
        assert found
        self.assertLessEqual(min(values), found.low * (1 + 1e-9))
        self.assertLessEqual(found.low, found.median * (1 + 1e-9))
        self.assertLessEqual(found.median, found.high * (1 + 1e-9))
        self.assertLessEqual(found.high, found.most * (1 + 1e-9))

    def test_percentiles_lie_between_values(self) -> None:
        self.assertEqual([percentile([10, 20, 30], share) for share in (0, 0.25, 0.5, 1)], [10, 15, 20, 30])
        self.assertEqual(percentile([7], 0.9), 7)


class StoredTest(TestCase):
    def setUp(self) -> None:
        self.project = Project.objects.create(name="p", slug="p", recipe="steps: [{name: a, run: x}]")

    def build(self, status: str = "passed", seconds: float = 10, project: Project | None = None) -> Build:
        """With one step, `a`, that ended as the build did."""
        over = status not in ("queued", "running")
        build = Build.objects.create(
            project=project or self.project,
            recipe="x" * 1000,
            status=status,
            worker="w",
            created_at=NOON - timedelta(seconds=3),
            started_at=None if status == "queued" else NOON,
            finished_at=NOON + timedelta(seconds=seconds) if over else None,
            lease_token="t" if status == "running" else None,
        )
        if over:
            code = {"passed": 0, "failed": 1}.get(status)
            times = {"started_at": NOON, "finished_at": build.finished_at}
            Step.objects.create(build=build, position=0, name="a", status=status, exit_code=code, **times)
        return build

    def test_what_is_not_over_or_anothers_is_not_counted(self) -> None:
        other = Project.objects.create(name="o", slug="o", recipe="x")
        mine = [self.build(status).pk for status in ENDINGS]
        for status in ("queued", "running"):
            self.build(status)
        self.build(project=other)
        found = figures(self.project)
        self.assertEqual([one.number for one in found.runs], mine)
        self.assertEqual([one.status for one in found.runs], list(ENDINGS))
        self.assertEqual(found.rate, Rate(1, 3))

    def test_what_ran_outside_is_in_no_figure_and_told_of(self) -> None:
        mine = [self.build("passed", 10).pk, self.build("failed", 10).pk]
        for status in ("failed", "lost"):
            Build.objects.filter(pk=self.build(status, 99).pk).update(outside=True)
        found = figures(self.project)
        self.assertEqual([one.number for one in found.runs], mine)
        self.assertEqual((found.rate, found.duration and found.duration.most), (Rate(1, 2), 10))
        self.assertEqual((found.outside, found.newest), (2, "lost"))

    def test_medians_count_the_runs_in_which_the_step_passed(self) -> None:
        for seconds in (10, 20):
            self.build("passed", seconds)
        Build.objects.filter(pk=self.build("passed", 30).pk).update(status="failed")  # by a later step
        last = self.build("failed", 1)
        found = figures(self.project, ["a"])
        (one,) = found.steps
        self.assertEqual((one.name, one.took and one.took.median, one.failed), ("a", 20, 1))
        self.assertEqual(found.fails_most, Failing("a", 1, last.pk))

    def test_two_queries_read_the_newest_builds_whatever_their_number(self) -> None:
        newest = [self.build().pk for _ in range(history.LOOKED_AT + 5)][-1]
        with self.assertNumQueries(2):
            found = figures(self.project)
        self.assertEqual((len(found.looked_at), found.runs[-1].number), (history.LOOKED_AT, newest))
        self.assertEqual(found.steps[0].took and found.steps[0].took.count, history.WINDOW)

    def test_the_newest_are_walked_to_in_an_index(self) -> None:
        if connection.vendor != "sqlite":
            return  # there the plan follows from how much is stored, and a test stores little
        newest = self.project.builds.filter(finished_at__isnull=False).order_by("-id")[: history.LOOKED_AT]
        plan = newest.explain()
        self.assertIn("build_project", plan)
        self.assertNotIn("TEMP B-TREE", plan)
