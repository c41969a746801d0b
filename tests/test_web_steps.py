from datetime import timedelta

from django.test import SimpleTestCase, tag
from django.utils import timezone

from builds.models import Build, Step
from builds.web.steps import Heading, axis


@tag("fast")
class StepAxisTest(SimpleTestCase):
    def test_a_build_that_has_not_begun_shows_what_is_usual(self) -> None:
        laid = axis(Build(), [Step(position=0, name="a", expected_seconds=5), Step(position=1, name="b")])
        self.assertIsNone(laid.now)
        self.assertIsNone(laid.lines[0].span.x)
        self.assertGreater(laid.lines[0].span.usual_width or 0, 50)
        self.assertTrue(laid.ticks)

    def test_a_build_that_has_not_begun_and_has_no_history_has_no_axis(self) -> None:
        self.assertEqual(axis(Build(), [Step(position=0, name="a"), Step(position=1, name="b")]).ticks, [])

    def test_a_running_build_has_a_line_for_now(self) -> None:
        began = timezone.now() - timedelta(seconds=10)
        step = Step(position=0, name="a", status="running", started_at=began)
        laid = axis(Build(status="running", started_at=began), [step])
        self.assertGreater(laid.now or 0, 80)
        self.assertEqual(laid.lines[0].number, 1)

    def test_a_matrix_is_one_heading_and_its_steps_are_called_by_their_values(self) -> None:
        names = ["compile", "test (python=3.11, db=a, b)", "test (python=3.12, db=x=y)", "lint (a=1)"]
        steps = [Step(position=at, name=name, needs=[0] if at else []) for at, name in enumerate(names)]
        lines = axis(Build(), steps).lines
        self.assertEqual([line.label for line in lines], ["compile", "3.11 · a, b", "3.12 · x=y", "lint (a=1)"])
        self.assertEqual([line.matrix for line in lines], ["", "test", "test", ""])
        self.assertEqual([line.heading for line in lines], [None, Heading("python, db", 2, ""), None, None])
        self.assertEqual([line.note for line in lines], ["", "", "", "after compile"])

    def test_a_failure_that_is_allowed_looks_like_a_warning(self) -> None:
        steps = [Step(position=at, name="ab"[at], status="failed", allow_failure=not at) for at in range(2)]
        self.assertEqual([line.look for line in axis(Build(), steps).lines], ["allowed", ""])
