"""How much of the disk a build's workspace takes, measured bit by bit beside everything else that its worker does."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from . import endings
from .endings import Ending

REST_SECONDS = 2.0
"""Between two measurements."""
SLICE_SECONDS = 0.005
"""So long it measures at a time …"""
SLICE_COSTS = 20
"""… and rests this many times as long: at most a twentieth of the time goes into it, however many files there are."""
_MEGABYTE = 1024 * 1024
_BLOCK = 512


class Footprint:
    """What a runner asks, as often as it likes. Once it was too large the build is to end, whatever is removed then."""

    def __init__(self, folder: Path, most: int) -> None:
        """`most`: MiB that all in `folder` may take, 0: any number."""
        self.ending: Ending | None = None
        self._folder = folder
        self._most = most
        self._sizes: Iterator[int] = iter(())
        self._bytes = 0
        self._look_at = float("-inf")

    def look(self) -> Ending | None:
        now = time.monotonic()
        if self._most and self.ending is None and now >= self._look_at:
            self._measure(now)
        return self.ending

    def _measure(self, now: float) -> None:
        for size in self._sizes:
            self._bytes += size
            if self._bytes > self._most * _MEGABYTE:  # what is counted is there, however much there is besides
                self.ending = endings.no_room(_sentence(self._bytes // _MEGABYTE, self._most))
                return
            spent = time.monotonic() - now
            if spent >= SLICE_SECONDS:
                self._look_at = now + SLICE_COSTS * spent
                return
        self._sizes, self._bytes = sizes(self._folder), 0
        self._look_at = now + REST_SECONDS


def sizes(folder: Path) -> Iterator[int]:
    """Bytes on the disk of each thing below `folder`. A file with several names counts once, what links lead to not at
    all; what goes away meanwhile, or has a path too long to be named, counts nothing."""
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(folder)]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:
            continue
        with entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                except OSError:
                    continue
                if found.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                    if (found.st_dev, found.st_ino) in seen:
                        continue
                    seen.add((found.st_dev, found.st_ino))
                yield found.st_blocks * _BLOCK


def _sentence(found: int, most: int) -> str:
    return f"The build's workspace takes {found:,} MiB of the disk; {most:,} MiB are allowed."
