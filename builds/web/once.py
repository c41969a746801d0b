"""What is worked out once for all who ask, by one thread at a time, and is not waited for by many."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_NOTHING: Any = object()


class Busy(Exception):
    """It was not this one's turn in time: ask again in some seconds."""


class Once(Generic[T]):
    """A function whose answers are kept, the newest `keep` of them. Its arguments are hashable, and go by position.

    Who asks for what is not there yet waits for `seconds` at most, and `waiting` do at a time: each of them holds a
    place that other pages need. Whoever else asks, or has waited for so long, gets `Busy`.
    """

    def __init__(self, work: Callable[..., T], *, keep: int, seconds: float, waiting: int) -> None:
        self._work = work
        self._keep = keep
        self._seconds = seconds
        self._places = threading.BoundedSemaphore(1 + waiting)
        self._turn = threading.Lock()
        self._found: dict[tuple[Hashable, ...], T] = {}

    def __call__(self, *args: Hashable) -> T:
        found = self._found.get(args, _NOTHING)
        return self._in_turn(args) if found is _NOTHING else found

    def cache_clear(self) -> None:
        self._found.clear()

    def _in_turn(self, args: tuple[Hashable, ...]) -> T:
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            if not self._turn.acquire(timeout=self._seconds):
                raise Busy
            try:
                found = self._found.get(args, _NOTHING)  # whoever had the turn before may have found it
                if found is _NOTHING:
                    found = self._found[args] = self._work(*args)
                    while len(self._found) > self._keep:
                        del self._found[next(iter(self._found))]
                return found
            finally:
                self._turn.release()
        finally:
            self._places.release()
