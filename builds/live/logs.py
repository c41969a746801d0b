"""What a build printed: lines by number, and the whole log as text.

The text is the steps' lines and nothing else, each with a line feed, in the order in which they were written, so that
it can be compared with what was printed. Only what is missing says so: a cut leaves one line in brackets. A line that
is still open is withheld until it is whole, or the build is over.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from .. import events, printed
from ..models import iso
from . import frames, opening
from .frames import Frame
from .hub import hub, is_draining
from .opening import Opening, refuse
from .reading import read_in_bulk
from .text import CutShort, Stored, Writer

MAX_LINES = 1_000
"""In one answer of `lines`; it says with `to` where it ends."""
MAX_CUTS = 100
"""In one answer of `lines`: far more than a log has."""
_NUMBER = re.compile(r"[0-9]{1,15}\Z")


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
    position, became = names.index(name), printed.what_became(build_id)
    total = printed.total_lines(build_id, position, became)
    last = max(min(last, first + MAX_LINES - 1, total), first - 1)
    found = {line.number: line for line in printed.lines(build_id, position, first, last, became)}
    asked = [found.get(number) for number in range(first, last + 1)]
    # After the lines: it has what became of them meanwhile.
    missing = printed.left_out(build_id, became).get(position, [])
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
    if follow:
        body = _followed(opened, keeps_styling=keeps_styling)
    else:
        body = _stored(Stored(build_id, opened.extent, keeps_styling=keeps_styling))
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


async def _stored(stored: Stored) -> AsyncIterator[bytes]:
    """As much as there was when it began, whatever its size. The next part is read while one is sent."""
    coming = asyncio.ensure_future(read_in_bulk(stored.next))
    try:
        while (part := await coming) is not None:
            coming = asyncio.ensure_future(read_in_bulk(stored.next))
            if part:
                yield part
    finally:
        coming.cancel()
        coming.add_done_callback(lambda last: last.cancelled() or last.exception())  # nobody asks what came of it


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
        yield writer.rest()
    finally:
        here.leave(viewer, ending)


def _encode(found: Sequence[Frame], writer: Writer) -> bytes:
    texts = []
    for frame in found:
        _, kind, data = frames.fields(frame.body)
        if kind in ("log", "cut"):
            texts.append(writer.feed(kind, json.loads(data)))
    return b"".join(texts)
