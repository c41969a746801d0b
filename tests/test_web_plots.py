"""Where the points of a plot lie, and what is said of them."""

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.web import plots
from builds.web.history import Figures, Group, Rate, Run, Spread, of_runs
from builds.web.plots import FLOOR, HEIGHT, TOP, WAIT_FLOOR, WAIT_TOP, draw_durations, draw_rates, label, said, scale

from .test_web_history import ENDINGS, NOON, run

seconds = st.floats(min_value=0, max_value=1e7, allow_nan=False)
any_run = st.tuples(st.sampled_from(ENDINGS), seconds, seconds)


def of(*values: float) -> Figures:
    return of_runs([run(number, seconds=value) for number, value in enumerate(values, start=1)], [])


@tag("fast")
class ScaleTest(SimpleTestCase):
    def test_it_begins_at_zero_and_ends_at_a_round_figure_above_all(self) -> None:
        found = scale([42, 49, 45])
        self.assertEqual(found.ticks, [(0, "0 s"), (15, "15 s"), (30, "30 s"), (45, "45 s"), (60, "60 s")])
        self.assertEqual((found.most, found.beyond), (60, []))

    def test_one_of_five_hours_leaves_fifty_of_ten_seconds_readable(self) -> None:
        found = scale([10.0] * 49 + [18_000])
        self.assertEqual((found.most, found.beyond), (10, [18_000]))
        drawn = draw_durations(of(*[10.0] * 49, 18_000))
        self.assertEqual((drawn.points[0].y, drawn.points[0].is_beyond), (TOP, False))
        self.assertEqual((drawn.points[-1].y, drawn.points[-1].is_beyond), (TOP, True))
        self.assertEqual(drawn.beyond, "1 beyond: 5 h 00 m")
        self.assertIn("5 h 00 m", drawn.points[-1].said)

    def test_what_lies_beyond_is_told_of_both_axes(self) -> None:
        runs = [run(number, seconds=10, waited=1) for number in range(60)]
        runs[20] = run(20, seconds=500, waited=900)
        runs[30] = run(30, seconds=600, waited=1)
        drawn = draw_durations(of_runs(runs, []))
        self.assertEqual(drawn.beyond, "2 beyond, up to 10 m 00 s; 1 wait beyond: 15 m 00 s")

    def test_where_many_are_long_the_axis_is_theirs(self) -> None:
        self.assertEqual(scale([10.0] * 40 + [18_000] * 10).beyond, [])
        self.assertEqual(scale([10.0, 10.0, 25.0]).beyond, [])

    def test_two_builds_are_both_on_the_axis_unless_they_are_worlds_apart(self) -> None:
        self.assertEqual(scale([10.0, 29.0]).beyond, [])
        self.assertEqual(scale([10.0, 3_000.0]).beyond, [3_000.0])
        self.assertEqual(scale([0.03125, 0.125], 2).beyond, [], "the last tick reaches as far")

    def test_nothing_and_zero_have_an_axis(self) -> None:
        for values in ([], [0.0], [0.0, 0.0, 5_000.0]):
            found = scale(values)
            self.assertGreater(found.most, 0)
            self.assertGreaterEqual(len(found.ticks), 2)
            self.assertEqual(found.beyond, [])

    def test_labels_have_one_unit(self) -> None:
        self.assertEqual([label(90, 30), label(0.4, 0.2), label(7_200, 1_800)], ["90 s", "0.4 s", "120 min"])
        self.assertEqual([label(14_400, 7_200), label(172_800, 86_400)], ["4 h", "2 d"])

    @given(st.lists(seconds, max_size=50), st.sampled_from((2, 4)))
    def test_there_are_few_ticks_and_every_value_has_its_place(self, values: list[float], most: int) -> None:
        found = scale(values, most)
        self.assertLessEqual(len(found.ticks), most + 1)
        for value in values:
            self.assertEqual(value in found.beyond, value > found.most * (1 + 1e-9))
            self.assertTrue(TOP <= found.down(value, TOP, FLOOR) <= FLOOR)


@tag("fast")
class DurationsTest(SimpleTestCase):
    def test_without_builds_there_is_nothing_to_draw(self) -> None:
        self.assertEqual(draw_durations(of()).points, [])

    def test_one_build_is_a_point_at_the_right_without_a_line(self) -> None:
        drawn = draw_durations(of(73))
        self.assertEqual((len(drawn.points), drawn.line, drawn.band), (1, "", ""))
        self.assertGreater(drawn.points[0].x, 90)

    def test_the_line_begins_where_there_is_something_usual(self) -> None:
        drawn = draw_durations(of(10, 20, 30, 40))
        xs = [float(pair.split(",")[0]) for pair in drawn.line.split()]
        self.assertEqual(xs, [point.x for point in drawn.points[2:]])
        self.assertEqual(len(drawn.band.split()), 2 * len(xs))

    def test_the_line_knows_builds_that_are_not_drawn(self) -> None:
        drawn = draw_durations(of(*[10.0] * 60))
        self.assertEqual(len(drawn.line.split()), 50)

    def test_what_never_began_has_no_height_and_is_told_all_the_same(self) -> None:
        gone = Run(9, "cancelled", "", NOON, None, NOON)
        (point,) = draw_durations(of_runs([gone], [])).points
        self.assertEqual((point.y, point.wait_y, point.wait_height, point.passed), (None, None, 0, False))
        self.assertEqual(point.said, "Build 9 · cancelled · 24 Nov 2026 12:00 UTC")

    def test_a_point_says_what_its_build_was(self) -> None:
        self.assertEqual(
            said(run(42, seconds=65, waited=4)), "Build 42 · passed · 1 m 05 s · waited 4 s · 24 Nov 2026 12:43 UTC"
        )

    @settings(max_examples=60)
    @given(st.lists(any_run, max_size=60))
    def test_nothing_leaves_the_drawing(self, given_runs: list[tuple[str, float, float]]) -> None:
        runs = [run(number, *one) for number, one in enumerate(given_runs, start=1)]
        drawn = draw_durations(of_runs(runs, []))
        self.assertEqual(len(drawn.points), min(len(runs), 50))
        self.assertEqual([point.x for point in drawn.points], sorted({point.x for point in drawn.points}))
        for point in drawn.points:
            self.assertTrue(0 <= point.left < point.x < point.left + drawn.bar <= 100)
            self.assertTrue(TOP <= (point.y or TOP) <= FLOOR)
            self.assertTrue(WAIT_TOP <= (point.wait_y or WAIT_TOP) < WAIT_FLOOR < HEIGHT)
        for pair in f"{drawn.line} {drawn.band}".split():
            x, y = map(float, pair.split(","))
            self.assertTrue(0 <= x <= 100 and TOP <= y <= FLOOR)


@tag("fast")
class RatesTest(SimpleTestCase):
    def test_a_bar_is_split_where_its_share_is(self) -> None:
        (bar,) = draw_rates([Group(1, 20, Rate(15, 20))])
        self.assertEqual((bar.percent, bar.number, bar.before), ("75 %", "75", 21))
        self.assertEqual(bar.passed_height / (bar.passed_height + bar.failed_height), 0.75)
        self.assertEqual(bar.said, "Builds 1–20 · 15 of 20 passed · 75 %")

    def test_all_and_none(self) -> None:
        none, every = draw_rates([Group(1, 20, Rate(0, 20)), Group(21, 21, Rate(1, 1))])
        self.assertEqual((none.passed_height, every.failed_height, every.percent), (0, 0, "100 %"))
        self.assertTrue(every.said.startswith("Build 21 · "))

    def test_199_of_200_is_not_a_hundred(self) -> None:
        (bar,) = draw_rates([Group(1, 200, Rate(199, 200))])
        self.assertEqual(bar.percent, "99 %")


@tag("fast")
class WordsTest(SimpleTestCase):
    def test_what_is_usual(self) -> None:
        def between(low: float, high: float) -> str:
            return plots.between(Spread(9, low, low, high, high))

        self.assertEqual(between(42.2, 48.9), "42–49 s")
        self.assertEqual(between(42.2, 42.4), "42 s")
        self.assertEqual(between(65, 7_300), "1 m 05 s – 2 h 01 m")
        self.assertEqual(between(120.1, 120.4), "2 m 00 s")

    def test_how_it_changed(self) -> None:
        steady = [run(number, seconds=40) for number in range(50)]
        for seconds, words in (
            (46, "6 s longer than the 50 before"),
            (30, "10 s shorter than the 50 before"),
            (40.5, "as the 50 before"),
        ):
            found = of_runs(steady + [run(number, seconds=seconds) for number in range(50, 100)], [])
            self.assertEqual(plots.longer(found), words)
        self.assertEqual(plots.longer(of_runs(steady, [])), "")

    def test_how_the_rate_changed(self) -> None:
        before = [run(number, "failed" if number < 5 else "passed") for number in range(50)]
        for failing, words in ((0, "10 points more"), (5, "as"), (6, "2 points less"), (7, "4 points less")):
            now = [run(number, "failed" if number < 50 + failing else "passed") for number in range(50, 100)]
            self.assertTrue(plots.more(of_runs(before + now, [])).startswith(words))
        self.assertEqual(plots.more(of_runs(before, [])), "")

    def test_what_is_counted(self) -> None:
        self.assertEqual(plots.counted(of_runs([run(1), run(2, "failed")], [])), "1 of 2")
        self.assertEqual(plots.counted(of_runs([run(1), run(2, "cancelled")], [])), "1 of 1, 1 cancelled left out")
