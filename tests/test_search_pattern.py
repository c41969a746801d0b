"""What a query finds in text of many lines, and what is wrong with one that is refused."""

import time

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from buildboard.terminal.style import plain
from builds.search.pattern import MAX_PROGRAM, MAX_QUERY, MAX_SPANS, BadQuery, compile

STYLED = ["\x1b[31m", "\x1b[0m", "\x1b]8;;http://x/\x1b\\", "\x1b]8;;\x1b\\", "\x1b[1", "\x1b]8;;ab", "\x1b"]
WORDS = [*"aaAbbB .éß\t\r+*(", "\U0001f600", "ab", "a b", "\n", "\n", "\n"]
TEXT = st.lists(st.sampled_from(WORDS + STYLED), max_size=25).map("".join)
ANY = st.characters(codec="utf-8", exclude_characters="\n\x00")
EXPRESSIONS = [
    *("a", "a+b?", "^a", "a$", r"\ba", r"a\b", "[^a]", ".+", r"\s+\S", "(?i)B", "(?s).a", "é|ß", r"\w+", "b*a", "a|ab"),
    *("^.", ".$", "^a+$", r"\x{1f600}", r"\pL.", r"a\n?", r"[\s\S]a", r"\W", r"[^\w]+", "(?:^|b)a"),
]


def units(line: str, at: int) -> int:
    return len(line[:at].encode("utf-16-le")) // 2


def literally(line: str, query: str) -> list[tuple[int, int]]:
    """Where the query stands in the line, without overlaps, in UTF-16 code units."""
    found, at = [], line.find(query)
    while at >= 0:
        found.append((units(line, at), units(line, at + len(query))))
        at = line.find(query, at + len(query))
    return found


@tag("fast")
class FindTest(SimpleTestCase):
    @settings(deadline=None)
    @given(TEXT, ANY, st.lists(st.sampled_from("aAbB .é\U0001f600+*("), min_size=1, max_size=3).map("".join))
    def test_a_literal_query_finds_what_stands_there(self, text: str, other: str, query: str) -> None:
        shown = [plain(line) for line in f"{text}{other}a".split("\n")]
        expected = {index: literally(line, query) for index, line in enumerate(shown) if query in line}
        found = list(compile(query, False, True).find(f"{text}{other}a"))
        self.assertEqual({hit.at: hit.spans for hit in found}, expected)
        self.assertEqual([hit.line for hit in found], [shown[index] for index in expected])

    @settings(max_examples=300, deadline=None)
    @given(TEXT, st.sampled_from(EXPRESSIONS), st.booleans())
    def test_a_line_among_others_is_found_as_it_is_alone(self, text: str, query: str, case: bool) -> None:
        pattern = compile(query, True, case)
        alone = []
        for index, line in enumerate(text.split("\n")):
            alone += [(index, hit.spans, hit.line) for hit in pattern.find(line)]
        found = list(pattern.find(text))
        self.assertEqual([(hit.at, hit.spans, hit.line) for hit in found], alone)
        self.assertEqual(pattern.count(text), len(found))
        for hit in found:
            self.assertEqual(hit.line, plain(text.split("\n")[hit.at]))
            size = units(hit.line, len(hit.line))
            ends = [0, *(place for span in hit.spans for place in span), size]
            self.assertEqual(ends, sorted(ends), "in order, within the line")
            self.assertTrue(all(start < end for start, end in hit.spans), "never empty")

    def test_colours_and_links_are_set_aside_and_what_is_not_closed_takes_no_line_with_it(self) -> None:
        text = "x\n\x1b[1mer\x1b[31mror\x1b[0m: 1\nerror \x1b]8;;http://x/\nerror\x1b[0m"
        found = list(compile("error", False, True).find(text))
        self.assertEqual([(hit.at, hit.spans) for hit in found], [(1, [(0, 5)]), (2, [(0, 5)]), (3, [(0, 5)])])

    def test_capitals_count_only_where_asked_for(self) -> None:
        self.assertEqual([hit.at for hit in compile("error", False, False).find("ERROR\nError\nno")], [0, 1])
        self.assertEqual([hit.at for hit in compile("É+", True, False).find("é\nÉ\ne")], [0, 1])
        self.assertEqual([hit.at for hit in compile("Error", False, True).find("ERROR\nError\nno")], [1])

    def test_a_line_has_so_many_spans_and_no_more(self) -> None:
        [hit, after] = compile("a", False, True).find("a" * 1000 + "\na")
        self.assertEqual((len(hit.spans), after.at, after.spans), (MAX_SPANS, 1, [(0, 1)]))

    def test_halves_of_surrogate_pairs_are_one_unit_each(self) -> None:
        self.assertEqual([hit.spans for hit in compile("b", False, True).find("\ud800b")], [[(1, 2)]])


@tag("fast")
class RefusedTest(SimpleTestCase):
    def said(self, query: str, regex: bool = True) -> str:
        with self.assertRaises(BadQuery) as raised:
            compile(query, regex, True)
        return str(raised.exception)

    def test_bounds_of_a_query(self) -> None:
        self.assertIn("expected 1 to 500", self.said("", False))
        self.assertIn("at most 500 characters, not 501", self.said("x" * (MAX_QUERY + 1), False))
        self.assertIn("line feed", self.said("a\nb", False))
        compile("é" * MAX_QUERY, False, False)

    def test_what_is_wrong_with_an_expression_is_said_and_where(self) -> None:
        for query, said in (
            ("ab(c", "q: this parenthesis is not closed, at character 3: “(”."),
            (r"\((a))", "q: this parenthesis closes none, at character 6: “)”."),
            ("[(](?:a(?i)b", "q: this parenthesis is not closed, at character 4: “(”."),
            ("x[a-", "q: a class is not closed; expected ], at character 2: “[a-”."),
            ("a**", "q: repeats cannot follow each other, at character 2: “**”."),
            ("*a", "q: there is nothing to repeat, at character 1: “*”."),
            ("a{1001}", "q: a repeat is at most 1000 times, the smaller number first, at character 2: “{1001}”."),
            ("[z-a]", "there is no such class, or its ends are the wrong way round, at character 2: “z-a”."),
            ("a\\", "q: a backslash cannot be the last character, at character 2: “\\”."),
            (r"\q", r"q: there is no such escape, at character 1: “\q”."),
            (r"(a)\1", r"q: backreferences are not supported, at character 4: “\1”."),
            ("(?P<n>x)(?P=n)", "q: backreferences are not supported, at character 9: “(?P=”."),
            ("a(?=b)", "q: lookaround is not supported, at character 2: “(?=”."),
            ("a(?<!b)", "q: lookaround is not supported, at character 2: “(?<!”."),
            ("(?>a)", "q: there is no such group; expected (…)"),
            (r"a\Z", r"q: expected $ for the end of a line, ^ for its beginning, at character 2: “\Z”."),
            (r"a\z", r"q: expected ^ or $: each line is searched by itself, at character 2: “\z”."),
            (r"\C", r"q: single bytes cannot be searched for, at character 1: “\C”."),
            ("(?i-m)a", "q: the flag m is always set, and cannot be changed, at character 1: “(?i-m)”."),
            ("a*", "q: this expression matches an empty text, too"),
            ("^", "matches an empty text"),
        ):
            with self.subTest(query):
                self.assertIn(said, self.said(query))
        for fine in (r"\Q\z\C(?m)\E", r"[\(]", r"\\z", "[[:alpha:]]z", r"\Qa("):
            compile(fine, True, True)

    @settings(deadline=None)
    @given(st.lists(st.sampled_from("ab()[]{}?*+|\\^$.<>=!:Pim-1,QEzZ"), max_size=12).map("".join))
    def test_any_text_is_an_expression_or_is_told_in_a_sentence(self, query: str) -> None:
        try:
            list(compile(query, True, True).find("ab\nba"))
        except BadQuery as error:
            self.assertRegex(str(error), r"\Aq: .*\.\Z")

    def test_an_expression_that_is_too_large_is_refused_at_once(self) -> None:
        for query in ("(?i)" + r"\pL{200}", r"\PL{0,999}x", ".{0,999}" * 60, r"(\pL\pN\pM\pS){60}", r"\pL{1000}" * 50):
            self.assertIn("too large", self.said(query))


class SlowTest(SimpleTestCase):
    def test_no_query_hangs(self) -> None:
        """On the worst text for each. Python's `re` would not come back from the first one."""
        line = "a" * 16_000
        text = "\n".join([line, "x" * 16_000, "ab" * 8_000, "a b " * 4_000])
        for query in (
            *("(a*)*b", "(x+x+)+y", "(a|a)*c", "(a?){500}a{500}", "(a|b|ab)*c", "(.*a.*b.*){100}c", "[ab]*a[ab]{500}z"),
            *("(([ab]{1,10}){1,10}){1,10}z", "((a{0,30}){0,30})c", "(?:a.*|.)+z", r"(?:\w+\s*)+;", "a.*z|a"),
        ):
            with self.subTest(query):
                pattern = compile(query, True, True)
                self.assertLessEqual(pattern._regexp.programsize, MAX_PROGRAM)
                began = time.process_time()
                sum(1 for _ in pattern.find(text))
                self.assertLess(time.process_time() - began, 60)
