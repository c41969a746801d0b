"""A tail against a source that the test writes: what is asked of it, when, and what its viewers get."""

import asyncio
import random
import threading
from collections.abc import Callable
from itertools import count
from unittest.mock import patch

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.access import Standing
from builds.events import Extent
from builds.live import frames, sources, tail
from builds.live.frames import Frame, Slice
from builds.live.hub import Viewer
from builds.live.pages import Pages
from builds.live.sources import Page
from builds.live.tail import Tail

PAGE = 10


class Written:
    """A build's log in memory. `failing`: its reading fails; `reads`: how often it was read."""

    topic = "build.1"
    kind = "build"
    replaces = False

    def __init__(self, head: int = 0, size: int = 10) -> None:
        self.head = head
        self.size = size
        self.final = False
        self.failing = False
        self.reads: list[int] = []
        self.hold: threading.Event | None = None

    def extent(self) -> Extent:
        if self.failing:
            raise OSError("away")
        return Extent(1, self.head, self.final)

    def recent(self, extent: Extent) -> int:
        return max(extent.head - sources.PRELOAD, 0)

    def page(self, after: int) -> Page:
        if self.failing:
            raise OSError("away")
        if self.hold is not None:
            self.hold.wait(5)
        self.reads.append(after)
        last = min(after + PAGE, self.head)
        found = [Frame(n, n, 1, frames.encode(n, "log", "x" * self.size)) for n in range(after + 1, last + 1)]
        return Page(found, last, last < self.head)

    def behind(self, after: int) -> Slice:
        page = self.page(after)
        return Slice(page.frames, b"".join(frame.body for frame in page.frames), page.upto)


async def nothing_to_learn(projects: set[int]) -> None:
    pass


async def until(predicate: Callable[[], bool]) -> None:
    for _ in range(5_000):
        if predicate():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("this never came")


class Running:
    """A tail with its pump running, for as long as the block lasts."""

    def __init__(self, source: Written) -> None:
        self.tail = Tail(source, nothing_to_learn, Pages())

    async def __aenter__(self) -> Tail:
        self._pump = asyncio.create_task(self.tail.pump())
        await until(lambda: self.tail.is_open and self.tail.head == self.tail.source.head)
        return self.tail

    async def __aexit__(self, *error: object) -> None:
        self._pump.cancel()


def viewer(of: Tail, cursor: int = 0) -> Viewer:
    one = Viewer(of, Standing(1), cursor, "build", 1)
    of.viewers.add(one)
    return one


async def seen(one: Viewer, upto: int) -> list[int]:
    """The ids that it gets until it has `upto`, or the event that ends it."""
    got: list[int] = []
    while not got or got[-1] < upto:
        found = await asyncio.wait_for(one.next(5), 5)
        if not isinstance(found, Slice):
            raise AssertionError(f"{found!r} after {got}")
        got += [frame.id for frame in found.frames]
    return got


@tag("fast")
class TailTest(SimpleTestCase):
    async def test_a_viewer_gets_everything_whether_it_is_stored_in_memory_or_still_to_come(self) -> None:
        source = Written(head=300)
        async with Running(source) as one:
            self.assertEqual(one.floor, 300 - sources.PRELOAD)
            late, near = viewer(one, 0), viewer(one, 290)
            self.assertEqual(await seen(late, 300), list(range(1, 301)))
            self.assertEqual(await seen(near, 300), list(range(291, 301)))
            source.head = 320
            one.hear(320)
            self.assertEqual(await seen(late, 320), list(range(301, 321)))

    async def test_all_viewers_share_one_read_and_one_encoding(self) -> None:
        source = Written(head=5)
        async with Running(source) as one:
            viewers = [viewer(one, 5) for _ in range(20)]
            waiting = [asyncio.create_task(each.next(5)) for each in viewers]
            await asyncio.sleep(0)
            source.reads.clear()
            source.head = 8
            one.hear(8)
            got = await asyncio.gather(*waiting)
            self.assertEqual(source.reads, [5])
            self.assertEqual(len({id(each.body) for each in got}), 1)

    async def test_a_tail_whose_flushes_are_dear_rests_and_has_what_came_meanwhile_in_one(self) -> None:
        source = Written(head=5)
        async with Running(source) as one:
            with patch.object(tail.time, "thread_time", side_effect=count(0, 0.01).__next__):  # 10 ms for each flush
                await asyncio.sleep(0.1)
                source.reads.clear()
                began = asyncio.get_running_loop().time()
                for head in range(6, 206):
                    source.head = head
                    one.hear(head)
                    await asyncio.sleep(0.001)
                await until(lambda: one.head == 205)
                flushes = (asyncio.get_running_loop().time() - began) / (0.01 * tail.REST)
            self.assertLessEqual(len(source.reads), flushes + 205 / PAGE + 2, "not one for each that came")
            self.assertLessEqual(0.01 * tail.REST, tail.REST_SECONDS, "and none rests for long")

    async def test_a_page_of_the_store_is_read_once_and_survives_the_viewer_that_asked_first(self) -> None:
        source = Written(head=300)
        async with Running(source) as one:
            source.reads.clear()
            source.hold = threading.Event()
            viewers = [viewer(one, 0) for _ in range(5)]
            waiting = [asyncio.create_task(each.next(5)) for each in viewers]
            await asyncio.sleep(0.02)
            waiting[0].cancel()
            await asyncio.sleep(0)
            source.hold.set()
            got = await asyncio.gather(*waiting, return_exceptions=True)
            self.assertIsInstance(got[0], asyncio.CancelledError)
            self.assertEqual([each.upto for each in got[1:]], [PAGE] * 4)
            self.assertEqual(source.reads.count(0), 1)
            self.assertLessEqual(len(source.reads), 2, "and the next one, while this one is sent")

    async def test_memory_is_bounded_and_the_slow_one_falls_back_to_the_store(self) -> None:
        source = Written(size=100_000)
        with self.settings(BUILDBOARD_TAIL_KB=976):
            async with Running(source) as one:
                slow = viewer(one, 0)
                source.head = 100
                one.mark()
                await until(lambda: one.head == 100)
                self.assertEqual(one.floor, 91)
                self.assertEqual(await seen(slow, 100), list(range(1, 101)))

    async def test_a_slice_is_bounded_too(self) -> None:
        source = Written(head=20, size=100_000)
        async with Running(source) as one:
            found = one.after(0)
            self.assertLessEqual(len(found.body), tail.SLICE_BYTES)
            self.assertEqual(found.upto, 2)
        with patch.object(tail, "SLICE_EVENTS", 7), patch.object(tail, "SLICES", 3):
            async with Running(Written(head=20)) as one:
                reader = viewer(one, 0)
                self.assertEqual([(await reader.next(1)).upto for _ in range(3)], [7, 14, 20])
                for cursor in range(20):
                    one.after(cursor)
                    self.assertLessEqual(len(one._slices), 3)

    @settings(deadline=None, max_examples=20)
    @given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["wake", "lost", "stale"])), max_size=12))
    def test_no_tail_stays_silent_while_its_head_is_ahead(self, steps: list[tuple[int, str]]) -> None:
        """Wakes are lost, or come with an old hint; in the end there is only a look."""

        async def story() -> None:
            source = Written()
            async with Running(source) as one:
                reader = viewer(one)
                for count, wake in steps:
                    source.head += count
                    if wake != "lost":
                        one.hear(source.head if wake == "wake" else max(source.head - count, 0))
                    if random.random() < 0.5:
                        await asyncio.sleep(0)
                one.look(one.head, source.extent())
                if steps:
                    self.assertEqual(await seen(reader, source.head), list(range(1, source.head + 1)))
                source.final = True
                one.look(one.head, source.extent())
                self.assertEqual(await asyncio.wait_for(reader.next(5), 5), "end")

        asyncio.run(story())

    async def test_there_is_no_end_before_the_last_event_is_out(self) -> None:
        source = Written(head=3)
        async with Running(source) as one:
            reader = viewer(one, 3)
            source.head, source.final = 4, True
            one.look(one.head, source.extent())
            self.assertEqual(await seen(reader, 4), [4])
            self.assertEqual(await reader.next(1), "end")

    async def test_a_store_that_went_back_or_away_is_said(self) -> None:
        source = Written(head=9)
        async with Running(source) as one:
            reader = viewer(one, 9)
            one.look(9, Extent(1, 4, False))
            self.assertEqual(await reader.next(1), "reset")
        async with Running(Written(head=9)) as one:
            reader = viewer(one, 9)
            one.look(9, None)
            self.assertEqual(await reader.next(1), "denied")

    async def test_a_look_that_began_before_the_last_reading_takes_nothing_back(self) -> None:
        async with Running(Written(head=9)) as one:
            one.look(4, Extent(1, 4, False))
            self.assertFalse(one.rewound)

    async def test_what_cannot_be_read_for_long_is_a_problem_and_for_a_moment_is_not(self) -> None:
        source = Written(head=3)
        with (
            patch.object(tail, "FAILED_SECONDS", 0.01),
            patch.object(tail, "PROBLEM_SECONDS", 0.1),
            self.assertLogs("builds.live.tail"),
        ):
            async with Running(source) as one:
                reader = viewer(one, 3)
                source.failing = True
                one.mark()
                await asyncio.sleep(0.02)
                source.failing = False
                source.head = 4
                self.assertEqual(await seen(reader, 4), [4])
                source.failing = True
                one.mark()
                self.assertEqual(await asyncio.wait_for(reader.next(5), 5), "problem")

    async def test_a_cursor_below_the_horizon_is_void(self) -> None:
        async with Running(Written(head=9)) as one:
            one.extent = Extent(5, 9, False)
            self.assertTrue(one.is_void(3))
            self.assertFalse(one.is_void(4))

    async def test_silence_is_none_and_an_ending_wakes(self) -> None:
        async with Running(Written(head=9)) as one:
            reader = viewer(one, 9)
            self.assertIsNone(await reader.next(0.01))
            waiting = asyncio.create_task(reader.next(5))
            await asyncio.sleep(0)
            reader.end("restart")
            reader.end("denied")
            self.assertEqual(await waiting, "restart")
