"""Secrets out of output: bytes in, bytes out, and `***` where a secret was. Pure.

What comes out is the same for every way of cutting what goes in: the end of it is held back for as long as it may be
the beginning of a secret, fewer than `forms.PIECE` bytes, and nothing else is. Where secrets overlap, all are gone.
"""

import sys
from bisect import bisect_left, insort
from collections.abc import Collection
from typing import Literal

from .forms import LEAST, PIECE, patterns

MASK = "***"

_ORDER: Literal["little", "big"] = sys.byteorder
_HEAD = LEAST - 1
_WORDS: tuple[tuple[int, Literal["I", "Q"]], ...] = ((4, "I"), (8, "Q"))
"""Sizes of words, and their codes for a memoryview. Whatever is twice as long less one, contains a whole word at a
multiple of its size: so of a text only every so many bytes are looked at, as words, and of a pattern the words at its
first places. A text that has none of them costs one walk, however many patterns there are."""


class Patterns:
    """What is looked for. May be added to at any time: from then on it is looked for."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._sorted: list[bytes] = []
        self._heads: set[bytes] = set()  # their first bytes, up to three
        self._short: list[bytes] = []
        self._words: dict[int, dict[int, list[bytes]]] = {size: {} for size, _ in _WORDS}
        for secret in secrets:
            self.add(secret)

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, secret: str) -> bool:
        """False: no line of it has as many as `LEAST` bytes, so nothing is looked for."""
        found = patterns(secret)
        for pattern in found:
            place = bisect_left(self._sorted, pattern)
            if place < len(self._sorted) and self._sorted[place] == pattern:
                continue
            insort(self._sorted, pattern)
            self._heads.update(pattern[:size] for size in range(1, _HEAD + 1))
            fitting = [size for size, _ in _WORDS if len(pattern) >= 2 * size - 1]
            if not fitting:
                self._short.append(pattern)
                continue
            size = fitting[-1]
            for at in range(size):
                word = int.from_bytes(pattern[at : at + size], _ORDER)
                self._words[size].setdefault(word, []).append(pattern)
        return bool(found)

    def find(self, data: bytes) -> list[tuple[int, int]]:
        """The stretches of `data` that belong to secrets: in order, neither overlapping nor touching."""
        hits: list[tuple[int, int]] = []
        for pattern in self._candidates(data):
            at = data.find(pattern)
            while at >= 0:
                hits.append((at, at + len(pattern)))
                at = data.find(pattern, at + 1)
        return joined(hits)

    def _candidates(self, data: bytes) -> Collection[bytes]:
        found: set[bytes] = set()
        for size, code in _WORDS:
            known = self._words[size]
            if known:
                words = memoryview(data)[: len(data) // size * size].cast(code)
                if not known.keys().isdisjoint(words):
                    found.update(*(known[word] for word in known.keys() & set(words)))
        return found.union(self._short) if found else self._short

    def beginning(self, data: bytes) -> int:
        """How many bytes at the end of `data` may be the beginning of a secret."""
        tail = data[1 - PIECE :]
        for at in range(len(tail)):
            if tail[at : at + _HEAD] in self._heads:
                size = len(tail) - at
                if size <= _HEAD or self._begins(tail[at:]):
                    return size
        return 0

    def _begins(self, rest: bytes) -> bool:
        place = bisect_left(self._sorted, rest)
        if place < len(self._sorted) and self._sorted[place] == rest:
            place += 1
        return place < len(self._sorted) and self._sorted[place].startswith(rest)


class Masker:
    """One stream of output. Its patterns may be those of many."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._held = b""
        self._known = 0  # so many bytes of what is held belong to a secret that began before
        self._within = False  # what came out last is a mask, and goes on where the next byte is of a secret, too

    def feed(self, data: bytes) -> bytes:
        """What can be told of what has come so far."""
        if not self._patterns and not self._held:
            return data
        data = self._held + data
        return self._told(data, len(data) - self._patterns.beginning(data))

    def close(self) -> bytes:
        """No more comes, or something else begins: the rest of it."""
        rest = self._told(self._held, len(self._held))
        self._within = False
        return rest

    def _told(self, data: bytes, end: int) -> bytes:
        """Of `data` what stands before `end`; the rest is held."""
        self._held = data[end:]
        if end == 0:
            return b""
        runs = self._patterns.find(data)
        if self._known:
            runs = joined([(0, self._known), *runs])
        parts: list[bytes] = []
        at = self._known = 0
        within = False
        for first, last in runs:
            if first >= end:
                break
            parts.append(data[at:first])
            if first > 0 or not self._within:
                parts.append(MASK.encode())
            at = min(last, end)
            within, self._known = last >= end, max(last - end, 0)
        parts.append(data[at:end])
        self._within = within
        return b"".join(parts)


def joined(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, each as long as it gets."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(stretches):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
