"""The same events as JSON, by long poll: for scripts, and for pages whose streams do not arrive.

`?after=N&wait=S` answers as soon as there is something above N, or after S seconds with nothing:
`{"events": [{"id", "kind", "data"}…], "head", "final"}`. `final`: with these events the caller has everything that
there will ever be. An answer is a page of the store (512 events at most) or a slice of a tail (1,000).

`?kinds=build,step` of a build: events of these kinds alone, for whoever wants to know how it stands and not what it
prints. `"upto"` is then the cursor to go on from; what was passed over is not sent.

`"reset": true`: the cursor is void, load again. `"denied": true`: the caller may no longer see this. `"stale": S`: the
database was not reached for S seconds.
"""

import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from ..gauges import streams
from . import frames, opening
from .frames import Frame, Slice
from .hub import hub, is_draining
from .opening import Opening, refuse
from .sources import BuildSource

MAX_WAIT = 25.0
_KINDS = re.compile(r"[a-z]{1,20}(,[a-z]{1,20}){0,9}\Z")
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?\Z")


@opening.answered
async def build_events(request: HttpRequest, build_id: int) -> HttpResponseBase:
    return await _answer(request, build_id)


@opening.answered
async def board_events(request: HttpRequest) -> HttpResponseBase:
    return await _answer(request, None)


async def _answer(request: HttpRequest, build_id: int | None) -> HttpResponseBase:
    wait = _wait(request)
    kinds = _kinds(request, build_id)
    opened = await (opening.open_board(request) if build_id is None else opening.open_build(request, build_id))
    picked = await _pick(opened, kinds) if kinds else []
    waits = opened.cursor is not None and not is_draining() and not picked and not (kinds and wait == 0)
    if waits and hub().is_full(opened.standing):
        streams.refused("full")
        raise opening.full()
    # Waited for in the body, not here: the view's thread is shared by all of the live wing's requests.
    return StreamingHttpResponse(
        opening.nothing() if request.method == "HEAD" else _body(opened, wait, kinds, picked),
        headers={
            "Content-Type": "application/json",
            "Cache-Control": "no-store, no-transform",
            "X-Accel-Buffering": "no",
            "Content-Encoding": "identity",
        },
    )


def _wait(request: HttpRequest) -> float:
    text = request.GET.get("wait", "0")
    if not _SECONDS.match(text):
        raise refuse(400, f"wait: expected seconds from 0 to {MAX_WAIT:g}, not {text[:40]!r}.")
    return min(float(text), MAX_WAIT)


def _kinds(request: HttpRequest, build_id: int | None) -> frozenset[str]:
    """None of them: all."""
    text = request.GET.get("kinds")
    if text is None:
        return frozenset()
    if build_id is None:
        raise refuse(400, "kinds: only a build's events have more than one kind; the board's are all `build`.")
    if not _KINDS.match(text):
        raise refuse(400, f"kinds: expected at most ten names such as build,step, not {text[:40]!r}.")
    return frozenset(text.split(","))


async def _pick(opened: Opening, kinds: frozenset[str]) -> list[Frame]:
    """What is stored of these kinds above the cursor, which is moved behind it; a page at most. `Away`."""
    if opened.cursor is None or not isinstance(opened.source, BuildSource):
        return []
    page = await opening.ask(opened.source.page, opened.cursor, kinds=kinds, head=opened.extent.head)
    opened.cursor = page.upto if page else None
    return page.frames if page else []


async def _body(opened: Opening, wait: float, kinds: frozenset[str], picked: list[Frame]) -> AsyncIterator[bytes]:
    if opened.cursor is None:
        streams.refused("reset")
        yield _page([], {"head": opened.extent.head, "final": False, "reset": True})
        return
    if opened.is_over or is_draining() or picked or (kinds and wait == 0):
        upto = {"upto": opened.cursor} if kinds else {}
        head = max(opened.extent.head, opened.cursor) if kinds else opened.extent.head
        yield _page(picked, {"head": head, "final": opened.is_over} | upto)
        return
    here = hub()
    viewer = here.enter(opened.source, opened.standing, opened.cursor, "poll", opened.visible, opened.extent.head)
    ending = "gone"
    until = time.monotonic() + wait
    try:
        while True:
            found = await viewer.next(max(until - time.monotonic(), 0.0))
            frames_found = found.frames if isinstance(found, Slice) else []
            events = [frame for frame in frames_found if not kinds or frames.kind(frame.body) in kinds]
            if events or not frames_found or time.monotonic() >= until:
                break
        head = max(viewer.tail.head, viewer.cursor)
        final = viewer.tail.is_final and viewer.cursor >= head
        ending = found if isinstance(found, str) else "answered"
        said: dict[str, Any] = {found: True} if isinstance(found, str) and found in ("reset", "denied") else {}
        if kinds:
            said["upto"] = viewer.cursor
        stale = viewer.tail.stale
        yield _page(events, {"head": head, "final": final} | said | ({} if stale is None else {"stale": stale}))
    finally:
        here.leave(viewer, ending)


def _page(found: list[Frame], rest: dict[str, Any]) -> bytes:
    events = ",".join(frames.as_json(frame.body) for frame in found)
    return f'{{"events":[{events}],{json.dumps(rest)[1:]}'.encode()
