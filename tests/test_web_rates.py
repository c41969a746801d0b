"""How often one caller may ask: nobody is held back by another, and everyone is told how they stand."""

from django.test import SimpleTestCase, override_settings, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.web import rates
from builds.web.rates import Rates

from .asking import ApiCase


@tag("fast")
class RatesTests(SimpleTestCase):
    @given(st.lists(st.floats(0, 5), max_size=200), st.integers(1, 100))
    def test_in_no_minute_more_than_a_full_bucket_and_what_was_filled_meanwhile(
        self, waits: list[float], most: int
    ) -> None:
        now = [0.0]
        buckets = Rates(clock=lambda: now[0])
        taken: list[float] = []
        for wait in waits:
            now[0] += wait
            if buckets.take("a", most).allowed:
                taken.append(now[0])
        for begin in taken:
            within = sum(begin <= moment < begin + rates.WINDOW_SECONDS for moment in taken)
            self.assertLessEqual(within, 2 * most)

    def test_who_waits_as_long_as_they_were_told_is_taken(self) -> None:
        now = [0.0]
        buckets = Rates(clock=lambda: now[0])
        for _ in range(5):
            while (rate := buckets.take("a", 7)).allowed:
                pass
            self.assertEqual(rate.left, 0)
            now[0] += rate.after
            self.assertTrue(buckets.take("a", 7).allowed)
        self.assertTrue(buckets.take("b", 7).allowed)

    def test_callers_are_forgotten_before_they_are_too_many(self) -> None:
        buckets = Rates()
        for number in range(rates.MOST_CALLERS + 10):
            buckets.take(str(number), 5)
        self.assertEqual(len(buckets._buckets), rates.MOST_CALLERS)


@tag("fast")
@override_settings(BUILDBOARD_API_RATE=3)
class LimitTests(ApiCase):
    def setUp(self) -> None:
        rates.rates._buckets.clear()

    def test_one_too_many_is_429_and_others_go_on(self) -> None:
        for left in (2, 1, 0):
            answer = self.ask("GET", "/projects")
            self.assertEqual(answer.status_code, 200)
            self.assertEqual(answer["RateLimit-Policy"], '"default";q=3;w=60')
            self.assertRegex(answer["RateLimit"], rf'\A"default";r={left};t=\d+\Z')
        answer = self.ask("GET", "/projects")
        self.assert_problem(answer, 429, "More than 3 requests in 60 s")
        self.assertIn(int(answer["Retry-After"]), range(1, 21))
        self.assertEqual(answer["RateLimit"].partition(";")[2].partition(";")[0], "r=0")
        self.assertEqual(self.ask("GET", "/projects", token=self.strange_token).status_code, 200)
        self.client.force_login(self.alice)
        self.assertEqual(self.client.get("/api/v1/projects").status_code, 200)

    def test_runs_that_are_told_have_more_and_refusals_count_as_well(self) -> None:
        for _ in range(3):
            self.ask("GET", "/projects/nowhere")
        self.assert_problem(self.ask("GET", "/projects/nowhere"), 429)
        lease = {"lease": "a" * 32}
        statuses = [self.ask("POST", "/runs/1/renew", lease).status_code for _ in range(60)]
        self.assertEqual(statuses[:30], [404] * 30)
        self.assertIn(429, statuses)

    @override_settings(BUILDBOARD_API_RATE=0)
    def test_no_limit(self) -> None:
        for _ in range(20):
            self.assertNotIn("RateLimit", self.ask("GET", "/projects").headers)
