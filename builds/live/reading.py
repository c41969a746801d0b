"""The few threads that read the database for the live wing, however many watch.

A thread keeps its connection while it has work, and gives it back, and ends, after a rest: an idle board holds neither.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connections

from .. import worlds

THREADS = 2
IDLE_SECONDS = 5.0
AWAY_SECONDS = 1.0
"""For so long after a failed read nobody else waits for a database that is away."""

P = ParamSpec("P")
R = TypeVar("R")


async def read(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of a plain function that reads the database, run on one of the threads. It must not write.

    A connection that had gone stale is replaced and the function called once more.
    """
    return await asyncio.wrap_future(_readers.submit(lambda: function(*args, **kwargs)))


async def read_in_bulk(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The same on a thread of its own: downloads of whole logs wait for each other, and no stream waits for them."""
    return await asyncio.wrap_future(_bulk_readers.submit(lambda: function(*args, **kwargs)))


def is_away() -> bool:
    """Whether a read failed a moment ago, because the database could not be reached."""
    return time.monotonic() - _readers.failed_at < AWAY_SECONDS


class _Readers:
    def __init__(self, name: str = "live-reader", most: int | None = None) -> None:
        """`most`: how many threads, `THREADS` where it is not given."""
        self._name = name
        self._most = most
        self.failed_at = -AWAY_SECONDS
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[tuple[Future, Callable[[], Any]]] = queue.SimpleQueue()
        self._threads = 0
        self._pending = 0
        """Jobs that are not done."""

    def submit(self, function: Callable[[], R]) -> "Future[R]":
        future: Future[R] = Future()
        with self._lock:
            self._pending += 1
            self._jobs.put((future, function))
            if self._threads < min(self._pending, self._most or THREADS):
                self._threads += 1
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
        return future

    def _run(self) -> None:
        while True:
            try:
                future, function = self._jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                connections.close_all()  # first: whoever takes this one's place has the only connection again
                with self._lock:
                    if not self._jobs.empty():
                        continue
                    self._threads -= 1
                return
            if future.set_running_or_notify_cancel():
                self._call(future, function)
            del future, function
            with self._lock:
                self._pending -= 1

    def _call(self, future: Future, function: Callable[[], Any]) -> None:
        worlds.leave_replaced()
        fresh = not any(connection.connection for connection in connections.all(initialized_only=True))
        try:
            try:
                result = function()
            except (OperationalError, InterfaceError):
                connections.close_all()
                if fresh:
                    raise
                result = function()
        except BaseException as error:
            if isinstance(error, OperationalError | InterfaceError):
                self.failed_at = time.monotonic()
            connections.close_all()
            future.set_exception(error)
        else:
            future.set_result(result)


_readers = _Readers()
_bulk_readers = _Readers("log-reader", 1)
