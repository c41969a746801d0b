"""What viewers who are behind are given: each stretch of a log is read once for all of them, and memory is bounded."""

import asyncio
import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from django.db import connection
from django.test import SimpleTestCase, TransactionTestCase, tag
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from builds import events
from builds.events import Chunk
from builds.live import frames, pages, sources
from builds.live.frames import Slice
from builds.live.pages import Pages
from builds.live.sources import BuildSource, after_which
from builds.models import Build, Event, iso
from tests import live
from tests.test_live_tail import Running, Written, seen, viewer

VIEWERS = 200


@tag("fast")
class PagesTest(SimpleTestCase):
    async def test_viewers_who_come_at_once_share_every_read(self) -> None:
        source = Written(head=500)
        async with Running(source) as one:
            source.reads.clear()
            got = await asyncio.gather(*(seen(viewer(one, 0), 500) for _ in range(VIEWERS)))
            self.assertEqual(set(map(tuple, got)), {tuple(range(1, 501))})
            self.assertEqual(max(Counter(source.reads).values()), 1, source.reads)
            source.reads.clear()
            self.assertEqual(await seen(viewer(one, 0), 500), list(range(1, 501)))
            self.assertEqual(source.reads, [], "and so do those who come a moment later")

    async def test_what_is_kept_is_bounded_and_what_was_asked_for_last_stays(self) -> None:
        source = Written(head=500, size=1_000)
        kept = Pages(most=25_000)
        for cursor in (0, 10, 20, 0, 30):
            await kept.ask(source, cursor)
            self.assertLessEqual(kept._bytes, 25_000)
        self.assertEqual([cursor for _, cursor in kept._kept], [0, 30])
        self.assertEqual(kept._bytes, sum(len(page.result().body) for page in kept._kept.values()))
        kept.forget(source.topic)
        self.assertEqual((kept._bytes, len(kept._kept)), (0, 0))

    async def test_what_fails_or_is_the_end_is_asked_for_again(self) -> None:
        source, kept = Written(head=5), Pages()
        source.failing = True
        with self.assertRaises(OSError):
            await kept.ask(source, 0)
        source.failing = False
        self.assertEqual((await kept.ask(source, 0)).upto, 5)
        self.assertEqual((await kept.ask(source, 5)).upto, 5)
        source.head = 7
        self.assertEqual((await kept.ask(source, 5)).upto, 7)

    async def test_what_is_forgotten_while_it_is_read_is_not_kept(self) -> None:
        source, kept = Written(head=5), Pages()
        reading = kept.ask(source, 0)
        kept.forget(source.topic)
        self.assertEqual((await reading).upto, 5)
        await asyncio.sleep(0)
        self.assertEqual((kept._bytes, len(kept._kept), len(kept._reading)), (0, 0, 0))

    @given(st.integers(0, 10**6), st.integers(0, 10**6))
    def test_those_who_come_from_anywhere_soon_go_on_with_the_same_slices(self, one: int, other: int) -> None:
        cursors = {one, other}
        for _ in range(10**4):
            if len(cursors) == 1:
                return
            late = min(cursors)
            cursors = {after_which(late), *(cursors - {late})}
            self.assertGreater(after_which(late), late)
            self.assertLessEqual(after_which(late) - late, 1024)
        self.fail(f"{one} and {other} never met")


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0"), max_size=40)


class BehindTest(TransactionTestCase):
    def test_it_is_what_every_event_is_by_itself(self) -> None:
        lease = live.running()

        @settings(deadline=None, max_examples=25)
        @given(st.lists(st.tuples(st.lists(TEXTS, min_size=1, max_size=3), st.booleans()), min_size=1, max_size=5))
        def every(chunks: list[tuple[list[str], bool]]) -> None:
            before = lease.head
            events.append(lease, [Chunk(1, 1, lines, is_open) for lines, is_open in chunks])
            self.same(lease.build_id, before)

        every()
        self.same(lease.build_id, 0)

    def test_a_moment_without_a_fraction_is_told_like_any_other(self) -> None:
        lease = live.running()
        moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        for number, fraction in enumerate((0, 1, 999, 1_000, 999_999)):
            live.printed(lease, number + 1, "x")
            at = moment + timedelta(microseconds=fraction)
            Event.objects.filter(build_id=lease.build_id, seq=lease.head).update(at=at)
            self.assertEqual(json.loads(events.read(lease.build_id, lease.head - 1)[0].data)["at"], iso(at))

    def same(self, build_id: int, after: int) -> None:
        """As the model has it, encoded one by one."""
        names = events.step_names(build_id)
        expected = []
        for row in Event.objects.filter(build_id=build_id, seq__gt=after):
            data = row.body
            if row.kind == "log":
                told = {"step": names[row.step], "line": row.line, "text": row.body, "at": iso(row.at)}
                data = events.compact(told | ({"open": True} if row.open else {}))
            expected.append(frames.encode(row.seq, row.kind, data))
        source, got, cursor = BuildSource(build_id, 7), [], after
        while (found := source.behind(cursor)) and found.upto > cursor:
            self.assertEqual(b"".join(frame.body for frame in found.frames), found.body)
            self.assertEqual(len(found.frames), len(list(found.frames)))
            got += found.frames
            cursor = found.upto
        self.assertEqual([frame.body for frame in got], expected)
        self.assertEqual([frame.id for frame in got], list(range(after + 1, cursor + 1)))
        self.assertEqual({(frame.project, frame.key - frame.id) for frame in got}, {(7, 0)})

    def test_it_is_bounded_by_bytes_and_by_number(self) -> None:
        lease = live.running()
        for number in range(30):
            live.printed(lease, 1 + number * 4, *["x" * 16_000] * 4)
        found = BuildSource(lease.build_id, 1).behind(0)
        self.assertLess(len(found.body), 2 * sources.SLICE_TEXT)
        self.assertLess(found.upto, 16)
        events.append(lease, [Chunk(0, number, ["x"]) for number in range(121, 2_200)])
        aligned = BuildSource(lease.build_id, 1).behind(1024)
        self.assertEqual((aligned.upto, len(aligned.frames)), (2048, 1024))

    def test_one_read_a_slice_however_many_ask(self) -> None:
        """Of the database: a thousand viewers who are behind cost what one costs."""
        lease = live.running()
        events.append(lease, [Chunk(0, number, [f"line {number}"]) for number in range(1, 3_001)])
        source = BuildSource(lease.build_id, 1)
        source.behind(lease.head)  # it knows the steps by now
        asked, whole = [], source.behind

        def behind(cursor: int) -> Slice | None:
            with CaptureQueriesContext(connection) as captured:
                found = whole(cursor)
            asked.append(len(captured))
            return found

        async def one(kept: Pages) -> int:
            cursor = 0
            while cursor < 3_000:
                cursor = (await kept.ask(source, cursor)).upto
            return cursor

        async def crowd() -> list[int]:
            kept = Pages()
            return await asyncio.gather(*(one(kept) for _ in range(1_000)))

        async def here(function, *args):
            return function(*args)

        unsafe = patch.dict(os.environ, DJANGO_ALLOW_ASYNC_UNSAFE="1")
        with unsafe, patch.object(pages, "read", here), patch.object(source, "behind", behind):
            asyncio.run(crowd())
        self.assertEqual(asked, [1, 1, 1])

    def test_what_is_not_there_any_more_is_no_slice(self) -> None:
        lease = live.running()
        live.printed(lease, 1, "a", "b")
        Event.objects.filter(build_id=lease.build_id, seq__lte=2).delete()
        Build.objects.filter(pk=lease.build_id).update(horizon=3)
        self.assertIsNone(BuildSource(lease.build_id, 1).behind(0))
        self.assertEqual(BuildSource(lease.build_id, 1).behind(2).upto, lease.head)
