"""The whole log of a build as text: pieces of its store → parts of the answer, a few hundred KiB in memory at a time.

A log of a million lines is read at the pace of the store: nothing here looks at a line, but for those that stand open.
"""

import json
from collections.abc import Sequence
from typing import Any

from buildboard.terminal.style import plain_lines

from .. import events, logbytes, printed, retention
from ..events import Extent
from ..models import Build
from .sources import is_void

PART_BYTES = 256 * 1024
"""Of the text in memory at a time, give or take one event or block of the store."""

_FEW, _MOST = 16, 1_000
"""Rows that are asked for."""


class CutShort(Exception):
    """The text ends here, and is not complete: the connection is to be aborted, so that the reader can tell."""


class Writer:
    """Events of one build, in order → text. Pure."""

    def __init__(self, *, keeps_styling: bool) -> None:
        self._keeps_styling = keeps_styling
        self._open: dict[str, bytes] = {}
        """By step: its unfinished last line."""
        self._next: dict[str, int] = {}
        """By step: the number of the line that comes next."""
        self.given = 0
        """How many lines it has made of them so far."""

    def feed(self, kind: str, data: dict[str, Any]) -> bytes:
        if kind == "cut":
            return self.cut(**data)
        if kind != "log":
            return b""
        text, is_open = data["text"], data.get("open", False)
        return self.lines(data["step"], data["line"], text.count("\n") + 1, encoded(text), is_open=is_open)

    def lines(self, step: str, line: int, lines: int, text: bytes, *, is_open: bool = False) -> bytes:
        """Those of one chunk, which are so many; what is open is withheld until the next one, which begins with it."""
        self._open.pop(step, None)
        if is_open:
            text, _, self._open[step] = text.rpartition(b"\n")
            lines -= 1
        self._next[step] = line + lines
        self.given += lines
        return self.shown(text + b"\n") if lines else b""

    def passed(self, step: str, line: int) -> None:
        """The lines of `step` are there up to `line`, by another way."""
        self._open.pop(step, None)
        self._next[step] = line + 1

    def cut(self, step: str, line: int, lines: int, bytes: int, reason: str = "", **_: Any) -> bytes:
        """One line for what is missing; of a reader that has a part of it already, for the rest."""
        first = max(line, self._next.get(step, 1))
        missing = line + lines - first
        if missing <= 0:
            return b""
        self._open.pop(step, None)
        self._next[step] = line + lines
        self.given += 1
        size = f", {bytes:,} bytes" if missing == lines else ""
        return encoded(f"[{missing:,} line{'s' * (missing > 1)}{size} of {step} left out{reason and f': {reason}'}]\n")

    def rest(self) -> bytes:
        """What was still open when the build ended."""
        found = b"".join([text + b"\n" for text in self._open.values()])
        self._open.clear()
        return self.shown(found)

    def shown(self, text: bytes) -> bytes:
        return text if self._keeps_styling else plain_lines(text)


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


class Stored:
    """The text of a log, part by part: from its events, or from the blocks that they have become, also where they
    become that while it is read. Called on a reader, and after a failed call once more.
    """

    def __init__(self, build_id: int, extent: Extent, *, keeps_styling: bool) -> None:
        """`extent`: where it stands; what comes later is not read."""
        self._build_id = build_id
        self._keeps_styling = keeps_styling
        self._writer = Writer(keeps_styling=keeps_styling)
        self._cursor = max(extent.horizon - 1, 0)
        self._head = extent.head
        self._is_final = extent.final
        self._looks = True
        """Whether to ask first what has become of the log: at the beginning, and where its events are not there."""
        self._number: int | None = None
        """Of the last block that was read; None: it is read from events."""
        self._known = 0
        """Lines of blocks to be passed over: they have the same in the same order as the events that were read."""
        self._rows = _FEW
        self._names: Sequence[str] = ()
        self._began = self._is_over = False

    def next(self) -> bytes | None:
        """None: that was all. `CutShort`: it was not, and the rest is gone."""
        if self._is_over:
            return None
        pruned = self._look() if self._looks else ""
        if pruned:
            self._is_over = True
            return f"[{pruned}]\n".encode()
        return self._from_events() if self._number is None else self._from_blocks(self._number)

    def _look(self) -> str:
        """Where to read from; or the sentence that says that nothing is left."""
        build = Build.objects.filter(pk=self._build_id).first()
        if build is None or (self._began and not build.compacted_at) or (self._writer.given and build.pruned_at):
            raise CutShort("the log was deleted while it was read")
        if build.compacted_at:
            self._names = events.step_names(build.pk)
            self._known = self._writer.given
            self._writer = Writer(keeps_styling=self._keeps_styling)
            self._number = -1
        self._began, self._looks = True, False
        return retention.pruned(build)

    def _from_events(self) -> bytes:
        part = b""
        if self._cursor < self._head:
            # What was the head may have been cut since: then the first event above it stands for it, too.
            found = logbytes.rows(self._build_id, self._cursor, self._head, PART_BYTES, self._rows)
            if _has_holes(self._cursor, found) and self._is_void():
                self._looks = True
                return b""
            # Before any is made into text: this may fail, and is called once more then.
            if max([row.step for row in found if row.kind == "log"], default=-1) >= len(self._names):
                self._names = events.step_names(self._build_id)
            part = b"".join([self._text(row) for row in found])
            self._cursor = found[-1].seq if found else self._head
            self._rows = min(4 * len(found) + 4, _MOST)  # as large as events are here, several parts' worth
        if self._cursor >= self._head:
            self._is_over = True
            part += self._writer.rest() if self._is_final else b""
        return part

    def _text(self, row: logbytes.Row) -> bytes:
        if row.kind == "log":
            return self._writer.lines(self._names[row.step], row.line, row.lines, row.body, is_open=row.open)
        return self._writer.cut(**json.loads(row.body)) if row.kind == "cut" else b""

    def _is_void(self) -> bool:
        extent = events.extent(self._build_id)
        return extent is None or is_void(self._cursor, extent)

    def _from_blocks(self, number: int) -> bytes | None:
        block = printed.block_text(self._build_id, number)
        if block is None:
            if printed.what_became(self._build_id).pruned_at:
                raise CutShort("the log was pruned while it was read")
            self._is_over = True
            return None
        self._number = block.number
        name = self._names[block.step]
        if block.cuts:
            text = b"".join([self._writer.cut(**cut.data) for cut in block.cuts])
        else:
            text = self._shown(block.text)
            self._writer.passed(name, block.last)
        known = min(self._known, text.count(b"\n")) if self._known else 0
        self._known -= known
        return text.split(b"\n", known)[known] if known else text

    def _shown(self, text: bytes) -> bytes:
        if b"\xed" in text:  # there may be halves of surrogate pairs
            text = encoded(text.decode("utf-8", "surrogatepass"))
        return self._writer.shown(text)


def _has_holes(cursor: int, found: Sequence[logbytes.Row]) -> bool:
    """As `sources` sees it: there was a `cut`, or they are being deleted."""
    return not found or found[0].seq != cursor + 1 or found[-1].seq - cursor != len(found)
