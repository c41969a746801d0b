"""One viewer of a tail that the test writes: its bounds, and what it is told while the store cannot be read."""

import asyncio
from unittest.mock import Mock, patch

from django.db import OperationalError
from django.test import SimpleTestCase, override_settings, tag

from builds.live import frames, viewer
from builds.live import tail as tail_module
from builds.live.frames import Slice
from builds.live.sources import Page
from builds.live.viewer import Viewer
from tests.test_live_tail import Running, Written, seen, until
from tests.test_live_tail import viewer as watching


class Away(Written):
    """Its pages cannot be read while `away`."""

    away: type[Exception] | None = None

    def page(self, after: int) -> Page:
        if self.away is not None:
            raise self.away("no page")
        return super().page(after)


@tag("fast")
class BoundsTest(SimpleTestCase):
    async def test_it_ends_between_four_fifths_of_its_age_and_all_of_it(self) -> None:
        with self.settings(BUILDBOARD_MAX_STREAM_SECONDS=600):
            async with Running(Written(head=1)) as tail:
                now = asyncio.get_running_loop().time()
                ends = [watching(tail)._until - now for _ in range(500)]
        self.assertGreaterEqual(min(ends), 480)
        self.assertLessEqual(max(ends), 600.5)
        self.assertGreater(max(ends) - min(ends), 60, "those who came together leave one after the other")
        with self.settings(BUILDBOARD_MAX_STREAM_SECONDS=0.05):
            async with Running(Written(head=1)) as tail:
                self.assertEqual(await watching(tail, 1).next(5), "restart")

    @override_settings(BUILDBOARD_MAX_STREAM_MB=1)
    async def test_it_ends_when_it_has_sent_so_much_and_whoever_comes_back_gets_the_rest(self) -> None:
        size = len(frames.encode(1, "log", "x" * 100_000))
        async with Running(Written(head=30, size=100_000)) as tail:
            got: list[int] = []
            for _ in range(2):
                one, sent = watching(tail, got[-1] if got else 0), 0
                while isinstance(found := await one.next(5), Slice):
                    sent += len(found.body)
                    got += [frame.id for frame in found.frames]
                self.assertEqual(found, "restart")
                self.assertGreaterEqual(sent, 2**20)
                self.assertLess(sent, 2**20 + 10 * size, "one page beyond it at most")
            self.assertEqual(got + await seen(watching(tail, got[-1]), 30), list(range(1, 31)))

    @override_settings(BUILDBOARD_MAX_STREAM_MB=1, BUILDBOARD_MAX_STREAM_SECONDS=0.01)
    async def test_text_that_is_followed_has_neither_bound_since_it_cannot_resume(self) -> None:
        async with Running(Written(head=30, size=100_000)) as tail:
            one = Viewer(tail, watching(tail).standing, 0, "text", 1)
            await asyncio.sleep(0.02)
            self.assertEqual(await seen(one, 30), list(range(1, 31)))


@tag("fast")
class AwayTest(SimpleTestCase):
    def setUp(self) -> None:
        self.enterContext(self.settings(BUILDBOARD_MAX_STREAM_SECONDS=600))
        self.addCleanup(setattr, viewer, "PAGE_AGAIN_SECONDS", viewer.PAGE_AGAIN_SECONDS)
        viewer.PAGE_AGAIN_SECONDS = (0.01, 0.02)

    async def test_one_who_waits_for_a_page_hears_of_time_and_goes_on_when_the_store_is_back(self) -> None:
        async with Running(source := Away(head=300)) as tail:
            one = watching(tail, 0)
            source.away = OperationalError
            waiting = asyncio.create_task(one.next(0.1))
            self.assertIsNone(await asyncio.wait_for(waiting, 10), "a ping is due")
            self.assertIsNone(await one.next(0.1))
            source.away = None
            self.assertEqual(await seen(one, 300), list(range(1, 301)))

    async def test_one_who_waits_for_a_page_can_be_told_to_end(self) -> None:
        async with Running(source := Away(head=300)) as tail:
            source.away = OperationalError
            waiting = asyncio.create_task(watching(tail, 0).next(60))
            await asyncio.sleep(0.05)
            for each in tail.viewers:
                each.end("restart")
            self.assertEqual(await asyncio.wait_for(waiting, 5), "restart")

    async def test_a_page_that_fails_for_another_reason_is_a_problem(self) -> None:
        async with Running(source := Away(head=300)) as tail:
            source.away = KeyError
            with self.assertLogs("builds.live.viewer"):
                self.assertEqual(await watching(tail, 0).next(5), "problem")

    async def test_that_it_is_stale_is_told_once_and_that_it_is_no_longer_once(self) -> None:
        async with Running(Written(head=9)) as tail:
            one = watching(tail, 9)
            waiting = asyncio.create_task(one.next(60))
            await asyncio.sleep(0)
            for _ in range(3):
                tail.tell_stale(asyncio.get_running_loop().time() - 7)
            self.assertIsNone(await asyncio.wait_for(waiting, 5))
            self.assertEqual(tail.stale, 7)
            waiting = asyncio.create_task(one.next(0.05))
            tail.tell_stale(asyncio.get_running_loop().time() - 8)
            self.assertIsNone(await asyncio.wait_for(waiting, 5))
            waiting = asyncio.create_task(one.next(60))
            await asyncio.sleep(0)
            tail.tell_stale(None)
            self.assertIsNone(await asyncio.wait_for(waiting, 5))
            self.assertIsNone(tail.stale)


class Client:
    """What a viewer's push leads to. `takes`: whether it takes what it is sent."""

    def __init__(self, one: Viewer) -> None:
        self.takes = True
        self.got: list[bytes] = []
        one.push = self.push

    def push(self, body: bytes) -> bool:
        if self.takes:
            self.got.append(body)
        return self.takes

    @property
    def ids(self) -> list[int]:
        return [frames.fields(one + b"\n\n")[0] for body in self.got for one in body.split(b"\n\n") if one]


@tag("fast")
class PushTest(SimpleTestCase):
    """What a tail hands to viewers that wait, without waking them."""

    async def test_news_are_pushed_to_one_who_waits_and_its_waiting_goes_on(self) -> None:
        async with Running(source := Written(head=9)) as tail:
            client = Client(one := watching(tail, 9))
            waiting = asyncio.create_task(one.next(60))
            for head in (10, 12, 15):
                source.head = head
                tail.hear(head)
                await until(lambda head=head: one.cursor == head)
            self.assertFalse(waiting.done())
            self.assertEqual(client.ids, [10, 11, 12, 13, 14, 15])
            one.end("restart")
            self.assertEqual(await waiting, "restart")

    async def test_one_whose_client_takes_nothing_just_now_pulls_and_nothing_is_lost_or_doubled(self) -> None:
        async with Running(source := Written(head=9)) as tail:
            client = Client(one := watching(tail, 9))
            client.takes = False
            pulled: list[int] = []
            for head in range(10, 40):
                client.takes = head % 3 == 0
                waiting = asyncio.create_task(one.next(60))
                await asyncio.sleep(0)
                source.head = head
                tail.hear(head)
                await until(lambda head=head: one.cursor == head)
                if client.takes:
                    waiting.cancel()
                else:
                    pulled += [frame.id for frame in (await waiting).frames]
            self.assertEqual(client.ids, [head for head in range(10, 40) if head % 3 == 0])
            self.assertEqual(sorted(client.ids + pulled), list(range(10, 40)))

    async def test_one_who_is_not_waiting_is_pushed_nothing(self) -> None:
        async with Running(source := Written(head=9)) as tail:
            client = Client(one := watching(tail, 9))
            source.head = 12
            tail.hear(12)
            await until(lambda: tail.head == 12)
            await asyncio.sleep(0.01)
            self.assertEqual((client.got, await seen(one, 12)), ([], [10, 11, 12]))

    async def test_what_is_pushed_is_at_most_a_slice_and_the_rest_is_pulled(self) -> None:
        async with Running(source := Written(head=1, size=100_000)) as tail:
            client = Client(one := watching(tail, 1))
            waiting = asyncio.create_task(one.next(60))
            await asyncio.sleep(0)
            source.head = 8
            tail.hear(8)
            pulled = [frame.id for frame in (await waiting).frames]
            self.assertLessEqual(max(map(len, client.got)), tail_module.SLICE_BYTES)
            self.assertEqual(client.ids + pulled, list(range(2, one.cursor + 1)))
            self.assertGreater(len(pulled), 0)

    async def test_silence_begins_anew_with_what_is_pushed(self) -> None:
        async with Running(source := Written(head=1)) as tail:
            Client(one := watching(tail, 1))
            waiting = asyncio.create_task(one.next(0.4))
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(0.2)
            source.head = 2
            tail.hear(2)
            self.assertIsNone(await asyncio.wait_for(waiting, 10))
            self.assertGreaterEqual(asyncio.get_running_loop().time() - began, 0.59)

    async def test_the_last_event_of_a_build_is_pushed_and_its_end_is_said(self) -> None:
        async with Running(source := Written(head=1)) as tail:
            client = Client(one := watching(tail, 1))
            waiting = asyncio.create_task(one.next(60))
            await asyncio.sleep(0)
            source.head, source.final = 2, True
            tail.hear(2)
            self.assertEqual(await asyncio.wait_for(waiting, 5), "end")
            self.assertEqual(client.ids, [2])

    async def test_one_who_may_see_a_part_is_pushed_that_part(self) -> None:
        async with Running(source := Written(head=1)) as tail:
            client = Client(one := watching(tail, 1))
            one.project = None
            waiting = asyncio.create_task(one.next(60))
            for head, visible in ((2, {1}), (3, {7}), (4, {1})):
                await asyncio.sleep(0)
                one.visible = frozenset(visible)
                source.head = head
                tail.hear(head)
                await until(lambda head=head: one.cursor == head)
            self.assertFalse(waiting.done())
            self.assertEqual(client.ids, [2, 4])
            waiting.cancel()

    @override_settings(BUILDBOARD_MAX_STREAM_MB=1)
    async def test_what_is_pushed_counts_and_ends_a_stream_that_has_sent_its_fill(self) -> None:
        async with Running(source := Written(head=1, size=300_000)) as tail:
            client = Client(one := watching(tail, 1))
            waiting = asyncio.create_task(one.next(60))
            for head in range(2, 9):
                await asyncio.sleep(0)
                source.head = head
                tail.hear(head)
                await until(lambda head=head: tail.head == head)
            self.assertEqual(await asyncio.wait_for(waiting, 5), "restart")
            self.assertEqual(client.ids, [2, 3, 4, 5])

    async def test_one_whose_connection_fails_pulls_and_those_behind_it_are_handed_theirs(self) -> None:
        async with Running(source := Written(head=1)) as tail:
            clients = [Client(watching(tail, 1)) for _ in range(9)]
            broken = list(tail.viewers)[4]
            broken.push = Mock(side_effect=RuntimeError("the handler is closed"))
            waiting = {one: asyncio.create_task(one.next(60)) for one in tail.viewers}
            for head in (2, 3):
                await asyncio.sleep(0)
                source.head = head
                tail.hear(head)
                await until(lambda head=head: tail.head == head)
                await asyncio.sleep(0.01)
            self.assertEqual(sorted(client.ids for client in clients), [[], *([[2, 3]] * 8)])
            self.assertEqual([frame.id for frame in (await waiting[broken]).frames], [2])
            for task in waiting.values():
                task.cancel()

    async def test_many_are_handed_news_in_turns_that_others_have_between(self) -> None:
        async with Running(source := Written(head=1)) as tail:
            clients = [Client(watching(tail, 1)) for _ in range(200)]
            waiting = [asyncio.create_task(one.next(60)) for one in tail.viewers]
            await asyncio.sleep(0)
            turns = 0
            with patch.object(tail_module, "TURN_SECONDS", 0):
                source.head = 2
                tail.hear(2)
                while not all(client.got for client in clients):
                    turns += any(client.got for client in clients)
                    await asyncio.sleep(0)
            self.assertGreater(turns, 200 // tail_module.TOGETHER - 2)
            self.assertEqual([client.ids for client in clients], [[2]] * 200)
            for one in waiting:
                one.cancel()


@tag("fast")
class NewestStatesTest(SimpleTestCase):
    async def test_a_tail_that_is_behind_what_the_store_was_seen_to_have_is_waited_for(self) -> None:
        """Else the stream of a board would begin with states that have been overtaken."""
        source = Written(head=2)
        source.replaces = True
        async with Running(source) as tail:
            one = Viewer(tail, watching(tail).standing, 0, "board", 1, head=3)
            with patch.object(viewer, "OPENING_SECONDS", 0.05):
                self.assertIsNone(await one.next(0.01))
            source.head = 3
            tail.hear(3)
            self.assertEqual([frame.id for frame in (await one.next(5)).frames], [1, 2, 3])
