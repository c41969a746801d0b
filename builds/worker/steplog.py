"""A step's log while it is written: numbers its lines and decides when they are to be stored.

Pure: the caller tells the time, in seconds of a monotonic clock.
"""

from bisect import bisect_left
from itertools import accumulate

from buildboard.terminal.canvas import LINE_BYTES
from buildboard.terminal.lines import LineReader
from buildboard.terminal.masks import Masked, Masks

from ..events import MAX_CHUNK_LINES, Chunk

CHUNK_CHARACTERS = 64 * 1024
"""A chunk is closed when its lines have so many, or `MAX_CHUNK_LINES` lines."""
FLUSH_SECONDS = 0.1
"""Between two flushes while output keeps coming, at most; after a rest the first one leaves at once."""
OPEN_SECONDS = 0.2
"""A line that is still open after this is shown as it stands …"""
OPEN_EVERY_SECONDS = 1.0
"""… and again at most this often while it changes."""
FULL_CHARACTERS = 4 * CHUNK_CHARACTERS
"""Held so much, it is flushed without waiting, and nothing more is read before that: this bounds the memory."""
FULL_LINES = 16 * MAX_CHUNK_LINES


class StepLog:
    """Lines come in by `feed`, leave as chunks by `take`; `due` says when to take."""

    def __init__(self, position: int, max_line: int = LINE_BYTES, masks: Masks | None = None) -> None:
        """`max_line`: bytes of a line, beyond which it is cut. `masks`: the secrets of the build."""
        self._position = position
        self._masked = Masked(masks or Masks())
        self._reader = LineReader(max_line)
        self._next = 1  # number of the first line that is held
        self._lines: list[str] = []
        self._size = 0
        self.pace = FLUSH_SECONDS
        """Seconds between two flushes. Whoever stores them sets it by what storing costs."""
        self._flushed_at = float("-inf")
        self._opened_at: float | None = None
        self._shown_at = float("-inf")
        self._shown: str | None = None  # the open line as it was stored last
        self._changed = False  # the open line may differ from what was stored of it

    @property
    def progress(self) -> float | None:
        return self._reader.progress

    @property
    def is_full(self) -> bool:
        return self._size >= FULL_CHARACTERS or len(self._lines) >= FULL_LINES

    def feed(self, data: bytes, now: float) -> None:
        """What the step has printed."""
        self._hold(self._reader.feed(self._masked.feed(data)), now)

    def begin_line(self, line: str, now: float) -> None:
        """The runner's own word, on a line of its own: a line that is open ends before it."""
        self.close(now)
        self.feed(f"{line}\n".encode(), now)

    def close(self, now: float) -> None:
        """The step prints no more: an open line is a line."""
        lines = self._reader.feed(self._masked.close()) + self._reader.close()
        if lines == [""] and self._shown is None:
            lines = []  # a last colour reset, and nothing to see
        self._hold(lines, now)

    def _hold(self, lines: list[str], now: float) -> None:
        if lines:
            lines = self._masked.lines(lines)
            self._lines += lines
            self._size += sum(map(len, lines)) + len(lines)
            self._opened_at = self._shown = None
            self._shown_at = float("-inf")
        self._changed = self._reader.has_open
        if self._changed and self._opened_at is None:
            self._opened_at = now

    def due(self) -> float | None:
        """The time from which on there is something to take; None: nothing before more output comes."""
        if self.is_full:
            return float("-inf")
        if self._lines:
            return self._flushed_at + self.pace
        if self._changed and self._opened_at is not None:
            return max(self._opened_at + OPEN_SECONDS, self._shown_at + OPEN_EVERY_SECONDS)
        return None

    def take(self, now: float) -> list[Chunk]:
        """Chunks of all that is held, in order. Once taken they are the caller's: it stores them, however often it
        has to try."""
        lines, first = self._lines, self._next
        self._lines, self._size = [], 0
        self._next += len(lines)
        self._flushed_at = now
        is_open = False
        if self._changed and self._opened_at is not None and now >= self._opened_at + OPEN_SECONDS:
            text = self._masked.open_line(self._reader.open_line())
            self._changed = False
            if text != self._shown and (text or self._shown is not None):
                self._shown, self._shown_at = text, now
                lines.append(text)
                is_open = True
        return _chunks(self._position, first, lines, is_open)


def _chunks(position: int, first: int, lines: list[str], is_open: bool) -> list[Chunk]:
    ends = list(accumulate(map(len, lines)))
    chunks: list[Chunk] = []
    start = before = 0
    while start < len(lines):
        most = min(start + MAX_CHUNK_LINES, len(lines))
        # A chunk ends before the first line that makes it too long: its text has a line feed between two lines.
        room = before + CHUNK_CHARACTERS + start
        end = bisect_left(range(most), room, start + 1, most, key=lambda index: ends[index] + index)
        chunks.append(Chunk(position, first + start, lines[start:end], is_open and end == len(lines)))
        start, before = end, ends[end - 1]
    return chunks
