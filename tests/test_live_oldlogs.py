"""Streams, polls and texts of builds whose log was compacted or pruned, before, after and while they are read."""

from random import Random
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import transaction
from django.test import AsyncClient, TransactionTestCase
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyCase

from buildboard.terminal.style import plain
from builds import blocks, cuts, events, printed, retention
from builds.access import new_token
from builds.events import Fact
from builds.live.sources import BuildSource
from builds.live.text import CutShort, Stored
from builds.models import Build, Event, iso
from builds.retention import Pace
from tests import live
from tests.oldlogs import as_text, drafts, everything, hurried, long_log, over


def stored(build_id: int) -> Stored:
    """A download of the whole log with colours, that has not begun."""
    return Stored(build_id, events.extent(build_id), keeps_styling=True)


def read_on(download: Stored) -> str:
    """What is left of it."""
    found = b""
    while (part := download.next()) is not None:
        found += part
    return found.decode()


@hurried
class TextPropertyTests(PropertyCase):
    @settings(max_examples=60, deadline=None)
    @given(drafts(), st.sampled_from([1, 40, blocks.BLOCK_BYTES]), st.integers(0, 6), st.sampled_from([1, 60, 10**6]))
    def test_the_text_is_the_same_wherever_in_it_the_log_is_compacted(
        self, log: list, size: int, parts_before: int, part_bytes: int
    ) -> None:
        build_id = over(log, slug=f"p{Build.objects.count()}")
        whole = as_text(build_id)
        begun, not_begun = stored(build_id), stored(build_id)
        with (
            patch.object(blocks, "BLOCK_BYTES", size),
            patch("builds.live.text.PART_BYTES", part_bytes),
        ):
            self.assertEqual(read_on(stored(build_id)), whole)
            before = b"".join(begun.next() or b"" for _ in range(parts_before)).decode()
            retention.compact(build_id, Pace())
            self.assertEqual(before + read_on(begun), whole)
            self.assertEqual(read_on(not_begun), whole)
            self.assertEqual(read_on(stored(build_id)), whole)

    @settings(max_examples=60, deadline=None)
    @given(drafts(), st.randoms(), st.sampled_from([1, 40, blocks.BLOCK_BYTES]))
    def test_a_log_that_was_cut_is_the_same_once_it_is_compacted(self, log: list, dice: Random, size: int) -> None:
        log = [draft for draft in log if not (isinstance(draft, Fact) and draft.kind == "cut")]
        build_id = over(log, slug=f"p{Build.objects.count()}")
        head = Build.objects.get(pk=build_id).head
        first = dice.randint(2, head)
        with transaction.atomic():
            cuts.replace(build_id, first, dice.randint(first, max(head - 1, first)), ["one", "two"], "It was long.")
        lines, text = everything(build_id), read_on(stored(build_id))
        totals = [printed.total_lines(build_id, step) for step in (0, 1)]
        begun = stored(build_id)
        with patch.object(blocks, "BLOCK_BYTES", size), patch("builds.live.text.PART_BYTES", 60):
            before = (begun.next() or b"").decode()
            retention.compact(build_id, Pace())
            self.assertEqual(everything(build_id), lines)
            self.assertEqual(read_on(stored(build_id)), text)
            self.assertEqual(before + read_on(begun), text)
        self.assertEqual([printed.total_lines(build_id, step) for step in (0, 1)], totals)


@hurried
class OldLogsTests(TransactionTestCase):
    def setUp(self) -> None:
        self.headers = {"authorization": f"Bearer {new_token(User.objects.create_user('alice'))}"}

    async def get(self, path: str, cursor: str | None = None, **query: object):
        headers = self.headers | ({"last-event-id": cursor} if cursor is not None else {})
        return await AsyncClient().get(path, query, headers=headers)

    async def body(self, path: str, cursor: str | None = None, **query: object) -> str:
        response = await self.get(path, cursor, **query)
        self.assertEqual(response.status_code, 200)
        return b"".join([part async for part in response.streaming_content]).decode()

    async def test_a_log_is_read_in_every_state_of_a_build(self) -> None:
        for follow in (0, 1):
            for compacted in (False, True):
                build_id = await sync_to_async(over)(long_log(), slug=f"p{follow}{compacted}")
                path = f"/builds/{build_id}/log.txt"
                whole = await sync_to_async(as_text)(build_id)
                if compacted:
                    await sync_to_async(retention.compact)(build_id, Pace())
                self.assertEqual(await self.body(path, ansi=1, follow=follow), whole)
                self.assertEqual(await self.body(path, follow=follow), plain(whole))
                await sync_to_async(retention.prune)(build_id, "90 days after it ended", Pace())
                said = await self.body(path, follow=follow)
                self.assertRegex(
                    said, r"^\[Its log was pruned on .*, 90 days after it ended: 3,003 lines, .* kB\.\]\n$"
                )
        silent = await sync_to_async(over)(slug="silent")
        await sync_to_async(retention.compact)(silent, Pace())
        self.assertEqual(await self.body(f"/builds/{silent}/log.txt"), "")

    async def test_lines_by_number_come_from_the_blocks_and_what_is_pruned_is_said(self) -> None:
        build_id = await sync_to_async(over)(long_log())
        path = f"/builds/{build_id}/log/"
        asked = [{"step": "one", "from": 990, "to": 1010}, {"step": "two"}, {"step": "one", "from": 2999, "to": 4000}]
        before = [(await self.get(path, **query)).json() for query in asked]
        await sync_to_async(retention.compact)(build_id, Pace())
        after = [(await self.get(path, **query)).json() for query in asked]
        self.assertEqual(after, before)
        self.assertEqual(after[1]["lines"][1:8], [None] * 7, "those that the cut stands for")
        self.assertTrue(after[1]["open"])
        await sync_to_async(retention.prune)(build_id, "why", Pace())
        found = (await self.get(path, step="one")).json()
        self.assertEqual((found["lines"], found["total"], found["open"]), ([], 0, False))
        self.assertEqual(found["pruned_at"], iso((await Build.objects.aget(pk=build_id)).pruned_at))

    async def test_a_cursor_below_the_horizon_gets_reset_and_a_page_that_loads_again_needs_no_stream(self) -> None:
        for verb in (retention.compact, lambda build_id, pace: retention.prune(build_id, "why", pace)):
            build_id = await sync_to_async(over)(long_log(3), slug=f"p{id(verb)}")
            before = (await sync_to_async(events.extent)(build_id)).head
            await sync_to_async(verb)(build_id, Pace())
            extent = await sync_to_async(events.extent)(build_id)
            for cursor in ("0", "1", str(extent.horizon - 2)):
                stream = await self.body(f"/builds/{build_id}/events/", cursor)
                self.assertIn("event: reset", stream)
                self.assertNotIn("id: ", stream)
                poll = await self.body(f"/builds/{build_id}/events.json", after=cursor)
                self.assertIn('"reset": true', poll)
            # The page that is loaded then has the head as its cursor: nothing to send, and a browser comes no more.
            self.assertEqual((await self.get(f"/builds/{build_id}/events/", after=extent.head)).status_code, 204)
            self.assertGreaterEqual(extent.head, before)

    async def test_without_a_cursor_a_stream_has_all_that_is_stored(self) -> None:
        build_id = await sync_to_async(over)(long_log(3))
        path = f"/builds/{build_id}/events/"
        self.assertIn("\nid: 1\n", await self.body(path))
        await sync_to_async(retention.compact)(build_id, Pace())
        stream = await self.body(path)
        head = (await sync_to_async(events.extent)(build_id)).head
        self.assertEqual(stream.count("\nid: "), 1)
        self.assertIn(f"\nid: {head}\nevent: build\n", stream)
        self.assertIn("event: end", stream)
        self.assertIn(f'"id":{head},', await self.body(f"/builds/{build_id}/events.json"))

    async def test_a_viewer_whose_events_are_deleted_meanwhile_is_told_so_and_gets_none_past_a_hole(self) -> None:
        build_id = await sync_to_async(over)(long_log(300, 2))
        response = await self.get(f"/builds/{build_id}/events/", "0")
        parts = aiter(response.streaming_content)
        await anext(parts)
        got = await anext(parts)
        await sync_to_async(retention.compact)(build_id, Pace())
        got += b"".join([part async for part in parts])
        ids = [int(line[4:]) for line in got.decode().splitlines() if line.startswith("id: ")]
        self.assertEqual(ids, list(range(1, len(ids) + 1)))
        last = (await sync_to_async(events.extent)(build_id)).head
        self.assertTrue("event: reset" in got.decode() or ids[-1] == last)

    def test_a_download_that_is_overtaken_by_pruning_is_no_orderly_end(self) -> None:
        with patch.object(blocks, "BLOCK_BYTES", 20_000), patch("builds.live.text.PART_BYTES", 20_000):
            for compacted in (False, True):
                build_id = over(long_log(), slug=f"p{compacted}")
                if compacted:
                    retention.compact(build_id, Pace())
                download = stored(build_id)
                self.assertTrue(download.next())
                retention.prune(build_id, "why", Pace())
                with self.assertRaises(CutShort):
                    read_on(download)
            build_id = over(long_log(), slug="deleted")
            download = stored(build_id)
            download.next()
            Build.objects.filter(pk=build_id).delete()
            with self.assertRaises(CutShort):
                read_on(download)

    def test_a_download_is_flat_in_memory_whatever_the_size_of_the_log(self) -> None:
        build_id = over(long_log(300))
        with patch.object(blocks, "BLOCK_BYTES", 20_000):
            retention.compact(build_id, Pace())
        download = stored(build_id)
        sizes = []
        while (part := download.next()) is not None:
            sizes.append(len(part))
        self.assertGreater(sum(sizes), 1_000_000)
        self.assertLess(max(sizes), 30_000)

    def test_a_hole_that_nobody_announced_is_read_over_as_before(self) -> None:
        lease = live.running()
        live.printed(lease, 1, "a")
        live.printed(lease, 2, "b")
        Event.objects.filter(build_id=lease.build_id, seq=4).delete()
        self.assertEqual([frame.id for frame in BuildSource(lease.build_id, 1).page(0).frames], [1, 2, 3, 5])
