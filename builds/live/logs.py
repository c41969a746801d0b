"""What a build printed: lines by number, and the whole log as text.

The text is the steps' lines and nothing else, each with a line feed, in the order in which they were written, so that
it can be compared with what was printed. Only what is missing says so: a cut leaves one line in brackets. A line that
is still open is withheld until it is whole, or the build is over.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from buildboard.terminal.style import plain

from .. import blocks, events, printed, retention
from ..blocks import Cut, Part
from ..models import Build, iso
from . import frames, opening
from .frames import Frame
from .hub import hub, is_draining
from .opening import Opening, refuse
from .reading import read_in_bulk
from .sources import BuildSource

MAX_LINES = 1_000
"""In one answer of `lines`; it says with `to` where it ends."""
MAX_CUTS = 100
"""In one answer of `lines`: far more than a log has."""
PART_BYTES = 256 * 1024
"""Of the text in memory at a time, give or take one bite of the store."""
_NUMBER = re.compile(r"[0-9]{1,15}\Z")


class CutShort(Exception):
    """The text ends here, and is not complete: the connection is to be aborted, so that the reader can tell."""


# --- Lines by number ---


@opening.answered
async def lines(request: HttpRequest, build_id: int) -> HttpResponse:
    """`?step=NAME&from=A&to=B`, both ends included → what `_lines` returns.

    At most MAX_LINES lines; null stands for a line that is not stored (any more). `at`: when each of them was stored.
    `open`: the last one is unfinished. `cuts`: all that is cut of the step's lines. `pruned_at`, where none is stored
    any more: since when.
    """
    await opening.open_build(request, build_id)
    return JsonResponse(await read_in_bulk(_lines, request, build_id), headers={"Cache-Control": "no-store"})


def _lines(request: HttpRequest, build_id: int) -> dict[str, Any]:
    names = events.step_names(build_id)
    name = request.GET.get("step", "")
    if not name:
        raise refuse(400, "step: expected the name of a step of this build.")
    if name not in names:
        raise refuse(404, f"Build {build_id} has no step {name[:80]!r}; expected one of {', '.join(names)}.")
    first = _line_number(request, "from", 1)
    last = _line_number(request, "to", first + MAX_LINES - 1)
    position = names.index(name)
    total = printed.total_lines(build_id, position)
    last = max(min(last, first + MAX_LINES - 1, total), first - 1)
    found = {line.number: line for line in printed.lines(build_id, position, first, last)}
    asked = [found.get(number) for number in range(first, last + 1)]
    missing = printed.left_out(build_id).get(position, [])  # after the lines: it has what became of them meanwhile
    pruned_at = None if total else printed.what_became(build_id).pruned_at
    return {
        "step": name,
        "from": first,
        "to": last,
        "lines": [line.text if line else None for line in asked],
        "at": [iso(line.at) if line else None for line in asked],
        "total": total,
        "open": bool(asked and asked[-1] and asked[-1].open),
        "cuts": [cut._asdict() for cut in missing[:MAX_CUTS]],
        **({"pruned_at": iso(pruned_at)} if pruned_at else {}),
    }


def _line_number(request: HttpRequest, name: str, default: int) -> int:
    text = request.GET.get(name, str(default))
    if not _NUMBER.match(text) or int(text) < 1:
        raise refuse(400, f"{name}: expected the number of a line, from 1 on, not {text[:40]!r}.")
    return int(text)


# --- The whole log as text ---


@opening.answered
async def text(request: HttpRequest, build_id: int) -> HttpResponseBase:
    """`?ansi=1` keeps colours and links. `?follow=1` stays open to the end of the build, like `tail -f`."""
    opening.can_stream(request)
    keeps_styling = opening.flag(request, "ansi")
    follow = opening.flag(request, "follow")
    opened = await opening.open_build(request, build_id)
    follow = follow and not opened.extent.final
    if follow and hub().is_full(opened.standing):
        raise opening.full()
    read = _followed if follow else _stored
    body = read(opened, keeps_styling=keeps_styling)
    return StreamingHttpResponse(
        opening.nothing() if request.method == "HEAD" else body,
        headers={
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Disposition": f'inline; filename="build-{build_id}.txt"',
            "Cache-Control": "no-cache, no-transform",
            "X-Accel-Buffering": "no",
            "Content-Encoding": "identity",
        },
    )


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
            return self._cut(**data)
        if kind != "log":
            return ""
        texts = data["text"].split("\n")
        self._open.pop(data["step"], None)  # this chunk begins with that line, further on or finished
        if data.get("open"):
            self._open[data["step"]] = texts.pop()
        self._next[data["step"]] = data["line"] + len(texts)
        return self._join(texts)

    def _cut(self, step: str, line: int, lines: int, bytes: int, reason: str = "", **_: Any) -> str:
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
        texts = list(self._open.values())
        self._open.clear()
        return self._join(texts)

    def _join(self, texts: list[str]) -> str:
        found = "".join(f"{text}\n" for text in texts)
        return found if self._keeps_styling else plain(found)


async def _stored(opened: Opening, *, keeps_styling: bool) -> AsyncIterator[bytes]:
    """As much as there was when it began: page by page, whatever its size."""
    stored = Stored(opened, keeps_styling=keeps_styling)
    while (part := await read_in_bulk(stored.next)) is not None:
        if part:
            yield part


class Stored:
    """The text of a log, part by part: from its events, or from the blocks that they have become, also where they
    become that while it is read. Called on a reader, and after a failed call once more.
    """

    def __init__(self, opened: Opening, *, keeps_styling: bool) -> None:
        self._source = BuildSource(opened.source.build_id, opened.source.project)
        self._keeps_styling = keeps_styling
        self._writer = Writer(keeps_styling=keeps_styling)
        self._cursor = max(opened.extent.horizon - 1, 0)
        self._head = opened.extent.head
        self._is_final = opened.extent.final
        self._looks = True
        """Whether to ask first what has become of the log: at the beginning, and where its events are not there."""
        self._number: int | None = None
        """Of the last block that was read; None: it is read from events."""
        self._lines = 0
        """From events: written so far. From blocks: to be passed over, since they have the same in the same order."""
        self._names: list[str] = []
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
        build = Build.objects.filter(pk=self._source.build_id).first()
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
            page = self._source.page(self._cursor, PART_BYTES)
            if page is None:
                self._looks = True
                return b""
            # What was the head may have been cut since: then the first frame above it stands for it, too.
            upto = next((frame.id for frame in page.frames if frame.id >= self._head), self._head)
            part = _encode([frame for frame in page.frames if frame.id <= upto], self._writer)
            self._cursor = page.upto if page.more else self._head
        if self._cursor >= self._head:
            self._is_over = True
            part += self._writer.rest().encode("utf-8", "replace") if self._is_final else b""
        self._lines += part.count(b"\n")
        return part

    def _from_blocks(self, number: int) -> bytes | None:
        block = blocks.following(self._source.build_id, number)
        if block is None:
            if printed.what_became(self._source.build_id).pruned_at:
                raise CutShort("the log was pruned while it was read")
            self._is_over = True
            return None
        self._number = block.number
        text = "".join(self._of_part(part) for part in block.parts)
        known = min(self._lines, text.count("\n"))
        self._lines -= known
        return text.split("\n", known)[known].encode("utf-8", "replace")

    def _of_part(self, part: Part) -> str:
        if isinstance(part, Cut):
            return self._writer.feed("cut", part.data)
        data = {"step": self._names[part.step], "line": part.line, "text": "\n".join(part.texts)}
        return self._writer.feed("log", data)


async def _followed(opened: Opening, *, keeps_styling: bool) -> AsyncIterator[bytes]:
    writer = Writer(keeps_styling=keeps_styling)
    here = hub()
    if is_draining() or here.is_full(opened.standing):
        raise CutShort("no stream can be had just now")
    cursor = max(opened.extent.horizon - 1, 0)
    viewer = here.enter(opened.source, opened.standing, cursor, "text", frozenset())
    ending = "gone"
    try:
        yield b""  # the headers leave now, not with the first line
        while ending == "gone":
            found = await viewer.next(3600)
            if isinstance(found, str):
                ending = found
            elif found is not None and (part := _encode(found.frames, writer)):
                yield part
        if ending != "end":
            raise CutShort(ending)
        yield writer.rest().encode("utf-8", "replace")
    finally:
        here.leave(viewer, ending)


def _encode(found: list[Frame], writer: Writer) -> bytes:
    texts = []
    for frame in found:
        _, kind, data = frames.fields(frame.body)
        if kind in ("log", "cut"):
            texts.append(writer.feed(kind, json.loads(data)))
    return "".join(texts).encode("utf-8", "replace")
