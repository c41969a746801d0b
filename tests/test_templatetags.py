from datetime import timedelta

from django.template import Context, Template
from django.test import SimpleTestCase, tag
from django.utils import timezone

from builds.states import Status


def render(text: str, **context: object) -> str:
    return Template("{% load board %}" + text).render(Context(context))


@tag("fast")
class TagsTest(SimpleTestCase):
    def test_a_mark_has_its_word_inside(self) -> None:
        for status in Status:
            self.assertEqual(render("{% mark status %}", status=status), f'<i class="mark s-{status}">{status}</i>')

    def test_a_status_that_nobody_knows_is_still_no_markup(self) -> None:
        self.assertEqual(
            render("{% mark status %}", status='"><script>'),
            '<i class="mark s-pending">&quot;&gt;&lt;script&gt;</i>',
        )

    def test_a_relative_time_has_the_absolute_one_in_its_title(self) -> None:
        moment = timezone.now() - timedelta(minutes=3)
        made = render("{% ago moment %}", moment=moment)
        self.assertIn(">3 min ago<", made)
        self.assertIn(moment.strftime("%Y-%m-%d %H:%M:%S UTC"), made)

    def test_filters(self) -> None:
        self.assertEqual(
            render("{{ 65|duration }} {{ 1.25|fine }} {{ 2143|lines }}"),
            "1 m 05 s 1.2 s 2,143 lines",
        )
        self.assertEqual(render("{{ nothing|duration }}", nothing=None), "")
