"""Rows of a log are read as they were stored, whatever text they have, and no further than they are asked for."""

from django.test import TestCase
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyTestCase

from builds import blocks, logbytes, logrows
from builds.blocks import Run
from builds.logbytes import Row
from builds.models import Event, LogBlock

from . import live

line = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=20)
chunks = st.lists(st.tuples(st.lists(line, min_size=1, max_size=3), st.booleans(), st.integers(0, 3)), max_size=6)


def store(build_id: int, found: list) -> list[Row]:
    rows = [
        logrows.Row(is_open, seq, step, seq, len(texts), "\n".join(texts))
        for seq, (texts, is_open, step) in enumerate(found, start=101)
    ]
    logrows.insert(build_id, rows, timezone.now())
    return [Row(row.seq, "log", row.step, row.line, row.lines, row.open, row.body.encode()) for row in rows]


class AnyRowsTests(PropertyTestCase):
    @settings(max_examples=30, deadline=None)
    @given(chunks)
    def test_rows_are_what_was_stored(self, found: list) -> None:
        build_id = live.queued(f"p{Event.objects.count()}").pk
        stored = store(build_id, found)
        read = logbytes.rows(build_id, 100, 100 + len(stored), 10_000, 100)
        self.assertEqual([row._replace(open=bool(row.open)) for row in read], stored)

    @settings(max_examples=30, deadline=None)
    @given(st.binary(max_size=300))
    def test_a_block_is_the_bytes_that_were_stored(self, body: bytes) -> None:
        build_id = live.queued(f"p{LogBlock.objects.count()}").pk
        blocks.store(build_id, 0, blocks.encode([Run(0, 1, ["a"], timezone.now())])._replace(body=body))
        row = blocks.row_after(build_id, -1)
        self.assertEqual((row.body, row.size, row.last), (body, 2, 1))
        self.assertIsNone(blocks.row_after(build_id, 0))


class BoundsTests(TestCase):
    def test_a_reading_ends_with_the_event_that_passes_its_size_or_reaches_the_head(self) -> None:
        build_id = live.queued().pk
        store(build_id, [(["x" * 999, "é" * 500], False, 0)] * 20)
        for head, size, most, expected in (
            (120, 0, 20, 1),
            (120, 1_999, 20, 1),
            (120, 2_000, 20, 2),
            (120, 9_999, 20, 5),
            (120, 100_000, 7, 7),
            (104, 100_000, 20, 4),
        ):
            with self.subTest(head=head, size=size, most=most), self.assertNumQueries(1):
                self.assertEqual(len(logbytes.rows(build_id, 100, head, size, most)), expected)

    def test_an_event_that_is_no_text_is_there_as_it_is(self) -> None:
        build_id = live.queued().pk
        [first, *_] = logbytes.rows(build_id, 0, 1, 10_000, 10)
        self.assertEqual((first.seq, first.kind, first.step, first.lines), (1, "build", None, None))
        self.assertTrue(first.body.startswith(b"{"))
