from typing import Any

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.web.axis import label, lay_out, tick

from .node import twins

moment = st.floats(min_value=0, max_value=90_000, allow_nan=False)
step = st.tuples(st.none() | moment, st.none() | moment, st.none() | moment)


@tag("fast")
class AxisTest(SimpleTestCase):
    def test_steps_stand_where_they_were_and_the_rest_where_they_would_be(self) -> None:
        laid = lay_out([(0.0, 10.0, 8.0), (10.0, None, 40.0), (None, None, 20.0), (None, None, None)], now=25.0)
        first, second, third, fourth = laid.spans
        self.assertEqual((first.x, second.x), (0.0, round(10 / laid.seconds * 100, 2)))
        self.assertAlmostEqual(second.width or 0, 15 / laid.seconds * 100, places=1)
        self.assertIsNone(third.x)
        self.assertAlmostEqual(third.usual_x or 0, 50 / laid.seconds * 100, places=1)
        self.assertEqual((fourth.x, fourth.usual_x), (None, None))

    def test_a_step_to_come_stands_behind_all_that_it_needs_and_behind_nothing_else(self) -> None:
        steps = [(0.0, None, 10.0), (0.0, 4.0, 5.0), (None, None, 3.0), (None, None, 2.0), (None, None, 1.0)]
        laid = lay_out(steps, 5.0, [[], [], [4], [0, 1], [1]])
        self.assertEqual([round((span.usual_x or 0) * laid.seconds / 100) for span in laid.spans], [0, 0, 5, 10, 4])

    def test_an_empty_build_has_an_axis(self) -> None:
        self.assertEqual(lay_out([], 0.0).ticks[0], (0.0, "0 s"))

    def test_labels(self) -> None:
        self.assertEqual([label(one) for one in (0.2, 10, 60, 125, 7200)], ["0.2", "10", "1:00", "2:05", "2 h"])

    @given(st.lists(step, max_size=6), moment)
    def test_nothing_leaves_the_axis_and_ticks_are_few(self, steps: list[Any], now: float) -> None:
        steps = [(begin, end if begin is not None else None, usual) for begin, end, usual in steps]
        laid = lay_out(steps, now)
        for span in laid.spans:
            for x, width in ((span.x, span.width), (span.usual_x, span.usual_width)):
                if x is not None:
                    self.assertGreaterEqual(x, 0)
                    self.assertLessEqual(x + (width or 0), 101)
        self.assertLessEqual(len(laid.ticks), 7)


class TwinTest(SimpleTestCase):
    def test_the_page_draws_the_same_axis(self) -> None:
        cases: list[tuple[list[Any], float]] = []
        collect = given(st.lists(step, max_size=6), moment)(lambda steps, now: cases.append((steps, now)))
        settings(max_examples=300, database=None)(collect)()
        answers = twins([("layOut", case) for case in cases])
        for (steps, now), answer in zip(cases, answers, strict=True):
            laid = lay_out(steps, now)
            self.assertAlmostEqual(answer["seconds"], laid.seconds)
            self.assertEqual([said for _, said in answer["ticks"]], [said for _, said in laid.ticks])
            for ours, theirs in zip(laid.spans, answer["spans"], strict=True):
                self.assertEqual(
                    [ours.x, ours.width, ours.usual_x, ours.usual_width],
                    [theirs["x"], theirs["width"], theirs["usualX"], theirs["usualWidth"]],
                )
        self.assertEqual(twins([("tick", [one]) for one in (1, 60, 4e5)]), [tick(one) for one in (1, 60, 4e5)])
