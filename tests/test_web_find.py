"""Search as a page of its own, for those without JavaScript."""

from unittest import mock

from django.contrib.auth.models import Group
from django.test import SimpleTestCase, tag

from builds.search import Match
from builds.web import find

from .oldlogs import hurried, long_log, over
from .pages import HOSTILE, PagesCase


@tag("fast")
class ExcerptTest(SimpleTestCase):
    def test_matches_are_marked_and_everything_is_escaped(self) -> None:
        text = "\U0001f600 <b> & é"
        html = find.excerpt(Match(0, 1, [(3, 6), (7, 10)], text))
        self.assertEqual(html, "\U0001f600 <mark>&lt;b&gt;</mark> <mark>&amp; é</mark>")

    def test_of_a_long_line_the_part_around_the_first_match_is_shown(self) -> None:
        text = "a" * 1000 + "hit" + "b" * 1000 + "hit"
        html = find.excerpt(Match(0, 1, [(1000, 1003), (2003, 2006)], text))
        self.assertEqual(html, "…" + "a" * 80 + "<mark>hit</mark>" + "b" * 317 + "…")
        self.assertEqual(find.excerpt(Match(0, 1, [(0, 2000)], text[:1000] * 2)), f"<mark>{'a' * 400}</mark>…")

    def test_no_character_is_cut_in_two(self) -> None:
        text = "a" + "\U0001f600" * 200 + "hit" + "\U0001f600" * 200
        html = find.excerpt(Match(0, 1, [(401, 404)], text))
        self.assertEqual(html, "…" + "\U0001f600" * 40 + "<mark>hit</mark>" + "\U0001f600" * 158 + "…")
        html = find.excerpt(Match(0, 1, [(402, 405)], "b" + text))
        self.assertEqual(html, "…" + "\U0001f600" * 40 + "<mark>hit</mark>" + "\U0001f600" * 158 + "…")
        html = find.excerpt(Match(0, 1, [(480, 483)], text[:201] + "y" * 79 + text[201:]))
        self.assertNotIn("\ufffd", html)
        self.assertTrue(html.startswith("…" + "y" * 79 + "<mark>"), html)


class FindTest(PagesCase):
    def find(self, build_id: int, status: int = 200, **query: str) -> str:
        answer = self.client.get(f"/builds/{build_id}/find/", query)
        self.assertEqual(answer.status_code, status)
        return answer.content.decode()

    def test_it_lists_the_lines_with_links_to_them(self) -> None:
        build, _ = self.running(["one error", "fine", "two \x1b[31mErrors\x1b[0m"])
        text = self.find(build.pk, q="error")
        self.assertIn(f'<a href="/builds/{build.pk}/#1:1">1</a><pre>one <mark>error</mark></pre>', text)
        self.assertIn(f'<a href="/builds/{build.pk}/#1:3">3</a><pre>two <mark>Error</mark>s</pre>', text)
        self.assertIn("<h2>2 lines found</h2>", text)
        self.assertIn("the build is not over", text)
        text = self.find(build.pk, q="^[a-z ]+ERROR", regex="1", case="1")
        self.assertIn("<h2>No line found</h2>", text)
        self.assertEqual(text.count(" checked"), 2)
        self.assertNotIn("<h2>", self.find(build.pk))

    def test_more_than_a_page_goes_on(self) -> None:
        build, _ = self.running([f"line {number}" for number in range(500)])
        pages, query = [], {"q": "line"}
        while query:
            text = self.find(build.pk, **query)
            pages.append(text.count('class="ln"'))
            on = text.partition('class="btn" href="?')[2].partition('"')[0].replace("&amp;", "&")
            query = dict(part.split("=") for part in on.split("&")) if on else {}
        self.assertEqual(pages, [200, 200, 100])
        with mock.patch.object(find, "SECONDS", 0), mock.patch("builds.search.pieces.PIECE_BYTES", 64):
            self.assertIn("<h2>200 lines found on this page</h2>", self.find(build.pk, q="line"))

    def test_what_is_wrong_with_the_query_is_said_at_its_field(self) -> None:
        build, _ = self.running(["a"])
        text = self.find(build.pk, 400, q="(a", regex="1")
        self.assertIn('id="wrong">This parenthesis is not closed, at character 1: “(”.</p>', text)
        self.assertIn("Press Search to begin again", self.find(build.pk, 400, q="a", **{"from": "x"}))
        self.assertIn("<h2>1 line found on this page</h2>", self.find(build.pk, q="a", **{"from": "b7.0"}))

    def test_whatever_a_step_prints_is_text(self) -> None:
        build, _ = self.running(HOSTILE)
        text = self.find(build.pk, q=".", regex="1")
        self.assertEqual(text.count('class="ln"'), len(HOSTILE))
        self.assertNotIn("<script>alert", text)
        self.assertNotIn("<img src=x", text)
        self.assertLess(len(text), 20_000)
        self.assertNotIn("<img", self.find(build.pk, q='"><img src=x>'))

    def test_who_may_see_it(self) -> None:
        build, _ = self.running(["a secret"])
        self.as_user(None)
        answer = self.client.get(f"/builds/{build.pk}/find/?q=a")
        self.assertRedirects(answer, f"/accounts/login/?next=/builds/{build.pk}/find/%3Fq%3Da")
        self.project.groups.add(Group.objects.create(name="only"))
        self.as_user(self.stranger)
        self.assertNotIn("secret", self.find(build.pk, 404, q="a"))
        self.find(99, 404, q="a")
        self.assertEqual(self.client.post(f"/builds/{build.pk}/find/").status_code, 405)

    @hurried
    def test_a_pruned_log_says_so(self) -> None:
        from builds import retention

        build_id = over(long_log(2))
        retention.prune(build_id, "90 days after it ended", retention.Pace())
        text = self.find(build_id, q="line")
        self.assertIn("Its log was pruned on", text)
        self.assertNotIn('type="search"', text)
