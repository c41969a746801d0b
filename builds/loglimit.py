"""How much of a build's log is kept: its head, and its tail. Pure.

Everything is stored at first, so that everyone who watches sees every line. Once the first half of the bound is full,
what follows is the tail; when that has grown beyond the other half, its oldest events are to be cut.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .events import Chunk
from .landmarks import Landmark

EVENT_BYTES = 256
"""Counted for each event besides its text: a million tiny ones fill a disk, too."""
MAX_SLACK = 8 * 1024 * 1024
"""So far the tail grows beyond its half at most before it is cut, for cutting has its price."""


class Span(NamedTuple):
    """The numbers of the first and of the last event that are to be cut."""

    first: int
    last: int


class LogLimit:
    """Told of all that is stored. Remembers the tail in about 300 segments, however long it is."""

    def __init__(self, megabytes: int) -> None:
        self.reason = f"The log reached its limit of {megabytes:,} MB."
        self._half = megabytes * 1024 * 1024 // 2
        self._slack = min(self._half // 8, MAX_SLACK)
        self._segment = self._half // 256
        self._head = self._tail = 0
        self._seen = 0
        self._first: int | None = None
        """The first event of the tail; None: the head is not full."""
        self._segments: deque[tuple[int, int]] = deque()
        """(number of its last event, bytes)."""

    def stored(self, head: int, drafts: Sequence[Chunk | Landmark]) -> Span | None:
        """`drafts` were stored, the last of them as number `head`. What is to be cut now: the whole stretch from the
        tail's beginning, so that earlier cuts become one with it."""
        for seq, draft in enumerate(drafts, head - len(drafts) + 1):
            between = max(seq - self._seen - 1, 0)  # what else was stored: a step began, or told its progress
            self._seen = seq
            self._add(seq, _size(draft) + between * EVENT_BYTES)
        if self._tail <= self._half + self._slack:
            return None
        last = 0
        while self._tail - self._segments[0][1] >= self._half:
            last, size = self._segments.popleft()
            self._tail -= size
        return Span(self._first, last) if self._first is not None and last else None

    def resume(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Go on where another was: the number of each event that is stored, and the bytes of its text."""
        for seq, size in sizes:
            self._seen = seq
            self._add(seq, size + EVENT_BYTES)

    def _add(self, seq: int, size: int) -> None:
        if self._first is None:
            if self._head + size <= self._half:
                self._head += size
                return
            self._first = seq
        self._tail += size
        if self._segments and self._segments[-1][1] + size <= self._segment:
            _, before = self._segments.pop()
            size += before
        self._segments.append((seq, size))


def _size(draft: Chunk | Landmark) -> int:
    """Landmarks stay when the log is cut, and are few: they count like any event."""
    if not isinstance(draft, Chunk):
        return EVENT_BYTES
    text = "\n".join(draft.lines)
    return len(text.encode()) + 1 + EVENT_BYTES
