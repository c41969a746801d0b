"""The whole log of a build as text: pieces of its store → parts of the answer, a few hundred KiB in memory at a time.

A log of a million lines is read at the pace of the store: nothing here looks at a line, but for those that stand open.
"""

import json
from collections.abc import Sequence
from typing import Any

from buildboard.terminal.style import plain_lines

from .. import events, printed, retention
from ..events import Extent
from ..models import Build
from .sources import is_void

PART_BYTES = 256 * 1024
"""Of the text in memory at a time, give or take one event or block of the store."""

_FEW = 16


class CutShort(Exception):
    """The text ends here, and is not complete: the connection is to be aborted, so that the reader can tell."""


class Writer:
    """Events of one build, in order → text. Pure."""

    def __init__(self, *, keeps_styling: bool) -> None:
        self._keeps_styling = keeps_styling
        self._open: dict[str, str] = {}
        """By step: its unfinished last line."""
        self._next: dict[str, int] = {}
        """By step: the number of the line that comes next."""

    def feed(self, kind: str, data: dict[str, Any]) -> str:
        if kind == "cut":
            return self.cut(**data)
        if kind != "log":
            return ""
        return self.lines(data["step"], data["line"], data["text"], is_open=data.get("open", False))

    def lines(self, step: str, line: int, text: str, *, is_open: bool = False) -> str:
        """Those of one chunk; what is open is withheld until the next one, which begins with it."""
        self._open.pop(step, None)
        if is_open:
            text, several, self._open[step] = text.rpartition("\n")
            if not several:
                self._next[step] = line
                return ""
        self._next[step] = line + text.count("\n") + 1
        return self.shown(f"{text}\n")

    def passed(self, step: str, line: int) -> None:
        """The lines of `step` are there up to `line`, by another way."""
        self._open.pop(step, None)
        self._next[step] = line + 1

    def cut(self, step: str, line: int, lines: int, bytes: int, reason: str = "", **_: Any) -> str:
        """One line for what is missing; of a reader that has a part of it already, for the rest."""
        first = max(line, self._next.get(step, 1))
        missing = line + lines - first
        if missing <= 0:
            return ""
        self._open.pop(step, None)
        self._next[step] = line + lines
        size = f", {bytes:,} bytes" if missing == lines else ""
        return f"[{missing:,} line{'s' * (missing > 1)}{size} of {step} left out{reason and f': {reason}'}]\n"

    def rest(self) -> str:
        """What was still open when the build ended."""
        found = "".join(f"{text}\n" for text in self._open.values())
        self._open.clear()
        return self.shown(found)

    def shown(self, text: str) -> str:
        return text if self._keeps_styling else plain_lines(text)


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
        self._lines = 0
        """From events: written so far. From blocks: to be passed over, since they have the same in the same order."""
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
        if build is None or (self._began and not build.compacted_at) or (self._lines and build.pruned_at):
            raise CutShort("the log was deleted while it was read")
        if build.compacted_at:
            self._names = events.step_names(build.pk)
            self._writer = Writer(keeps_styling=self._keeps_styling)
            self._number = -1
        self._began, self._looks = True, False
        return retention.pruned(build)

    def _from_events(self) -> bytes:
        part = b""
        if self._cursor < self._head:
            # What was the head may have been cut since: then the first event above it stands for it, too.
            found = printed.rows(self._build_id, self._cursor, self._head, PART_BYTES, self._rows)
            if _has_holes(self._cursor, found) and self._is_void():
                self._looks = True
                return b""
            part = "".join(map(self._text, found)).encode("utf-8", "replace")
            self._cursor = found[-1].seq if found else self._head
            self._rows = min(4 * len(found) + 4, printed.MAX_ROWS)  # as large as events are here, several parts' worth
        if self._cursor >= self._head:
            self._is_over = True
            part += self._writer.rest().encode("utf-8", "replace") if self._is_final else b""
        self._lines += part.count(b"\n")
        return part

    def _text(self, row: printed.Row) -> str:
        if row.kind == "cut":
            return self._writer.cut(**json.loads(row.body))
        if row.kind != "log":
            return ""
        if row.step >= len(self._names):
            self._names = events.step_names(self._build_id)
        return self._writer.lines(self._names[row.step], row.line, row.body, is_open=row.open)

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
            text = "".join(self._writer.cut(**cut.data) for cut in block.cuts).encode("utf-8", "replace")
        else:
            text = self._shown(block.text)
            self._writer.passed(name, block.last)
        known = min(self._lines, text.count(b"\n")) if self._lines else 0
        self._lines -= known
        return text.split(b"\n", known)[known] if known else text

    def _shown(self, text: bytes) -> bytes:
        if b"\xed" in text or (b"\x1b" in text and not self._keeps_styling):
            return self._writer.shown(text.decode("utf-8", "surrogatepass")).encode("utf-8", "replace")
        return text


def _has_holes(cursor: int, found: Sequence[printed.Row]) -> bool:
    """As `sources` sees it: there was a `cut`, or they are being deleted."""
    return not found or found[0].seq != cursor + 1 or found[-1].seq - cursor != len(found)
