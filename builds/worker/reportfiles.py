"""Whose report a file is, where steps of a build share a workspace.

Nothing on a file says who wrote it. What is known is what stood there when a step began: that is not of its writing. So

- what a step that still runs may have written, and this one did not, is left to that step;
- what several may have written is told by the one of them that is over first, the likeliest, since reports are written
  last; but for what is no whole report yet: that is left to those which still run;
- what stood there and is nobody's, as where a step only collects, is told by the first that finds it.

Each file, as it is, is told once; written again, it is another.
"""

import os
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .globs import Match, Pattern


class File(NamedTuple):
    match: Match
    """It, or a copy of it in a workspace of its own: that keeps its path and its time."""
    node: tuple[int, int, int, int]
    """It, wherever it is moved."""

    @classmethod
    def of(cls, path: str, known: os.stat_result) -> "File":
        node = (known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns)
        return cls(Match(path, known.st_size, known.st_mtime_ns), node)


@dataclass(frozen=True)
class Begun:
    """A step whose reports are not read yet."""

    patterns: Sequence[Pattern] = ()
    stood: frozenset[Match] = frozenset()
    """What they meant when it began."""
    shared: bool = True
    """It works in the workspace of the build."""

    def may_have_written(self, file: File) -> bool:
        return file.match not in self.stood and any(pattern.fits(file.match.path) for pattern in self.patterns)


@dataclass
class ReportFiles:
    """Of one build. Steps begin and end in one thread; what each of them may tell is asked in others."""

    _running: dict[int, Begun] = field(default_factory=dict)
    _told: set[Hashable] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, step: int, begun: Begun) -> None:
        self._running[step] = begun

    def end(self, step: int, *, shared: bool) -> "Own":
        """What the step at `step` may tell: nothing of it writes any more, as far as its own end says."""
        begun = self._running.pop(step, Begun(shared=shared))
        others = [one for one in self._running.values() if one.shared]
        return Own(begun, others, self._told, self._lock)


@dataclass(frozen=True)
class Own:
    """What one step may tell."""

    _begun: Begun
    _others: Sequence[Begun]
    """Those that still run, and write where it reads; where it has a copy: wrote what was copied."""
    _told: set[Hashable]
    _lock: threading.Lock

    def is_anothers(self, file: File) -> bool:
        """It is told, or will be."""
        if self._is_private(file):
            return False
        with self._lock:
            if self._is_told(file):
                self._told.update(file)  # it may have been moved, and be copied from there
                return True
        return file.match in self._begun.stood and self._may_be_anothers(file)

    def may_grow(self, file: File) -> bool:
        """It may be another's, who is still writing."""
        return not self._is_private(file) and self._may_be_anothers(file)

    def claim(self, file: File) -> bool:
        """False: another step was faster."""
        if self._is_private(file):
            return True
        with self._lock:
            if self._is_told(file):
                return False
            self._told.update(file)
            return True

    def _is_private(self, file: File) -> bool:
        """Nobody else has ever seen it: written since a copy of the workspace was made, and there."""
        return not self._begun.shared and file.match not in self._begun.stood

    def _is_told(self, file: File) -> bool:
        return any(known in self._told for known in file)

    def _may_be_anothers(self, file: File) -> bool:
        return any(one.may_have_written(file) for one in self._others)
