"""How fast retention may go: small transactions, measured in time, and rests between them, so that appends keep their
speed. What was begun may be stopped between any two of them.
"""

import contextlib
import time
from collections.abc import Callable, Iterator

from django.db import connection

SQLITE = (0.0015, 20.0)
OTHERS = (0.020, 1.0)
"""Seconds that a batch should take, and how many times as long the rest after it is. On SQLite every writer waits for
a batch, since there is one lock, and one that found it taken sleeps a millisecond or more; elsewhere only processor and
disk are shared. `tests/bench/prune.py` measures what that costs."""
_FEWEST, _MOST = 8, 20_000
_LONGEST_REST = 2.0


class Stopped(Exception):
    """It was asked to end. What is done stays done, and the rest is for another time."""


class Pace:
    def __init__(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """`stopping`: whether to end; asked before every batch."""
        self._stopping = stopping
        self._aim, self._rest = SQLITE if connection.vendor == "sqlite" else OTHERS
        self.rows = 4 * _FEWEST
        """How many rows the next batch should delete."""

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """A short write: one transaction, or one statement. `Stopped` instead, where it is to end."""
        self.check()
        began = time.monotonic()
        yield
        self._pause((time.monotonic() - began) * self._rest)

    @contextlib.contextmanager
    def rows_batch(self) -> Iterator[int]:
        """A batch that deletes as many rows as it is given; how many the next one gets follows from what it took."""
        with self.batch():
            began = time.monotonic()
            yield self.rows
            fits = self._aim / max(time.monotonic() - began, 1e-6)
            self.rows = int(min(max(self.rows * min(max(fits, 0.25), 2.0), _FEWEST), _MOST))

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Work that locks nothing, and shares the processor fairly."""
        self.check()
        began = time.monotonic()
        yield
        self._pause(time.monotonic() - began)

    def _pause(self, seconds: float) -> None:
        time.sleep(min(seconds, _LONGEST_REST))

    def check(self) -> None:
        if self._stopping():
            raise Stopped
