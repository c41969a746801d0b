from datetime import timedelta

from django.test import SimpleTestCase, tag
from django.utils import timezone

from builds.models import Build, Step
from builds.web.steps import axis


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
