import random
from dataclasses import replace
from statistics import median

from django.test import SimpleTestCase, tag
from hypothesis import example, given
from hypothesis import strategies as st

from builds.progress import CEILING, StepTime, estimate, expected_seconds, forecast, settle, spread
from builds.states import STEP_STATUSES, Status

seconds = st.floats(min_value=0, max_value=1e7)
step_times = st.builds(
    StepTime,
    status=st.sampled_from(STEP_STATUSES),
    expected=st.none() | seconds,
    elapsed=st.floats(min_value=-3600, max_value=1e7),
    own=st.none() | st.floats(min_value=0, max_value=1),
    needs=st.none() | st.just(()),
)


def running(expected: float | None, elapsed: float, own: float | None = None) -> StepTime:
    return StepTime(Status.RUNNING, expected, elapsed, own)


def pending(expected: float | None) -> StepTime:
    return StepTime(Status.PENDING, expected)


@tag("fast")
class EstimateTests(SimpleTestCase):
    @given(st.lists(step_times, max_size=8))
    def test_it_is_never_done_while_running_and_never_negative(self, steps):
        now = estimate(steps)
        if now.fraction is not None:
            self.assertTrue(0 <= now.fraction <= CEILING < 1, now)
        if now.remaining is not None:
            self.assertGreaterEqual(now.remaining, 0)

    @given(seconds, st.none() | seconds, seconds, seconds)
    def test_it_only_grows_with_time(self, expected, other, earlier, later):
        earlier, later = sorted((earlier, later))
        first = estimate([running(expected, earlier), pending(other)])
        second = estimate([running(expected, later), pending(other)])
        self.assertLessEqual(first.fraction, second.fraction)
        self.assertGreaterEqual(first.remaining, second.remaining)

    @given(st.lists(seconds, min_size=1, max_size=6), st.data())
    def test_it_does_not_fall_when_a_step_ends_and_the_next_begins(self, usual, data):
        at = data.draw(st.integers(0, len(usual) - 1))
        elapsed = data.draw(seconds)
        before = [StepTime(Status.PASSED, one) for one in usual[:at]]
        after = [pending(one) for one in usual[at + 1 :]]
        during = estimate([*before, running(usual[at], elapsed), *after])
        ended = estimate([*before, StepTime(Status.PASSED, usual[at]), *after])
        self.assertLessEqual(during.fraction, ended.fraction + 1e-9)

    @given(st.floats(min_value=0, max_value=1), seconds)
    def test_a_steps_own_word_wins_over_the_clock(self, own, elapsed):
        self.assertAlmostEqual(estimate([running(100, elapsed, own)]).fraction, min(own, CEILING))

    def test_half_of_the_usual_time_is_half(self):
        now = estimate([StepTime(Status.PASSED, 10), running(20, 5), pending(10)])
        self.assertAlmostEqual(now.fraction, 15 / 40)
        self.assertAlmostEqual(now.remaining, 15 + 10)

    def test_the_own_word_gives_the_time_too(self):
        self.assertAlmostEqual(estimate([running(100, 30, 0.25), pending(10)]).remaining, 90 + 10)
        self.assertAlmostEqual(estimate([running(100, 30, 0.01)]).remaining, 70, msg="too little to reckon with")

    def test_a_step_without_history_weighs_as_the_others_do(self):
        self.assertAlmostEqual(estimate([StepTime(Status.PASSED, 10), pending(None)]).fraction, 0.5)

    def test_without_any_history_nothing_is_claimed(self):
        now = estimate([running(None, 5), pending(None)])
        self.assertEqual((now.fraction, now.remaining), (None, None))

    def test_without_history_the_own_word_counts_among_equal_steps(self):
        now = estimate([StepTime(Status.PASSED, None), running(None, 5, 0.5), pending(None), pending(None)])
        self.assertAlmostEqual(now.fraction, 1.5 / 4)
        self.assertIsNone(now.remaining)

    def test_of_steps_beside_each_other_the_longest_way_counts(self):
        steps = [
            replace(running(10, 5), needs=[]),
            replace(pending(30), needs=[]),
            replace(pending(10), needs=[0]),
            replace(pending(5), needs=[1, 2]),
        ]
        now = estimate(steps)
        self.assertAlmostEqual(now.remaining, 30 + 5)
        self.assertAlmostEqual(now.fraction, 0.0, msg="the longest way has not begun")
        steps[1] = replace(running(30, 20), needs=[])
        self.assertAlmostEqual(estimate(steps).remaining, max(5 + 10, 10) + 5)
        self.assertAlmostEqual(estimate(steps).fraction, 1 - 20 / 35)

    def test_fewer_lanes_than_steps_take_longer(self):
        steps = [replace(pending(10), needs=[])] * 6
        self.assertAlmostEqual(estimate(steps).remaining, 10)
        self.assertAlmostEqual(estimate(steps, 4).remaining, 15)
        self.assertAlmostEqual(estimate(steps, 1).remaining, 60)
        self.assertAlmostEqual(estimate([pending(10), pending(10)], 4).remaining, 20, msg="one after the other")

    def test_no_steps_no_estimate(self):
        self.assertIsNone(estimate([]).fraction)

    def test_longer_than_usual_means_any_moment_now(self):
        now = estimate([running(10, 500)])
        self.assertEqual(now.remaining, 0)
        self.assertGreater(now.fraction, 0.95)

    @given(st.floats(min_value=-10, max_value=1e6), st.floats(min_value=-10, max_value=1e6))
    def test_settling_is_monotone_and_bounded(self, one, other):
        low, high = sorted((one, other))
        self.assertLessEqual(settle(low), settle(high))
        self.assertTrue(0 <= settle(high) <= 1)

    def test_the_usual_time_is_the_median(self):
        self.assertEqual(expected_seconds([1, 100, 3]), 3)
        self.assertIsNone(expected_seconds([]))


durations = st.lists(seconds, max_size=10).map(sorted)


@tag("fast")
class ForecastTests(SimpleTestCase):
    @given(st.lists(step_times, max_size=8), st.floats(min_value=-60, max_value=1e7), durations)
    @example([running(0, 1)], 0, [0, 0, 0])
    def test_whatever_is_given_the_guess_lies_in_its_range_and_the_bar_in_its_bounds(self, steps, elapsed, took):
        now = forecast(steps, elapsed, took)
        if now.low is not None:
            self.assertTrue(now.low + 1e-6 >= 0 and now.low <= now.remaining + 1e-3 <= now.high + 2e-3, now)
            self.assertTrue(0 <= now.zone <= 1, now)
        if now.fill is not None:
            self.assertTrue(0 <= now.fill <= CEILING, now)
        self.assertTrue(0 <= now.outlasted <= len(took))
        self.assertEqual((now.fraction, now.remaining), (estimate(steps).fraction, estimate(steps).remaining))

    @given(st.floats(min_value=0.1, max_value=1e5), seconds, seconds, st.lists(seconds, min_size=3, max_size=10))
    def test_within_a_step_the_fill_only_grows_until_it_stands_in_the_zone(self, expected, one, other, took):
        took = sorted([*took, expected])
        earlier, later = (forecast([running(expected, at)], at, took) for at in sorted((one, other)))
        self.assertLessEqual(earlier.fill, later.fill + 1e-9)
        self.assertLessEqual(later.low, earlier.low + 1e-6)

    def test_the_range_is_that_of_the_last_builds_less_what_is_over(self):
        took = [40.0, 42, 44, 45, 45, 45, 46, 47, 50, 60]
        steps = [running(5, 0), pending(40)]
        begun = forecast(steps, 0, took)
        self.assertEqual((begun.remaining, begun.low, begun.high), (45, 42, 50))
        self.assertAlmostEqual(begun.zone, 42 / 50)
        half = forecast([StepTime(Status.PASSED, 5), running(40, 20)], 25, took)
        self.assertTrue(42 - 25 < half.low < 20 < half.high < 50 - 25, half)
        late = forecast([StepTime(Status.PASSED, 5), running(40, 44)], 49.5, took)
        self.assertEqual((late.remaining, late.low, late.outlasted), (0, 0, 8))
        over = forecast([StepTime(Status.PASSED, 5), running(40, 100)], 105, took)
        self.assertEqual((over.low, over.high, over.fill, over.outlasted), (0, 0, CEILING, 10))

    def test_with_fewer_than_three_builds_there_is_no_range(self):
        now = forecast([running(10, 5)], 5, [9, 11])
        self.assertEqual((now.low, now.high, now.zone, now.fill), (None, None, None, now.fraction))

    def test_the_tenths_of_ten_builds_are_the_second_from_each_end(self):
        self.assertEqual(spread(list(range(10))), (1, 4.5, 8))
        self.assertEqual(spread([5]), (5, 5, 5))

    def test_on_synthetic_histories_half_of_the_guesses_are_right_to_a_tenth(self):
        """Machines that are slow as a whole, steps that vary by themselves, and both."""
        for machine, step in ((0.12, 0.0), (0.0, 0.2), (0.08, 0.12)):
            with self.subTest(machine=machine, step=step):
                errors, inside = _guesses(random.Random(7), machine, step)
                self.assertLessEqual(median(errors), 0.10)
                self.assertTrue(0.6 <= sum(inside) / len(inside) <= 0.98, sum(inside) / len(inside))


def _guesses(chance, machine, step):
    """Of 200 builds, each with a history of its own: errors of the guessed whole time, as shares of the real one, and
    whether the end was in the range, asked at nine moments of each."""
    errors, inside = [], []
    for _ in range(200):
        usual = [chance.uniform(1, 300) for _ in range(chance.randint(1, 6))]

        def build(usual=usual):
            pace = chance.lognormvariate(0, machine)
            return [one * pace * chance.lognormvariate(0, step) for one in usual]

        history = [build() for _ in range(10)]
        expected = [median(times) for times in zip(*history, strict=True)]
        took = sorted(map(sum, history))
        real = build()
        for tenth in range(1, 10):
            at = sum(real) * tenth / 10
            now = forecast(_steps_at(real, expected, at), at, took)
            errors.append(abs(at + now.remaining - sum(real)) / sum(real))
            inside.append(at + now.low <= sum(real) <= at + now.high)
    return errors, inside


def _steps_at(real, expected, at):
    found, began = [], 0.0
    for took, usual in zip(real, expected, strict=True):
        if at >= began + took:
            found.append(StepTime(Status.PASSED, usual))
        else:
            found.append(running(usual, at - began) if at >= began else pending(usual))
        began += took
    return found
