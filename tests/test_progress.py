from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.progress import CEILING, StepTime, estimate, expected_seconds, settle
from builds.states import STEP_STATUSES, Status

seconds = st.floats(min_value=0, max_value=1e7)
step_times = st.builds(
    StepTime,
    status=st.sampled_from(STEP_STATUSES),
    expected=st.none() | seconds,
    elapsed=st.floats(min_value=-3600, max_value=1e7),
    own=st.none() | st.floats(min_value=0, max_value=1),
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
