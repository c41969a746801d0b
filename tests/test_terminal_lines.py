"""Bytes → lines: examples of what a terminal would show, and properties that hold for any bytes."""

import re

from django.test import SimpleTestCase, tag
from hypothesis import example, given, settings
from hypothesis import strategies as st

from buildboard.terminal.canvas import LINE_BYTES as MAX_BYTES
from buildboard.terminal.lines import LineReader

RED, BOLD_RED, RESET = "\x1b[31m", "\x1b[1;31m", "\x1b[0m"
ALLOWED_ESCAPE = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;;(?:https?://[\x21-\x7e]+)?\x1b\\")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
pieces = st.sampled_from(
    [b"a", b"word ", b"\r", b"\n", b"\b", b"\t", b"\x1b[31m", b"\x1b[1m", b"\x1b[0m", b"\x1b[K", b"\x1b[1K", b"\x1b[2K"]
    + [
        b"\x1b[5G",
        b"\x1b[3C",
        b"\x1b[2D",
        b"\x1b[P",
        b"\x1b[2X",
        b"\x1b",
        b"\x1b[",
        b"\x1b]",
        b"\x07",
        b"\x1b\\",
        b"\0",
    ]
    + [
        "é".encode(),
        "漢".encode(),
        "e\u0301".encode(),
        "\u2028".encode(),
        "\x9b".encode(),
        b"\xff",
        b"\xf0\x9f",
        b"\r\n",
    ]
    + [b"\x1b]8;;https://example.org/a\x1b\\", b"\x1b]8;;\x07", b"\x1b]9;4;1;40\x07", b"\x1b[38;5;200m", b"x" * 5000]
)
output = st.one_of(st.binary(max_size=200), st.lists(pieces, max_size=30).map(b"".join))


def lines(*parts: bytes) -> list[str]:
    reader = LineReader()
    found = [line for part in parts for line in reader.feed(part)]
    return found + reader.close()


@tag("fast")
class LinesTests(SimpleTestCase):
    def shows(self, data: bytes, *expected: str) -> None:
        self.assertEqual(lines(data), list(expected))
        self.assertEqual(lines(*(data[index : index + 1] for index in range(len(data)))), list(expected))

    def test_lines_end_at_a_line_feed_and_nowhere_else(self) -> None:
        self.shows(
            "one\ntwo\u2028still\u2029two\x0b\x0c\x1c\x85!\n\nfour".encode(),
            "one",
            "two\u2028still\u2029two!",
            "",
            "four",
        )

    def test_a_carriage_return_overwrites_column_by_column(self) -> None:
        self.shows(b"Progress 10%\rProgress 20%\rDone\n", "Doneress 20%")
        self.shows(b"windows\r\nline ends\r\r\n", "windows", "line ends")

    def test_a_wide_character_that_loses_a_half_becomes_a_blank(self) -> None:
        self.shows("漢字\rab\n".encode(), "ab字")
        self.shows("漢字\ra\n".encode(), "a 字")
        self.shows(b"a\tb\r\x1b[3Cx\n", "a  x    b")

    def test_erasing_and_moving_leave_what_a_terminal_would_show(self) -> None:
        self.shows(b"downloading 99%\r\x1b[Kdone\n", "done")
        self.shows(b"abcdef\x1b[3D\x1b[KX\n", "abcX")
        self.shows(b"abcdef\x1b[2G\x1b[1KX\n", " Xcdef")
        self.shows(b"abc\x1b[2KX\n", "   X")
        self.shows(b"ab\b\bX\n", "Xb")
        self.shows(b"a\x1b[5Gb\n", "a   b")
        self.shows(b"abcdef\r\x1b[2P\x1b[CX\n", "cXef")

    def test_a_colour_that_carries_over_is_repeated_and_no_line_leaks(self) -> None:
        self.shows(b"\x1b[31mred\nstill\n\n\x1b[1mbold\x1b[0m off\nplain", f"{RED}red{RESET}", f"{RED}still{RESET}", "",
                   f"{BOLD_RED}bold{RESET} off", "plain")  # fmt: skip

    def test_colours_are_kept_in_all_their_forms(self) -> None:
        self.shows(b"\x1b[38;5;200ma\x1b[38;2;1;2;3mb\x1b[39mc\n", "\x1b[38;5;200ma\x1b[0;38;2;1;2;3mb\x1b[0mc")
        self.shows(b"\x1b[38:2::1:2:3ma\x1b[4:3mb\x1b[mc\n", "\x1b[38;2;1;2;3ma\x1b[0;4;38;2;1;2;3mb\x1b[0mc")
        self.shows(b"\x1b[1;2;22;999;38;5mx\n", "x")

    def test_links_to_http_are_kept_and_others_are_text(self) -> None:
        link = "\x1b]8;;https://example.org/a\x1b\\"
        close = "\x1b]8;;\x1b\\"
        self.shows(f"see {link}this\x1b]8;;\x07 now\n".encode(), f"see {link}this{close} now")
        self.shows(f"{link}over\nlines{close}\n".encode(), f"{link}over{close}", f"{link}lines{close}")
        self.shows(b"\x1b]8;;javascript:alert(1)\x07x\x1b]8;;file:///etc/passwd\x07y\n", "xy")

    def test_every_other_sequence_is_removed(self) -> None:
        self.shows(
            b"\x1b[2J\x1b[H\x1b[?25la\x1b]0;title\x07b\x1bPq#0\x1b\\c\x1b(Bd\x1b[6ne\x1b=\x1b7f\x07\0\x7f\n", "abcdef"
        )

    def test_a_sequence_that_never_ends_takes_no_text_with_it(self) -> None:
        self.shows(b"a\x1b]0;no end\nb\x1b[31\nc\x1b", "a0;no end", "b", "c")
        self.shows(b"\x1b]" + b"x" * 5000 + b"\n", "x" * 5000)

    def test_any_bytes_are_text(self) -> None:
        self.shows(b"\xff\xfe \xc3\x28 \xe2\x82\n", "\ufffd\ufffd \ufffd( \ufffd")

    def test_a_long_line_is_cut_and_says_how_much(self) -> None:
        long = lines(b"x" * 1_000_000 + b"\nshort\n")
        self.assertEqual(long, ["x" * MAX_BYTES + "… [983,616 more characters were cut]", "short"])
        exact = lines(b"x" * MAX_BYTES + b"\n")
        self.assertEqual(exact, ["x" * MAX_BYTES])
        wide = lines("é".encode() * 10_000 + b"\n")
        self.assertEqual(wide, ["é" * (MAX_BYTES // 2) + "… [1,808 more characters were cut]"])

    def test_the_bound_is_what_it_is_given(self) -> None:
        for size, character in ((1024, "x"), (1024, "é"), (1024, "漢"), (64 * 1024, "é"), (1024 * 1024, "x")):
            with self.subTest(size=size, character=character):
                fits = size // len(character.encode())
                reader = LineReader(size)
                found = reader.feed((character * fits + "\n" + character * (fits + 7) + "\n").encode())
                self.assertEqual(found, [character * fits, character * fits + "… [7 more characters were cut]"])

    def test_a_hundred_thousand_updates_are_one_line(self) -> None:
        data = b"".join(b"\r\x1b[K\x1b[32m%d%%\x1b[0m of all" % (count // 1000) for count in range(100_000)) + b"\n"
        self.assertEqual(lines(data), ["\x1b[32m99%\x1b[0m of all"])

    def test_hostile_lines_stay_small(self) -> None:
        for data in (b"\x1b]" * 100_000, b"\x1b[" * 100_000, b"\t" * 100_000, "\u0301".encode() * 100_000,
                     b"\x1b[9999999999C x" * 10_000, b"\x1b[1m\x1b[0ma" * 50_000, "漢".encode() * 50_000):  # fmt: skip
            with self.subTest(data=data[:12]):
                found = lines(data)
                self.assertEqual(len(found), 1)
                self.assertLess(len(found[0].encode()), MAX_BYTES + 100)

    def test_the_open_line_is_shown_as_it_stands_and_goes_on(self) -> None:
        reader = LineReader()
        self.assertEqual(reader.feed(b"\x1b[31mCompiling 1"), [])
        self.assertTrue(reader.has_open)
        self.assertEqual(reader.open_line(), f"{RED}Compiling 1{RESET}")
        self.assertEqual(reader.feed(b"\rCompiling 2"), [])
        self.assertEqual(reader.open_line(), f"{RED}Compiling 2{RESET}")
        self.assertEqual(reader.feed(b" done\nnext"), [f"{RED}Compiling 2 done{RESET}"])
        self.assertEqual(reader.open_line(), f"{RED}next{RESET}")

    def test_the_progress_sequence_is_taken_out_and_reported(self) -> None:
        reader = LineReader()
        self.assertIsNone(reader.progress)
        self.assertEqual(reader.feed(b"a\x1b]9;4;1;40\x07b\n\x1b]9;4;1;250\x1b\\c\n"), ["ab", "c"])
        self.assertEqual(reader.progress, 1.0)
        reader.feed(b"\x1b]9;4;1;25\x07\x1b]9;4;3;0\x07\n")
        self.assertEqual(reader.progress, 0.25)


@tag("fast")
class AnyBytesTests(SimpleTestCase):
    @given(output, st.lists(st.integers(0, 200), max_size=6))
    @settings(max_examples=400, deadline=None)
    @example(b"e\x1b[31m\xcc\x81\n", [2])
    def test_cutting_the_bytes_anywhere_changes_nothing(self, data: bytes, cuts: list[int]) -> None:
        edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        parts = [data[start:end] for start, end in zip(edges, edges[1:], strict=False)]
        self.assertEqual(lines(*parts), lines(data))

    @given(output, st.integers(0, 200))
    @settings(max_examples=300, deadline=None)
    def test_looking_at_the_open_line_changes_nothing(self, data: bytes, cut: int) -> None:
        reader = LineReader()
        found = reader.feed(data[:cut])
        reader.open_line()
        self.assertEqual(found + reader.feed(data[cut:]) + reader.close(), lines(data))

    @given(output)
    @settings(max_examples=300, deadline=None)
    @example(b" \x1b[2J\x1b]8;;http://!\x1b\\\xcc\x80")
    def test_lines_are_bounded_clean_and_neutral(self, data: bytes) -> None:
        for line in lines(data):
            self.assertLess(len(line.encode()), MAX_BYTES + 100)
            self.assertIsNone(CONTROL.search(ALLOWED_ESCAPE.sub("", line)))
            if len(line.encode()) <= MAX_BYTES:  # else it was cut, and its mark would be cut in turn
                self.assertEqual(LineReader().feed(line.encode() + b"\nx\n"), [line, "x"])

    @given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300))
    def test_plain_text_stays_as_it_is(self, text: str) -> None:
        self.assertEqual(lines(text.encode() + b"\n"), [text])
