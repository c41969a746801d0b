import random
from unittest import mock

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.web import difference
from builds.web.difference import first_difference, normalise, parts

SAME = [
    ("took 1.2s", "took 350ms"),
    ("took 58 s", "took 1 m 05 s"),
    ("in 3 minutes, 2 seconds", "in 1 minute 1 second"),
    ("done in 1h02m", "done in 59m3s"),
    ("2026-11-24T12:00:00.123Z start", "2025-01-02T03:04:05Z start"),
    ("2026-11-24 12:00:00,123 INFO x", "2026-12-01 00:00:00,001 INFO x"),
    ("Tue Nov 24 12:28:50 UTC 2026", "Sun Feb  1 01:02:03 UTC 2026"),
    ("[24/Nov/2026:12:00:01 +0000] GET /", "[1/Jan/2027:02:00:01 +0000] GET /"),
    ("at 3:04 PM", "at 11:59 am"),
    ("from /tmp/tmpab12cd_9/build/a.c:3", "from /tmp/tmpzz99yy_0/build/a.c:12"),
    ("cd /var/folders/ab/cdefgh/T/pytest-1/x", "cd /var/folders/zz/yxwvut/T/pytest-22/x"),
    (r"C:\Users\ci\AppData\Local\Temp\npm-77\x.js", r"C:\Users\ci\AppData\Local\Temp\npm-8f\x.js"),
    ("cd /srv/workspaces/52/src", "cd /srv/workspaces/hello-46/src"),
    ("commit 9f3c2e1", "commit 41d07baa"),
    ("digest sha256:" + "a1b2c3d4" * 8, "digest sha256:" + "00ffee11" * 8),
    ('integrity "sha512-AbC+/d0123456789012345=="', 'integrity "sha512-zzzZZZyyyYYYxxxXXXwww111=="'),
    ("id 123e4567-e89b-12d3-a456-426614174000", "id ffffffff-0000-4bbb-8aaa-0123456789ab"),
    ("<object at 0x7f3a2c10>", "<object at 0xFFEE>"),
    ("listening on 127.0.0.1:40123", "listening on 127.0.0.1:5"),
    ("[108/190] CXX engine/a.cpp", "[1/190] CXX engine/a.cpp"),
    ("tests/test_a.py ......  [ 10%]", "tests/test_a.py .....  [100%]"),
    ("cache 81 hits  69 %", "cache 7 hits  8.5 %"),
    ("==== 3 passed in 1.20s ====", "========= 12 passed in 63.01s ========="),
    ("Downloaded 1.2 MB at 300 kB/s", "Downloaded 900 KiB at 1.5MB/s"),
    ("\x1b[32mok\x1b[0m 12", "ok 4"),
    ("a.c:12:5: warning: x", "a.c:7:101: warning: x"),
    ("ratio 1.5e-05", "ratio 2"),
    ("  indented   by 3", "indented by 4"),
]
OTHER = [
    ("FAILED tests/test_a.py::test_x", "PASSED tests/test_a.py::test_x"),
    ("error: 3 problems", "warning: 3 problems"),
    ("use tide-tables", "use sea-units"),
    ("src/a.c: ok", "src/b.c: ok"),
    ("facade", "faced"),
    ("exit code 1", "no exit code 1"),
    ("/tmp/tmpab12cd_9/a.c", "/tmp/tmpab12cd_9/b.c"),
    ("Tests May fail", "Tests Can fail"),
]

PYTEST = """\
============================= test session starts ==============================
platform linux -- Python 3.11.7, pytest-8.3.2, pluggy-1.5.0
rootdir: /tmp/tmp1a2b3c4d/harbour
collected 4 items

tests/test_berths.py ..                                                  [ 50%]
tests/test_tides.py ..                                                   [100%]

============================== 4 passed in 0.31s ===============================
"""
PYTEST_FAILED = """\
============================= test session starts ==============================
platform linux -- Python 3.11.7, pytest-8.3.2, pluggy-1.5.0
rootdir: /tmp/tmp99ff77ee/harbour
collected 4 items

tests/test_berths.py ..                                                  [ 50%]
tests/test_tides.py .F                                                   [100%]

=================================== FAILURES ===================================
_________________________________ test_spring __________________________________
>       assert level == 3
E       assert 2 == 3
=========================== short test summary info ============================
FAILED tests/test_tides.py::test_spring - assert 2 == 3
========================= 1 failed, 3 passed in 0.44s ==========================
"""
GCC = """\
gcc -O2 -c -o build/a.o src/a.c
gcc -O2 -c -o build/b.o src/b.c
gcc -o build/app build/a.o build/b.o
"""
GCC_FAILED = """\
gcc -O2 -c -o build/b.o src/b.c
gcc -O2 -c -o build/a.o src/a.c
src/a.c: In function 'main':
src/a.c:12:5: error: 'lights' undeclared (first use in this function)
make: *** [Makefile:9: build/a.o] Error 1
"""
NPM = """\
> harbour-api@1.4.0 test
> jest
PASS src/forecast.test.ts (5.1 s)
PASS src/window.test.ts
Tests:       9 passed, 9 total
Time:        6.402 s
"""
NPM_FAILED = """\
> harbour-api@1.4.1 test
> jest
PASS src/window.test.ts
FAIL src/forecast.test.ts (7.44 s)
  ● levels › are given by station
Tests:       1 failed, 8 passed, 9 total
Time:        8.1 s
npm ERR! Test failed.  See above for more details.
"""
CARGO = """\
   Compiling tide v0.3.1 (/srv/workspaces/41/tide)
   Compiling harbour v0.9.0 (/srv/workspaces/41/harbour)
    Finished `dev` profile [unoptimized + debuginfo] target(s) in 4.31s
"""
CARGO_FAILED = """\
   Compiling harbour v0.9.0 (/srv/workspaces/46/harbour)
error[E0308]: mismatched types
  --> src/berth.rs:88:21
"""
GO = """\
=== RUN   TestLevels
--- PASS: TestLevels (0.00s)
=== RUN   TestSpring
--- PASS: TestSpring (0.02s)
PASS
ok  \tharbour/tides\t0.031s
"""
GO_FAILED = """\
=== RUN   TestLevels
=== RUN   TestSpring
--- PASS: TestSpring (0.01s)
    levels_test.go:17: got 2, want 3
--- FAIL: TestLevels (0.00s)
FAIL
exit status 1
FAIL\tharbour/tides\t0.029s
"""
MAKE = "cc -c a.c\ncc -c b.c\nar r lib.a a.o b.o\ninstall lib.a /usr/lib\n"
MAKE_FAILED = "cc -c b.c\ncc -c a.c\nar r lib.a a.o b.o\ninstall: cannot create '/usr/lib/lib.a': Permission denied\n"


@tag("fast")
class NormaliseTest(SimpleTestCase):
    def test_what_is_another_in_every_build_is_set_aside(self) -> None:
        for one, other in SAME:
            with self.subTest(one):
                self.assertEqual(normalise(one), normalise(other))

    def test_what_a_line_says_is_not(self) -> None:
        for one, other in OTHER:
            with self.subTest(one):
                self.assertNotEqual(normalise(one), normalise(other))

    @given(st.text())
    def test_any_text_has_a_form_and_the_form_is_one_line_without_digits_of_its_own(self, text: str) -> None:
        form = normalise(text)
        self.assertNotRegex(form, r"[0-9\n]")


@tag("fast")
class ExamplesTest(SimpleTestCase):
    def check(self, passed: str, failed: str, line: str, stood: str | None) -> None:
        then, now = passed.splitlines(), failed.splitlines()
        found = first_difference(then, now)
        assert found is not None
        self.assertEqual(now[found.failed], line)
        self.assertEqual(None if found.passed is None else then[found.passed], stood)
        self.assertFalse(found.is_surplus)
        self.assertIsNone(first_difference(then, then))

    def test_pytest(self) -> None:
        line = "tests/test_tides.py .F                                                   [100%]"
        self.check(PYTEST, PYTEST_FAILED, line, line.replace(".F", ".."))

    def test_gcc(self) -> None:
        self.check(GCC, GCC_FAILED, "src/a.c: In function 'main':", "gcc -O2 -c -o build/b.o src/b.c")

    def test_npm(self) -> None:
        line = "FAIL src/forecast.test.ts (7.44 s)"
        self.check(NPM, NPM_FAILED, line, "Tests:       9 passed, 9 total")

    def test_cargo(self) -> None:
        stood = "    Finished `dev` profile [unoptimized + debuginfo] target(s) in 4.31s"
        self.check(CARGO, CARGO_FAILED, "error[E0308]: mismatched types", stood)

    def test_go(self) -> None:
        self.check(GO, GO_FAILED, "    levels_test.go:17: got 2, want 3", "PASS")

    def test_make(self) -> None:
        line = "install: cannot create '/usr/lib/lib.a': Permission denied"
        self.check(MAKE, MAKE_FAILED, line, "install lib.a /usr/lib")


words = st.lists(
    st.sampled_from(["ok", "compile", "src/main.c", "test", "->", "[", "]:", "e", "in", "s", ""]), max_size=5
)
numbers = st.integers(0, 10**9).map(str) | st.decimals(0, 10**6, places=2).map(str)


@tag("fast")
class PropertiesTest(SimpleTestCase):
    @settings(deadline=None)  # it lets other threads pass, and they may take their time
    @given(st.lists(words, max_size=20), st.data())
    def test_outputs_that_are_equal_but_for_their_numbers_do_not_differ(self, log, data) -> None:
        one, other = ([" ".join(f"{word} {data.draw(numbers)}" for word in line) for line in log] for _ in range(2))
        self.assertIsNone(first_difference(one, other))

    @settings(deadline=None)  # it lets other threads pass, and they may take their time
    @given(st.lists(st.text(max_size=12), max_size=30), st.randoms(use_true_random=False))
    def test_another_order_is_no_difference(self, log: list[str], chance: random.Random) -> None:
        other = chance.sample(log, len(log))
        self.assertIsNone(first_difference(log, other))

    @settings(deadline=None)  # it lets other threads pass, and they may take their time
    @given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
    def test_a_difference_is_found_where_there_is_one_and_only_there(self, then: list[str], now: list[str]) -> None:
        found = first_difference(then, now)
        more = [line for line in set(now) if now.count(line) > then.count(line)]
        self.assertEqual(found is None, not more)
        if found is not None:
            self.assertIn(now[found.failed], more)
            self.assertEqual(found.is_surplus, not set(now) - set(then))
            if not found.is_surplus:
                self.assertEqual(found.failed, min(now.index(line) for line in set(now) - set(then)))

    def test_less_output_than_then_is_no_difference(self) -> None:
        self.assertIsNone(first_difference(["a", "b", "c"], ["a"]))
        self.assertIsNone(first_difference([], ["", "  "]))

    def test_what_would_take_too_long_is_given_up(self) -> None:
        log = [f"line {number}" for number in range(1_000)]
        self.assertIsNone(first_difference(log, log))
        with mock.patch.object(difference, "MOST_SECONDS", -1):
            self.assertIsNone(first_difference(log[:200], log[:200]), "so few are not worth a look at the clock")
            for then, now in ((log, []), (log[:1], log)):
                with self.assertRaises(difference.TooLong):
                    first_difference(then, now)

    def test_at_the_very_beginning_there_is_nothing_before_it(self) -> None:
        found = first_difference(["", "then"], ["now", "then"])
        self.assertEqual(found, (0, 1, False))
        self.assertEqual(first_difference([], ["now"]), (0, None, False))

    def test_of_lines_that_are_equal_the_same_one_is_the_neighbour(self) -> None:
        then = ["ok 1", "first", "ok 2", "second"]
        self.assertEqual(first_difference(then, ["ok 1", "first", "ok 2", "other"]), (3, 3, False))

    def test_what_is_another_within_a_line_is_a_piece_of_its_own(self) -> None:
        self.assertEqual(
            parts("use tide-tables 2.3", "use tide-tables 3.3"),
            [("use tide-tables ", False), ("2", True), (".3", False)],
        )
        self.assertEqual(parts("one thing", "another, quite"), [("one thing", False)])
        self.assertEqual(parts("same", "same"), [("same", False)])

    @settings(deadline=None)  # it lets other threads pass, and they may take their time
    @given(st.text(max_size=20), st.text(max_size=20))
    def test_the_pieces_are_the_line(self, text: str, other: str) -> None:
        self.assertEqual("".join(piece for piece, _ in parts(text, other)), text)
