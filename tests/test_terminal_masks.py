"""What a build's log is told of its secrets: nothing, whatever a terminal made of the bytes, open lines included."""

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from buildboard.terminal.lines import LineReader
from buildboard.terminal.masks import MAX_ADDED, MAX_ADDED_BYTES, Masked, Masks
from buildboard.terminal.style import plain

SECRET = "hunter22-Tür"
RAW = SECRET.encode()


class Terminal:
    """A step's output as a log stores it: `shown` has every state of every line that was ever stored."""

    def __init__(self, masks: Masks, max_bytes: int = 16 * 1024) -> None:
        self.masked = Masked(masks)
        self.reader = LineReader(max_bytes)
        self.lines: list[str] = []
        self.shown: list[str] = []

    def feed(self, data: bytes) -> None:
        self._took(self.reader.feed(self.masked.feed(data)))
        if self.reader.has_open:
            self.shown.append(self.masked.open_line(self.reader.open_line()))

    def close(self) -> list[str]:
        self._took(self.reader.feed(self.masked.close()) + self.reader.close())
        return self.lines

    def _took(self, lines: list[str]) -> None:
        lines = self.masked.lines(lines)
        self.lines += lines
        self.shown += lines


def shown(data: bytes, *secrets: str, max_bytes: int = 16 * 1024) -> list[str]:
    terminal = Terminal(Masks(secrets or [SECRET]), max_bytes)
    terminal.feed(data)
    return terminal.close()


@tag("fast")
class LinesTests(SimpleTestCase):
    def test_colours_in_the_middle_stay_and_the_secret_goes(self) -> None:
        [line] = shown(b"<\x1b[31m" + RAW[:3] + b"\x1b[1m" + RAW[3:] + b">\x1b[0m\n")
        self.assertEqual(plain(line), "<***>")
        self.assertIn("\x1b[31m", line)
        [line] = shown(b"<\x1b[31m" + RAW + b"\x1b[0m>\n")
        self.assertEqual(line, "<\x1b[31m***\x1b[0m>")

    def test_what_the_cursor_puts_together_goes(self) -> None:
        for data in (
            b"xxxxx\r" + RAW + b"\n",
            RAW[:5] + b"XX\b\b" + RAW[5:] + b"\n",
            RAW[:5] + b"\x1b[K" + RAW[5:] + b"\n",
            b"    " + RAW[4:] + b"\r" + RAW[:4] + b"\n",
            RAW[:5] + b"\x1b[5G" + RAW[4:] + b"\n",
        ):
            self.assertEqual([line.strip("xX") for line in shown(data)], ["***"], data)

    def test_a_part_that_was_written_over_is_no_part_of_it(self) -> None:
        self.assertEqual(shown(RAW + b"\rab\n"), ["ab*"])

    def test_links_have_none(self) -> None:
        [line] = shown(b"\x1b]8;;https://host/?t=" + RAW[:8] + b"\x1b\\here\x1b]8;;\x1b\\\n", "hunter22")
        self.assertEqual(line, "\x1b]8;;https://host/?t=***\x1b\\here\x1b]8;;\x1b\\")

    def test_a_line_that_is_cut_in_the_middle_of_one(self) -> None:
        for room in range(90, 115):
            for secret in (RAW, RAW[:4] + b"\x1b[1m" + RAW[4:]):
                [line] = shown(b"-" * 95 + secret + b"-" * 300 + b"\n", max_bytes=room)
                text = plain(line).rstrip().partition("…")[0]
                self.assertEqual(text.strip("-*"), "", f"{room}: {line}")

    def test_of_an_open_line_nothing_is_told_that_may_begin_one(self) -> None:
        for between in (b"", b"\x1b[32m", b"\x1b[0m\x1b[K"):
            terminal = Terminal(Masks([SECRET]))
            terminal.feed(b"token: ")
            for character in SECRET:
                terminal.feed(character.encode())
                terminal.feed(between)
            for line in terminal.shown:
                self.assertIn(plain(line), ("token: ", "token: ***"), between)
            terminal.feed(b" ok\n")
            self.assertEqual(plain(terminal.close()[0]), "token: *** ok")

    def test_what_was_held_is_told_when_it_is_none(self) -> None:
        terminal = Terminal(Masks([SECRET]))
        terminal.feed(b"hunt")
        self.assertEqual(terminal.shown, [])
        terminal.feed(b"ing\n")
        terminal.feed(b"hunt")
        self.assertEqual(terminal.close(), ["hunting", "hunt"])

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def test_no_cutting_and_no_colour_shows_it(self, draw: st.DataObject) -> None:
        """Open lines included, each byte may be followed by a colour, and by a look at the line."""
        secret = draw.draw(st.text("abc", min_size=4, max_size=12))
        around = st.text("abc. ", max_size=6)
        text = draw.draw(around) + secret + draw.draw(around) + "\n" + draw.draw(around) + secret
        terminal = Terminal(Masks([secret]))
        for byte in text.encode():
            terminal.feed(bytes([byte]) + draw.draw(st.sampled_from([b"", b"", b"\x1b[31m", b"\x1b[0m"])))
        lines = [plain(line) for line in terminal.close()]
        self.assertEqual(len(lines), 2)
        self.assertFalse([line for line in map(plain, terminal.shown) if secret in line])
        # And of the open states none shows more of it than the whole line does.
        for line in map(plain, terminal.shown):
            self.assertTrue(any(whole.startswith(line.split("***")[0]) for whole in lines), (line, lines))

    @given(st.lists(st.text("ab\x1b[1mK\r\b\n", max_size=30), max_size=6), st.data())
    @settings(max_examples=60, deadline=None)
    def test_any_output_is_masked_and_keeps_its_shape(self, texts: list[str], draw: st.DataObject) -> None:
        data = "".join(texts).encode()
        masks = ["abab", "bbaa"]
        whole = Terminal(Masks(masks))
        whole.feed(data)
        lines = whole.close()
        for line in lines:
            self.assertFalse([secret for secret in masks if secret in plain(line)], lines)
        cut = Terminal(Masks(masks))
        at = 0
        while at < len(data):
            size = draw.draw(st.integers(1, 7))
            cut.feed(data[at : at + size])
            at += size
        self.assertEqual(cut.close(), lines)
        for line in cut.shown:
            self.assertFalse([secret for secret in masks if secret in plain(line)], cut.shown)

    def test_text_that_is_no_line(self) -> None:
        masks = Masks([SECRET])
        self.assertEqual(masks.text(f"Step x: {SECRET}.\n{SECRET}"), "Step x: ***.\n***")
        self.assertEqual(Masks().text(SECRET), SECRET)


@tag("fast")
class CommandTests(SimpleTestCase):
    def test_a_step_adds_a_secret_and_its_line_does_not_tell_it(self) -> None:
        data = (
            b"token-1 before\n::add-mask::token-1\ntoken-1 after\n##[add-mask]token-2\r\n\x1b[31m::add-mask::token-3\n"
        )
        expected = ["::add-mask::***", "*** after", "::add-mask::***", "::add-mask::***", "*** ***"]
        data += b"token-2 token-3"
        for size in (1, 2, 3, 7, 1000):
            terminal = Terminal(Masks())
            for at in range(0, len(data), size):
                terminal.feed(data[at : at + size])
            first, *lines = [plain(line) for line in terminal.close()]
            self.assertEqual(lines, expected)
            self.assertIn(first, ("token-1 before", "*** before"), "what came with it may be masked already")
            since = terminal.shown[[line.startswith("::add-mask") for line in terminal.shown].index(True) :]
            self.assertFalse([line for line in since if "token" in line])

    def test_other_steps_of_the_build_hide_it_too(self) -> None:
        masks = Masks()
        Terminal(masks).feed(b"::add-mask::the-token\n")
        other = Terminal(masks)
        other.feed(b"the-token\n")
        self.assertEqual(other.close(), ["***"])

    def test_its_lines_and_escapes_are_read(self) -> None:
        terminal = Terminal(Masks())
        terminal.feed(b"::add-mask::first line%0Asecond 100%25\nfirst line, second 100%, line\n")
        self.assertEqual(terminal.close(), ["::add-mask::***", "***, ***, line"])

    def test_a_secret_within_it_does_not_spoil_it(self) -> None:
        terminal = Terminal(Masks(["inner"]))
        terminal.feed(b"::add-mask::outer-inner-outer\nouter-inner-outer inner\n")
        self.assertEqual(terminal.close(), ["::add-mask::***", "*** ***"])

    def test_one_without_an_end_is_read_at_the_end(self) -> None:
        masks = Masks()
        terminal = Terminal(masks)
        terminal.feed(b"::add-mask::the-token")
        self.assertEqual({*terminal.shown, *terminal.close()}, {"::add-mask::***"})
        self.assertEqual(masks.text("the-token"), "***")

    def test_what_is_not_masked_is_said(self) -> None:
        terminal = Terminal(Masks())
        terminal.feed(b"::add-mask::abc\n::add-mask::\n::add-mask::" + b"x" * 3 * MAX_ADDED_BYTES + b"\n")
        terminal.feed(b"".join(b"::add-mask::token-%d\n" % number for number in range(MAX_ADDED + 1)))
        lines = terminal.close()
        short = "::add-mask::*** (not masked: no line of it has 4 bytes)"
        self.assertEqual(lines[:2], [short, short])
        self.assertEqual(lines[2], "::add-mask::*** (not masked: longer than 8,192 bytes)")
        self.assertEqual(lines[3 : 3 + MAX_ADDED], ["::add-mask::***"] * MAX_ADDED)
        self.assertEqual(lines[-1], "::add-mask::*** (not masked: a build may add 100 secrets)")

    def test_it_counts_at_the_beginning_of_a_line_alone(self) -> None:
        for line in ("echo ::add-mask::the-token", ": ::add-mask::the-token", "::add-mask:the-token", "x" * 90):
            terminal = Terminal(Masks())
            terminal.feed(f"{line}\nthe-token\n".encode())
            self.assertEqual(terminal.close(), [line, "the-token"])

    @given(st.text("ab:add-mask\n", max_size=60))
    @settings(max_examples=100, deadline=None)
    def test_nothing_that_is_no_command_is_changed(self, text: str) -> None:
        if "::add-mask::" not in text:
            reader = LineReader()
            self.assertEqual(shown(text.encode(), "zzzzz"), reader.feed(text.encode()) + reader.close())
