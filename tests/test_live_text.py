"""The text of a log as its parts are made: which bytes leave as they are stored, and which are looked at."""

from unittest.mock import patch

from django.test import SimpleTestCase, TransactionTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from buildboard.terminal.style import plain, plain_lines
from builds import blocks, events, logbytes, retention
from builds.live import text
from builds.live.text import Stored, Writer
from builds.models import LogBlock
from builds.retention import Pace
from tests import live

LINES = st.lists(st.text(st.sampled_from("ab \x1b\x07\\[]m1:;8K é"), max_size=8), min_size=1, max_size=4)


def whole(build_id: int, *, keeps_styling: bool) -> bytes:
    reading = Stored(build_id, events.extent(build_id), keeps_styling=keeps_styling)
    parts = []
    while (part := reading.next()) is not None:
        parts.append(part)
    return b"".join(parts)


@tag("fast")
class PlainTest(SimpleTestCase):
    @given(LINES)
    def test_a_line_among_others_is_what_it_is_alone(self, lines: list[str]) -> None:
        self.assertEqual(plain_lines("\n".join(lines).encode()).decode(), "\n".join(map(plain, lines)))


@tag("fast")
class WriterTest(SimpleTestCase):
    @given(st.lists(st.tuples(LINES, st.booleans()), max_size=8))
    def test_every_line_is_there_once_when_it_is_whole(self, chunks: list[tuple[list[str], bool]]) -> None:
        writer, found, expected, number, stands = Writer(keeps_styling=True), b"", [], 1, []
        for lines, is_open in chunks:
            found += writer.lines("one", number, len(lines), "\n".join(lines).encode(), is_open=is_open)
            self.assertEqual(writer.given, found.count(b"\n"))
            done = lines[:-1] if is_open else lines
            stands = lines[-1:] if is_open else []
            expected += done
            number += len(done)
        found += writer.rest()
        self.assertEqual(found.decode(), "".join(f"{line}\n" for line in expected + stands))

    def test_of_a_cut_only_what_a_reader_has_not_is_told(self) -> None:
        writer = Writer(keeps_styling=False)
        writer.passed("one", 10)
        self.assertEqual(writer.cut("one", 5, 6, 60), b"")
        self.assertEqual(writer.cut("one", 5, 8, 80, "It was long."), b"[2 lines of one left out: It was long.]\n")
        self.assertEqual(writer.cut("one", 13, 1, 9), b"[1 line, 9 bytes of one left out]\n")


class StoredTest(TransactionTestCase):
    def build(self) -> int:
        lease = live.running()
        live.printed(lease, 1, "plain", "\x1b[31mred\x1b[0m", "é")
        live.printed(lease, 4, "a \x1b]8;;http://x\x07link\x1b]8;;\x07", "half", is_open=True)
        live.printed(lease, 5, "half done", "")
        live.printed(lease, 1, "of another step", step=1)
        live.ended(lease)
        return lease.build_id

    def test_colours_are_left_out_unless_they_are_asked_for_from_events_and_blocks_alike(self) -> None:
        build_id = self.build()
        rest = "half done\n\nof another step\n"
        shown = f"plain\nred\né\na link\n{rest}".encode()
        styled = f"plain\n\x1b[31mred\x1b[0m\né\na \x1b]8;;http://x\x07link\x1b]8;;\x07\n{rest}".encode()
        for log in ("events", "blocks"):
            with self.subTest(log=log):
                self.assertEqual(whole(build_id, keeps_styling=False), shown)
                self.assertEqual(whole(build_id, keeps_styling=True), styled)
                with patch.object(text, "PART_BYTES", 1):
                    self.assertEqual(whole(build_id, keeps_styling=True), styled)
            retention.compact(build_id, Pace())

    def test_a_part_is_bounded_however_large_the_log_is(self) -> None:
        lease = live.running()
        for number in range(1, 101):
            live.printed(lease, number, "x" * 10_000)
        reading, sizes = Stored(lease.build_id, events.extent(lease.build_id), keeps_styling=True), []
        while (part := reading.next()) is not None:
            sizes.append(len(part))
        self.assertEqual(sum(sizes), 100 * 10_001)
        self.assertLessEqual(max(sizes), text.PART_BYTES + 10_001)
        self.assertLess(len(sizes), 8)
        rows = logbytes.rows(lease.build_id, 0, lease.head, 25_000, 1_000)
        self.assertLessEqual(sum(len(row.body) for row in rows if row.kind == "log"), 35_000)

    def test_a_block_that_is_not_what_was_written_is_no_text(self) -> None:
        build_id = self.build()
        retention.compact(build_id, Pace())
        block = LogBlock.objects.filter(build_id=build_id, size__gt=0).first()
        LogBlock.objects.filter(pk=block.pk).update(size=block.size + 1)
        with self.assertRaises(blocks.Damaged):
            whole(build_id, keeps_styling=True)
        LogBlock.objects.filter(pk=block.pk).update(body=b"nothing")
        with self.assertRaises(blocks.Damaged):
            whole(build_id, keeps_styling=True)
