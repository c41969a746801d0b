import asyncio
import threading
import time
from functools import partial
from unittest.mock import patch

from django.db import OperationalError, connection
from django.test import SimpleTestCase, TransactionTestCase, tag

from builds.live import reading
from builds.models import Board
from tests.support.processes import eventually


def readers(name: str = "live-reader") -> int:
    return sum(thread.name == name for thread in threading.enumerate())


@tag("fast")
class ReadingTest(SimpleTestCase):
    async def test_however_many_ask_there_are_few_threads(self) -> None:
        names = await asyncio.gather(*[reading.read(self._slowly) for _ in range(40)])
        self.assertLessEqual(len(set(names)), reading.THREADS)
        # One that rests since an earlier test may be about to end.
        eventually(lambda: readers() <= reading.THREADS, 5, "there are too many threads")

    @staticmethod
    def _slowly() -> int:
        time.sleep(0.002)
        return threading.get_ident()

    async def test_an_error_is_the_callers_and_the_thread_goes_on(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            await reading.read(lambda: 1 // 0)
        self.assertFalse(reading.is_away())
        self.assertEqual(await reading.read(max, 3, 4), 4)

    async def test_whoever_stops_waiting_takes_only_itself_away(self) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def held() -> str:
            begun.set()
            go_on.wait(5)
            return "read"

        waiting = asyncio.create_task(reading.read(held))
        await asyncio.sleep(0.01)
        waiting.cancel()
        go_on.set()
        with self.assertRaises(asyncio.CancelledError):
            await waiting
        self.assertEqual(await reading.read(lambda: "next"), "next")

    async def test_a_download_holds_up_no_stream(self) -> None:
        go_on = threading.Event()
        downloads = [asyncio.create_task(reading.read_in_bulk(go_on.wait, 10)) for _ in range(5)]
        self.assertEqual(await reading.read(lambda: "live"), "live")
        self.assertEqual([task.done() for task in downloads], [False] * 5)
        go_on.set()
        self.assertEqual(await asyncio.gather(*downloads), [True] * 5)


@tag("fast")
class LinesTest(SimpleTestCase):
    def test_two_lines_are_served_in_turn(self) -> None:
        own, begun, go_on, served = reading._Readers("in-turn", 1), threading.Event(), threading.Event(), []
        own.submit(lambda: (begun.set(), go_on.wait(5)))
        begun.wait(5)
        jobs = [own.submit(partial(served.append, "late"), 1) for _ in range(50)]
        jobs += [own.submit(partial(served.append, "live")) for _ in range(3)]
        go_on.set()
        for job in jobs:
            job.result(5)
        self.assertLess(max(place for place, name in enumerate(served) if name == "live"), 8)
        self.assertEqual((len(served), served[-1]), (53, "late"))

    def test_reads_of_which_none_ends_are_stuck_and_a_line_that_moves_is_not(self) -> None:
        own, go_on = reading._Readers("stuck", 1), threading.Event()
        with patch.object(reading, "STUCK_SECONDS", 0.2):
            held = [own.submit(partial(time.sleep, 0.05)) for _ in range(12)]
            for job in held:
                job.result(5)
                self.assertFalse(own.is_stuck())
            held = [own.submit(partial(go_on.wait, 5)), own.submit(time.monotonic)]
            eventually(own.is_stuck, 5)
            go_on.set()
            for job in held:
                job.result(5)
        self.assertFalse(own.is_stuck())

    def test_a_connection_that_cannot_be_closed_ends_no_reader(self) -> None:
        own = reading._Readers("unclosed", 1)
        with patch.object(reading.connections, "close_all", side_effect=RuntimeError("it is broken")):
            failed = own.submit(partial(int, "x"))
            self.assertIsInstance(failed.exception(5), ValueError)
            self.assertEqual(own.submit(partial(int, "7")).result(5), 7)

    async def test_a_database_that_is_known_to_be_away_is_not_asked(self) -> None:
        asked = []
        with patch.object(reading.database, "is_away", True):
            for read in (reading.read, reading.read_later, reading.read_in_bulk):
                with self.assertRaises(OperationalError):
                    await read(asked.append, 1)
            self.assertTrue(reading.is_away())
        self.assertEqual(asked, [])


class ConnectionsTest(TransactionTestCase):
    def setUp(self) -> None:
        self.addCleanup(setattr, reading._readers, "failed_at", -reading.AWAY_SECONDS)

    async def test_a_stale_connection_is_replaced(self) -> None:
        calls = []

        def once_stale() -> int:
            calls.append(connection.connection is not None)
            if len(calls) == 1:
                raise OperationalError("the server closed the connection unexpectedly")
            return Board.get().pk

        # One thread of its own: those of other tests may still rest, each with a connection or without.
        own = reading._Readers("reader-of-its-own")
        with patch.multiple(reading, THREADS=1, _readers=own, IDLE_SECONDS=0.1):
            await reading.read(Board.get)
            self.assertEqual(await reading.read(once_stale), 1)
            while own._threads:  # noqa: ASYNC110 - no event tells the end of a thread
                await asyncio.sleep(0.01)
        self.assertEqual(calls, [True, False])
        self.assertFalse(reading.is_away())

    async def test_a_database_that_stays_away_is_remembered_for_a_moment(self) -> None:
        def away() -> None:
            raise OperationalError("connection refused")

        with self.assertRaises(OperationalError):
            await reading.read(away)
        self.assertTrue(reading.is_away())

    def test_threads_and_connections_go_when_there_is_nothing_to_read(self) -> None:
        name = "reader-that-rests"
        own = reading._Readers(name)
        with patch.object(reading, "IDLE_SECONDS", 0.05):
            self.assertEqual(own.submit(Board.get).result(5).pk, 1)
            self.assertEqual(readers(name), 1)
            eventually(lambda: readers(name) == 0, 5, "the thread stays")
            self.assertEqual(own.submit(Board.get).result(5).pk, 1)
