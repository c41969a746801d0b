import html
import re

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.web.ansi import Run, runs, to_html

from .node import twins

pieces = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["\x1b", "\x1b[", "m", ";", ":", "0", "38", "48", "5", "2", "255", "\x1b]8;;", "\x07", "\x1b\\"]),
    st.lists(st.integers(min_value=0, max_value=300), max_size=7).map(
        lambda codes: "\x1b[" + ";".join(map(str, codes)) + "m"
    ),
    st.sampled_from(
        ["\x1b[38:2::1:2:3m", "\x1b[4:3m", "\x1b]8;id=1;https://a.example/?b=<c>\x1b\\", "\u2028", "</pre>"]
    ),
)
lines = st.lists(pieces, max_size=12).map("".join)


@tag("fast")
class RunsTest(SimpleTestCase):
    def test_plain_text_is_one_run(self) -> None:
        self.assertEqual(runs("make: *** Error 2"), [Run("", "", "make: *** Error 2")])
        self.assertEqual(runs(""), [])

    def test_colours_become_classes(self) -> None:
        self.assertEqual(
            runs("a \x1b[1;31mb\x1b[22m c\x1b[m d"),
            [Run("", "", "a "), Run("bo c1", "", "b"), Run("c1", "", " c"), Run("", "", " d")],
        )
        self.assertEqual(runs("\x1b[97;44mx"), [Run("c15 b4", "", "x")])
        self.assertEqual(runs("\x1b[38;5;9mx\x1b[39my"), [Run("c9", "", "x"), Run("", "", "y")])

    def test_true_colours_are_told_by_the_nearest_of_256(self) -> None:
        self.assertEqual(runs("\x1b[38;2;250;20;20mx")[0].classes, "c196")
        self.assertEqual(runs("\x1b[38:2::10:120:10mx")[0].classes, "c28")
        self.assertEqual(runs("\x1b[48;5;232mx")[0].classes, "b232")

    def test_only_links_to_the_web_are_links(self) -> None:
        link = "\x1b]8;;{}\x1b\\text\x1b]8;;\x1b\\"
        self.assertEqual(runs(link.format("https://example.org/a"))[0], Run("", "https://example.org/a", "text"))
        for address in (
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//example.org",
            "https://a b",
        ):
            self.assertEqual(runs(link.format(address)), [Run("", "", "text")], address)

    def test_other_controls_are_dropped_or_shown_as_pictures(self) -> None:
        self.assertEqual(runs("\x1b[2Ka\x1b]0;title\x07b")[0].text, "ab")
        self.assertEqual(runs("a\x00\x1bz\x7f\tb")[0].text, "a␀␛z␡\tb")

    def test_markup_is_text(self) -> None:
        self.assertEqual(to_html("</script><b>\x1b[31m&"), '&lt;/script&gt;&lt;b&gt;<i class="c1">&amp;</i>')
        link = to_html('\x1b]8;;https://a.example/"><script>\x1b\\x')
        self.assertNotIn("<script", link)
        self.assertIn('rel="noopener', link)

    @given(lines)
    def test_any_line_becomes_nothing_but_text_classes_and_links(self, line: str) -> None:
        made = to_html(line)
        bare = re.sub(r'</?i(?: class="[a-z0-9 ]+")?>|</a>|<a href="https?://[!-~]+?" [a-z="_ ]+>', "", made)
        self.assertNotRegex(bare, r"[<>\x00-\x08\x0a-\x1f\x7f]")
        self.assertEqual(html.unescape(bare), "".join(run.text for run in runs(line)))

    def test_a_long_line_of_nothing_but_sequences_takes_no_time(self) -> None:
        for text in ("\x1b]8;" * 20_000, "\x1b[" * 20_000, "\x1b[31m" * 10_000, "\x1b]8;;" + "x" * 1_000_000):
            runs(text)


class TwinTest(SimpleTestCase):
    def test_the_pages_read_colours_as_the_server_does(self) -> None:
        cases: list[str] = []
        settings(max_examples=600, database=None)(given(lines)(lambda line: cases.append(line)))()
        for line, answer in zip(cases, twins([("runs", [line]) for line in cases]), strict=True):
            self.assertEqual([Run(*run) for run in answer], runs(line), repr(line))
