"""Which step begins next: needs, lanes, conditions, failures."""

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds import recipe
from builds.recipe import Facts
from builds.states import Status
from builds.worker.schedule import Schedule


def schedule(*steps: str, lanes: int = 4, branch: str = "main") -> Schedule:
    plan = recipe.parse("env: {A: x}\nsteps:\n" + "".join(f"- {{run: x, {step}}}\n" for step in steps))
    return Schedule(plan.steps, Facts(plain={"branch": branch}, env=plan.env), lanes)


@tag("fast")
class ScheduleTests(SimpleTestCase):
    def test_without_needs_one_follows_the_other(self) -> None:
        found = schedule("name: a", "name: b")
        self.assertEqual(found.next(), ([0], {}))
        self.assertEqual(found.next(), ([], {}))
        found.over(0, Status.PASSED)
        self.assertEqual(found.next(), ([1], {}))
        self.assertFalse(found.is_over)
        found.over(1, Status.PASSED)
        self.assertTrue(found.is_over)

    def test_what_needs_nothing_begins_at_once_as_far_as_there_are_places(self) -> None:
        found = schedule("name: a", "name: b, needs: []", "name: c, needs: []", "name: d, needs: [a, c]", lanes=2)
        self.assertEqual(found.next(), ([0, 1], {}))
        found.over(1, Status.PASSED)
        self.assertEqual(found.next(), ([2], {}))
        found.over(0, Status.PASSED)
        self.assertEqual(found.next(), ([], {}))
        found.over(2, Status.PASSED)
        self.assertEqual(found.next(), ([3], {}))

    def test_a_step_may_need_one_that_is_written_later(self) -> None:
        found = schedule("name: a, needs: b", "name: b, needs: []")
        self.assertEqual(found.next(), ([1], {}))

    def test_a_failure_skips_all_that_has_not_begun_and_says_why(self) -> None:
        found = schedule("name: a", "name: b", "name: c, needs: []", "name: d, needs: c", "name: e, needs: b")
        self.assertEqual(found.next(), ([0, 2], {}))
        found.over(0, Status.FAILED)
        needs, before = "It needs a, which failed.", "Step a failed before it began."
        self.assertEqual(found.next(), ([], {1: needs, 3: before, 4: needs}))
        self.assertFalse(found.is_over, "c still runs")
        found.over(2, Status.FAILED)
        self.assertEqual((found.next(), found.is_over, found.failed), (([], {}), True, [0, 2]))

    def test_an_allowed_failure_stops_nothing(self) -> None:
        found = schedule("name: a, allow_failure: true", "name: b, if: steps.a.status == 'failed'")
        found.next()
        found.over(0, Status.FAILED)
        self.assertEqual((found.next(), found.failed), (([1], {}), []))

    def test_after_a_failure_only_those_begin_that_ask_for_it(self) -> None:
        found = schedule(
            "name: a", "name: b", "name: c, if: failed()", "name: d, if: always()", "name: e, if: passed()"
        )
        found.next()
        found.over(0, Status.FAILED)
        begun, skipped = found.next()
        self.assertEqual((begun, list(skipped)), ([2], [1]))
        found.over(2, Status.PASSED)
        self.assertEqual(found.next(), ([3], {}))
        found.over(3, Status.PASSED)
        self.assertEqual(found.next(), ([], {4: "Its condition does not hold: passed()"}))
        self.assertTrue(found.is_over)

    def test_a_step_that_its_condition_skips_holds_nothing_up(self) -> None:
        found = schedule("name: a, if: branch == 'x'", "name: b", "name: c, if: steps.a.status == 'skipped'")
        self.assertEqual(found.next(), ([1], {0: "Its condition does not hold: branch == 'x'"}))
        found.over(1, Status.PASSED)
        self.assertEqual(found.next(), ([2], {}))

    def test_a_condition_sees_its_own_variables_and_its_place_in_the_matrix(self) -> None:
        found = schedule("name: t, matrix: {n: [1, 2]}, if: matrix.n == 2 and env.MATRIX_N == 2 and env.A == 'x'")
        self.assertEqual(found.next()[0], [1])

    def test_the_steps_of_a_matrix_together(self) -> None:
        passed, failed = Status.PASSED, Status.FAILED
        for condition, outcomes, status in (
            ("true", [passed, passed], "passed"),
            ("true", [passed, failed], "failed"),
            ("matrix.n == 0", [passed], "passed"),
            ("false", [], "skipped"),
        ):
            with self.subTest(condition, outcomes=outcomes):
                found = schedule(
                    f"name: t, allow_failure: true, matrix: {{n: [0, 1]}}, if: {condition}",
                    f"name: last, if: steps.t.status == '{status}'",
                )
                begun, _ = found.next()
                for at, outcome in zip(begun, outcomes, strict=False):
                    found.over(at, outcome)
                self.assertIn(2, [*begun, *found.next()[0]])

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_whatever_happens_every_step_ends_once_behind_what_it_needs(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, 8))
        steps = []
        for at in range(count):
            needs = data.draw(st.lists(st.integers(0, count - 1).filter(lambda one: one < at), unique=True, max_size=3))  # noqa: B023
            condition = data.draw(st.sampled_from(["", ", if: always()", ", if: failed()", ", if: false"]))
            allowed = data.draw(st.sampled_from(["true", "false"]))
            steps.append(f"name: s{at}, needs: {[f's{one}' for one in needs]}, allow_failure: {allowed}{condition}")
        lanes = data.draw(st.integers(1, 3))
        found = schedule(*steps, lanes=lanes)
        plan = found._steps
        over: set[int] = set()
        running: list[int] = []
        while not found.is_over:
            begun, skipped = found.next()
            self.assertFalse(over & {*begun, *skipped})
            for at in begun:
                self.assertLessEqual(set(plan[at].needs), over | set(skipped))
            over |= set(skipped)
            running += begun
            self.assertLessEqual(len(running), lanes)
            if not running:
                self.assertTrue(found.is_over, "nothing runs, so nothing could ever begin")
                break
            at = running.pop(data.draw(st.integers(0, len(running) - 1)))
            found.over(at, data.draw(st.sampled_from([Status.PASSED, Status.FAILED])))
            over.add(at)
        self.assertEqual(over, set(range(count)))
