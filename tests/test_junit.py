"""Test reports in JUnit's XML: what the usual tools write, and whatever else a step may come up with."""

import string
from pathlib import Path

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds import junit
from builds.junit import MAX_TEXT, Case, ReportError, read

REPORTS = Path(__file__).parent / "reports"
"""As tools write them."""


def report(tool: str) -> bytes:
    return (REPORTS / f"{tool}.xml").read_bytes()


def wrapped(inside: str) -> bytes:
    return f"<testsuite>{inside}</testsuite>".encode()


_NAMES = st.sampled_from(["testsuite", "testcase", "failure", "error", "skipped", "system-out", "x"])


@tag("fast")
class ToolsTest(SimpleTestCase):
    def test_pytest(self) -> None:
        ok, no, skip, setup = read(report("pytest")).cases
        self.assertEqual(ok, Case("pytest", "tests.test_a.TestA", "test_ok[1]", "passed", 0.001))
        self.assertEqual((no.status, no.message), ("failed", "AssertionError: assert 1 == 2\n +  where 1 = f()"))
        self.assertTrue(no.text.startswith("def test_no():\n>       assert") and no.text.endswith("AssertionError"))
        self.assertEqual((skip.status, skip.message), ("skipped", "not here"))
        self.assertEqual(
            (setup.status, setup.message, setup.text), ("error", 'failed on setup with "KeyError"', "KeyError")
        )

    def test_maven(self) -> None:
        works, flaky, fails = read(report("surefire")).cases
        self.assertEqual([works.status, flaky.status, fails.status], ["passed", "passed", "failed"])
        self.assertEqual((fails.seconds, fails.message), (1000.25, "java.lang.AssertionError"))
        self.assertIn("ATest.java:7", fails.text)

    def test_googletest_and_jest(self) -> None:
        adds, off = read(report("googletest")).cases
        self.assertEqual((adds.file, adds.line, adds.status, off.status), ("m.cc", 12, "passed", "skipped"))
        [case] = read(report("jest")).cases
        self.assertEqual((case.suite, case.message, case.text), ("inner", "Error: expected 3", "Error: expected 3"))

    def test_encodings(self) -> None:
        text = '<?xml version="1.0" encoding="{}"?><testsuite><testcase name="gr\xfcn"/></testsuite>'
        for name in ("utf-8", "iso-8859-1", "windows-1252", "utf-16"):
            self.assertEqual(read(text.format(name).encode(name)).cases[0].name, "gr\xfcn", name)
        self.assertEqual(read(b"\xef\xbb\xbf" + wrapped('<testcase name="a"/>')).cases[0].name, "a")


@tag("fast")
class BadTest(SimpleTestCase):
    def refused(self, content: bytes, why: str) -> None:
        with self.assertRaisesRegex(ReportError, why):
            read(content)

    def test_entities_of_any_kind(self) -> None:
        bomb = '<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>'
        outside = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&a;"/></testsuite>'
        parameter = '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1:1/x.dtd">%a;]><testsuite/>'
        for content in (bomb, outside, parameter, '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><testsuite/>'):
            self.refused(content.encode(), "has a document type")
        self.refused(wrapped("&a;"), "not well-formed XML: undefined entity, line 1")

    def test_what_is_no_report(self) -> None:
        self.refused(b"", "is empty")
        self.refused(b" \n", "is empty")
        self.refused(b"hello", "not well-formed XML: syntax error, line 1")
        self.refused(b"<testsuite>", "not well-formed XML: no element found")
        self.refused(b"<html/>", "expected <testsuites> or <testsuite>, not <html>")
        self.refused(b'<?xml version="1.0" encoding="nonsense"?><testsuite/>', "cannot be decoded|unknown encoding")
        self.refused(b"\x00\xff" * 50, "not well-formed|cannot be decoded")

    def test_what_is_too_much(self) -> None:
        self.refused(wrapped("<a>" * 60 + "</a>" * 60), "more than 50 elements within each other")
        self.refused(b" " * (junit.MAX_BYTES + 1), "larger than 20 MB")

    def test_cases_beyond_the_bound_are_counted(self) -> None:
        inside = '<testcase name="a"/>' * 3 + '<testcase name="b"><failure/></testcase>' * 2
        report = read(wrapped(inside), most=2)
        self.assertEqual((len(report.cases), report.more), (2, {"passed": 1, "failed": 2, "error": 0, "skipped": 0}))

    def test_long_texts_keep_their_beginning_and_their_end(self) -> None:
        text = "begin" + "x" * 500_000 + "end"
        [case] = read(
            wrapped(f'<testcase name="{"n" * 9_000}"><failure message="{"m" * 9_000}">{text}</failure></testcase>')
        ).cases
        self.assertEqual((len(case.name), len(case.message)), (500, 500))
        self.assertLess(len(case.text), MAX_TEXT + 100)
        self.assertTrue(case.text.startswith("begin") and case.text.endswith("end"))
        self.assertIn("characters are left out", case.text)

    def test_numbers_that_are_none(self) -> None:
        for time in ("nan", "inf", "-1", "x", "", "1e400"):
            self.assertIsNone(read(wrapped(f'<testcase name="a" time="{time}"/>')).cases[0].seconds, time)
        for line in ("0", "-1", "x", "9" * 30):
            self.assertIsNone(read(wrapped(f'<testcase name="a" line="{line}"/>')).cases[0].line, line)

    def test_a_case_without_a_name_and_cases_within_a_case(self) -> None:
        [case] = read(wrapped("<testcase><testcase><failure/></testcase></testcase>")).cases
        self.assertEqual((case.name, case.status), ("(no name)", "passed"))

    def test_the_worst_of_several_outcomes_counts(self) -> None:
        outcomes = '<skipped message="s"/><failure message="f"/><error message="e">t</error><failure/>'
        inside = f'<testcase name="a">{outcomes}</testcase>'
        [case] = read(wrapped(inside)).cases
        self.assertEqual((case.status, case.message, case.text), ("error", "e", "t"))

    @settings(max_examples=300)
    @given(st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(self, content: bytes) -> None:
        for tried in (content, b"<testsuite>" + content + b"</testsuite>"):
            try:
                read(tried)
            except ReportError as error:
                self.assertTrue(str(error))

    @settings(max_examples=200)
    @given(
        st.recursive(
            st.text(string.ascii_letters + " \n", max_size=9),
            lambda kids: st.tuples(_NAMES, st.lists(kids, max_size=4)),
            max_leaves=20,
        )
    )
    def test_any_tree_is_read(self, tree: object) -> None:
        def write(one: object) -> str:
            if isinstance(one, str):
                return one
            name, kids = one  # type: ignore[misc]
            return f'<{name} name="n" message="m">{"".join(map(write, kids))}</{name}>'

        for case in read(wrapped(write(tree))).cases:
            self.assertIn(case.status, junit.STATUSES)
            self.assertFalse(case.status == "passed" and (case.message or case.text))
