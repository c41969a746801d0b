import time
from unittest import mock

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.web import errorlines
from builds.web.errorlines import earliest, looks_like_an_error

ERRORS = [
    "src/a.c:12:5: error: 'lights' undeclared (first use in this function)",
    "src/a.c:12:5: error: unused variable 'x' [-Werror=unused-variable]",
    "\x1b[1msrc/a.c:1:2: \x1b[31merror: \x1b[0mx",
    "src/a.c:3:10: fatal error: x.h: No such file or directory",
    "gcc -Werror -c a.c: error: no input",
    "error[E0308]: mismatched types",
    "error: could not compile `tide` (lib) due to 1 previous error",
    "src/berths/forecast.ts:88:21 - error TS2345: Argument of type 'string'",
    "Program.cs(3,5): error CS0103: The name 'x' does not exist",
    "Traceback (most recent call last):",
    "  File: Traceback (most recent call last):",
    "AssertionError",
    "AssertionError: 2 != 3",
    "E       assert 2 == 3",
    "TypeError: tides.levelAt is not a function",
    'Exception in thread "main" java.lang.NullPointerException',
    "FAILED tests/test_tides.py::test_spring - assert 2 == 3",
    "FAIL: test_spring (tests.test_tides.Tides.test_spring)",
    "--- FAIL: TestLevels (0.00s)",
    "    --- FAIL: TestLevels/north (0.00s)",
    "FAIL\tharbour/tides\t0.029s",
    "FAIL",
    "FAIL src/forecast.test.ts",
    "BUILD FAILED in 3s",
    "FAILURE: Build failed with an exception.",
    "[ERROR] Failed to execute goal org.apache.maven.plugins",
    "2026-11-24 12:00:00 ERROR cannot bind",
    "fatal: not a git repository (or any of the parent directories): .git",
    "panic: runtime error: index out of range [3] with length 3",
    "thread 'main' panicked at src/main.rs:3:5:",
    "not ok 3 - levels",
    "npm ERR! Test failed.  See above for more details.",
    "npm error code ELIFECYCLE",
    "make: *** [Makefile:9: build/a.o] Error 1",
    "gmake[2]: *** No rule to make target 'x'.  Stop.",
    "##[error]Process completed with exit code 1.",
    "::error file=a.c,line=1::x",
    "Segmentation fault (core dumped)",
    "a.o: in function `main': undefined reference to `tide'",
    "sh: 1: frobnicate: not found",
    "bash: line 1: frobnicate: command not found",
    "E: Unable to locate package tide",
    "Killed",
    "Tests: 1 failed, 8 passed, 9 total",
    "2 errors generated.",
    "0 warnings, 3 errors",
    "Error: Cannot find module 'tide'",
    "ERROR: 0 tests ran, but errors: 1",
]
HARMLESS = [
    "",
    "0 errors",
    "0 errors, 2 warnings",
    "Found 0 errors in 3 files",
    "0 failed, 12 passed",
    "no errors",
    "No error",
    "compiled without errors",
    "no compile errors found",
    "Errors: 0, Failures: 0",
    "FAILED=0",
    "error-free",
    "gcc -Wall -Werror -c -o a.o a.c",
    "cc1 -Werror=format -c x.c",
    "go vet --error-format=json ./...",
    "pip install --on-error: skip",
    "src/error.c:12:1: warning: unused",
    "   Compiling thiserror v1.0.50",
    "copying errors.py -> build/lib",
    "test_error_handling ... ok",
    "PASSED tests/test_failures.py::test_failed",
    "stderr: nothing",
    "ok  \tharbour/errors\t0.03s",
    "100 passed in 3.20s",
    "10 errors.txt",
    "    if (failed) return;",
    "Downloading exception-1.2.tar.gz",
    "=== RUN   TestFail",
    "0 tests with 0 failures",
]


@tag("fast")
class ErrorLinesTest(SimpleTestCase):
    def test_what_tools_print_when_they_fail(self) -> None:
        for text in ERRORS:
            with self.subTest(text):
                self.assertTrue(looks_like_an_error(text))

    def test_lines_that_only_speak_of_errors(self) -> None:
        for text in HARMLESS:
            with self.subTest(text):
                self.assertFalse(looks_like_an_error(text))

    def test_the_first_one_counts_and_that_is_the_last_one_from_the_end(self) -> None:
        self.assertEqual(earliest(["ok", "error: b", "error: a", "ok"]), 2)
        self.assertIsNone(earliest(["ok", "0 errors"]))

    def test_of_a_traceback_it_is_what_it_ends_with(self) -> None:
        first = ["Traceback (most recent call last):", '  File "x.py", line 1, in <module>', "    tide()", "    ~~~~^^"]
        second = [
            "",
            "During handling of the above exception, another exception occurred:",
            "",
            *first,
            "ValueError: no",
        ]
        for said in ("KeyError: 'north'", "harbour.Closed: not before noon"):
            lines = ["ok", *first, said, *second, "make: *** [Makefile:3: tides] Error 1"]
            self.assertEqual(lines[len(lines) - 1 - (earliest(lines[::-1]) or 0)], said)
        cut = ["ok", *first, *["  in it"] * 300, "not of it", "error: other"]
        self.assertEqual(earliest(cut[::-1]), len(cut) - 2)
        self.assertEqual(earliest(["  tide()", "Traceback (most recent call last):"]), 1)

    def test_of_long_lines_the_last_ones_are_looked_at(self) -> None:
        json = '{"error": null, ' + '"level": 3, ' * 170
        lines = ["error: b", *[json] * 2_000, "error: a"]
        with (
            mock.patch.object(errorlines, "MOST_SECONDS", 60),
            mock.patch.object(errorlines, "looks_like_an_error", side_effect=looks_like_an_error) as look,
        ):
            self.assertEqual(earliest(lines), 0)
        self.assertEqual(look.call_count, 526, "500 characters of each, 256 KiB in all")
        self.assertFalse(looks_like_an_error(json[:500] + " error: x"))
        self.assertEqual(earliest(["error: b", *["ok"] * 2_000, "error: a"]), 2_001)

    def test_when_the_time_is_over_what_was_found_counts(self) -> None:
        lines = ["error: b", *["ok"] * 2_000, "error: a"]
        with mock.patch.object(errorlines, "MOST_SECONDS", -1):
            self.assertEqual(earliest(lines), 0)

    def test_other_threads_get_a_turn(self) -> None:
        with mock.patch.object(errorlines.time, "sleep") as sleep:
            earliest(["ok"] * 1_000)
        self.assertGreaterEqual(sleep.call_count, 20)

    @given(st.text())
    def test_any_text_has_an_answer(self, text: str) -> None:
        self.assertIn(looks_like_an_error(text), (True, False))

    def test_long_lines_cost_no_more_than_their_bound(self) -> None:
        """Ten thousand times a part of a pattern: an engine that goes back would take minutes."""
        for part in ("error ", "no ", "E  ", "-error", "Error", "0 errors ", "*** ", "--- FAIL", "A_"):
            began = time.process_time()
            looks_like_an_error(part * 10_000)
            self.assertLess(time.process_time() - began, 2)
