"""The few threads that read the database for the live wing, however many watch.

A thread keeps its connection while it has work, and gives it back, and ends, after a rest: an idle board holds neither.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, ParamSpec, TypeVar

from django.db import OperationalError, connections

from buildboard.presence import AWAY, database

from .. import worlds

THREADS = 2
IDLE_SECONDS = 5.0
AWAY_SECONDS = 1.0
"""For so long after a failed read nobody else waits for a database that is away."""
STUCK_SECONDS = 5.0
"""Readings of which none has ended for so long are stuck."""

P = ParamSpec("P")
R = TypeVar("R")


async def read(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of a plain function that reads the database, run on one of the threads. It must not write.

    A connection that had gone stale is replaced and the function called once more. One of `AWAY`: at once, where the
    database is known to be away.
    """
    return await _read(_readers, 0, lambda: function(*args, **kwargs))


async def read_later(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The same, in turn with those who `read`: a thousand who come back at once are not before those who are there."""
    return await _read(_readers, 1, lambda: function(*args, **kwargs))


async def read_in_bulk(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The same on a thread of its own: downloads of whole logs wait for each other, and no stream waits for them."""
    return await _read(_bulk_readers, 0, lambda: function(*args, **kwargs))


async def read_file(function: Callable[[], R]) -> R:
    """The same for what is in no database: a storage that hangs holds up nobody but whoever waits for files."""
    return await asyncio.wrap_future(_file_readers.submit(function))


def is_away() -> bool:
    """Whether the database is known to be away, a read failed a moment ago because it was, or reads are stuck."""
    return database.is_away or time.monotonic() - _readers.failed_at < AWAY_SECONDS or _readers.is_stuck()


def answered_at() -> float:
    """When the database last answered a read (monotonic time)."""
    return _readers.answered_at


async def _read(readers: "_Readers", line: int, function: Callable[[], R]) -> R:
    if database.is_away:
        raise OperationalError("the database is away")
    return await asyncio.wrap_future(readers.submit(function, line))


class _Job(NamedTuple):
    future: Future
    function: Callable[[], Any]


class _Readers:
    def __init__(self, name: str = "live-reader", most: int | None = None) -> None:
        """`most`: how many threads, `THREADS` where it is not given."""
        self._name = name
        self._most = most
        self.failed_at = -AWAY_SECONDS
        self.answered_at = time.monotonic()
        self._changed = threading.Condition()
        self._lines: tuple[deque[_Job], deque[_Job]] = (deque(), deque())
        self._served = 1
        """The line whose turn was last."""
        self._threads = 0
        self._pending = 0
        """Jobs that are not done."""
        self._moved_at = 0.0
        """When one was last done, or the first of them came."""

    def submit(self, function: Callable[[], R], line: int = 0) -> "Future[R]":
        """`line`: 0 or 1; where both have jobs, they are served in turn."""
        future: Future[R] = Future()
        with self._changed:
            if not self._pending:
                self._moved_at = time.monotonic()
            self._pending += 1
            self._lines[line].append(_Job(future, function))
            if self._threads < min(self._pending, self._most or THREADS):
                self._threads += 1
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
            self._changed.notify()
        return future

    def is_stuck(self) -> bool:
        return self._pending > 0 and time.monotonic() - self._moved_at > STUCK_SECONDS

    def _run(self) -> None:
        while True:
            job = self._next(IDLE_SECONDS)
            if job is None:
                connections.close_all()  # first: whoever takes this one's place has the only connection again
                with self._changed:
                    if any(self._lines):
                        continue
                    self._threads -= 1
                return
            if job.future.set_running_or_notify_cancel():
                self._call(job.future, job.function)
            del job
            with self._changed:
                self._pending -= 1
                self._moved_at = time.monotonic()

    def _next(self, seconds: float) -> _Job | None:
        """None: there was none for so long."""
        with self._changed:
            if not self._changed.wait_for(lambda: any(self._lines), seconds):
                return None
            turn = 1 - self._served
            self._served = turn if self._lines[turn] else 1 - turn
            return self._lines[self._served].popleft()

    def _call(self, future: Future, function: Callable[[], Any]) -> None:
        worlds.leave_replaced()
        fresh = not any(connection.connection for connection in connections.all(initialized_only=True))
        try:
            try:
                result = function()
            except AWAY:
                connections.close_all()
                if fresh:
                    raise
                result = function()
        except BaseException as error:
            if isinstance(error, AWAY):
                self.failed_at = time.monotonic()
            else:
                self.answered_at = time.monotonic()
            future.set_exception(error)  # first: whoever waits for it must not wait for ever
            with contextlib.suppress(Exception):
                connections.close_all()
        else:
            self.answered_at = time.monotonic()
            future.set_result(result)


_readers = _Readers()
_bulk_readers = _Readers("log-reader", 1)
_file_readers = _Readers("file-reader", 4)
