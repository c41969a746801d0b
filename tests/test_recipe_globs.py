import re
import time

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.recipe.globs import any_of, matches, path_fault

YES = {
    "main": ["main"],
    "release/*": ["release/1.2", "release/"],
    "**": ["", "a", "a/b"],
    "v?": ["v1"],
    "**/x.whl": ["x.whl", "a/x.whl", "a/b/x.whl"],
    "a/**/b": ["a/b", "a/x/b", "a/x/y/b"],
    "a**": ["a", "ab", "a/b"],
    "dist/*.whl": ["dist/a-1.whl"],
    "**/": ["", "a/", "a/b/"],
    "[x].$": ["[x].$"],
}
NO = {
    "main": ["main2", "Main", ""],
    "release/*": ["release", "release/1/2"],
    "v?": ["v", "v/", "v12"],
    "**/x.whl": ["ax.whl", "a/ax.whl", "x.whl/a"],
    "a/**/b": ["a", "ab", "a/xb"],
    "**/": ["a"],
}


@tag("fast")
class GlobsTests(SimpleTestCase):
    def test_what_fits(self) -> None:
        for pattern, fitting in YES.items():
            for name in fitting:
                with self.subTest(pattern=pattern, name=name):
                    self.assertTrue(matches(pattern, name))
        for pattern, others in NO.items():
            for name in others:
                with self.subTest(pattern=pattern, name=name):
                    self.assertFalse(matches(pattern, name))

    @settings(deadline=None)
    @given(
        st.text("ab/*?", max_size=8) | st.lists(st.sampled_from(["*", "**", "**/", "/", "a"]), max_size=6).map("".join),
        st.text("ab/", max_size=8),
    )
    def test_it_is_what_a_regular_expression_would_find(self, pattern: str, name: str) -> None:
        expression = re.sub(
            r"(?:(?<=/)|(?<=^))\*\*/|\*\*|\*|\?|[^*?]",
            lambda one: {"**/": "(?:[^/]*/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(one[0], re.escape(one[0])),
            pattern,
        )
        self.assertEqual(matches(pattern, name), re.fullmatch(expression, name) is not None, expression)

    def test_a_pattern_made_to_be_slow_is_not(self) -> None:
        began = time.process_time()
        self.assertFalse(matches("*a" * 149 + "b", "a" * 120_000))
        self.assertFalse(matches("**/" * 99 + "b", "a/" * 60_000))
        self.assertFalse(matches("*" * 299 + "b", "a" * 120_000))
        self.assertLess(time.process_time() - began, 10)

    def test_the_last_pattern_that_fits_decides(self) -> None:
        self.assertTrue(any_of(["main", "release/*"], "release/2"))
        self.assertFalse(any_of(["**", "!wip/**"], "wip/a"))
        self.assertTrue(any_of(["**", "!wip/**", "wip/keep"], "wip/keep"))
        self.assertFalse(any_of([], "main"))

    def test_a_path_stays_below_the_workspace(self) -> None:
        for good in ("dist", "./dist/*.whl", "a/..b/c", "**", "a b"):
            with self.subTest(good):
                self.assertEqual(path_fault(good), "")
        for bad in ("", "/etc/passwd", "~/.cache", "..", "../x", "a/../b", "a/..", "a\nb", " a", "a\\b", "x" * 301):
            with self.subTest(bad[:20]):
                self.assertIn("expected", path_fault(bad))
