"""The same events as JSON, by long poll: for scripts, and for pages whose streams do not arrive.

`?after=N&wait=S` answers as soon as there is something above N, or after S seconds with nothing:
`{"events": [{"id", "kind", "data"}…], "head", "final"}`. `final`: with these events the caller has everything that
there will ever be. An answer is a page of the store (512 events at most) or a slice of a tail (1,000).

`"reset": true`: the cursor is void, load again. `"denied": true`: the caller may no longer see this. `"stale": S`: the
database was not reached for S seconds.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from ..gauges import streams
from . import frames, opening
from .frames import Frame
from .hub import hub, is_draining
from .opening import Away, Opening, Refusal, refuse
from .tail import Slice

MAX_WAIT = 25.0
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?\Z")


@csrf_exempt  # it only reads, and a POST is to be answered with 405
async def build_events(request: HttpRequest, build_id: int) -> HttpResponseBase:
    return await _answer(request, build_id)


@csrf_exempt
async def board_events(request: HttpRequest) -> HttpResponseBase:
    return await _answer(request, None)


async def _answer(request: HttpRequest, build_id: int | None) -> HttpResponseBase:
    try:
        opening.only_reads(request)
        wait = _wait(request)
        opened = await (opening.open_board(request) if build_id is None else opening.open_build(request, build_id))
        if opened.cursor is not None and not is_draining() and hub().is_full(opened.standing):
            streams.refused("full")
            raise opening.full()
    except Refusal as refusal:
        return refusal.response
    except Away:
        return opening.away()
    # Waited for in the body, not here: the view's thread is shared by all of the live wing's requests.
    return StreamingHttpResponse(
        opening.nothing() if request.method == "HEAD" else _body(opened, wait),
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


async def _body(opened: Opening, wait: float) -> AsyncIterator[bytes]:
    if opened.cursor is None:
        streams.refused("reset")
        yield _page([], {"head": opened.extent.head, "final": False, "reset": True})
        return
    if opened.is_over or is_draining():
        yield _page([], {"head": opened.extent.head, "final": opened.is_over})
        return
    here = hub()
    viewer = here.enter(opened.source, opened.standing, opened.cursor, "poll", opened.visible, opened.extent.head)
    ending = "gone"
    try:
        found = await viewer.next(wait)
        head = max(viewer.tail.head, viewer.cursor)
        final = viewer.tail.is_final and viewer.cursor >= head
        events = found.frames if isinstance(found, Slice) else []
        ending = found if isinstance(found, str) else "answered"
        said = {found: True} if found in ("reset", "denied") else {}
        stale = viewer.tail.stale
        yield _page(events, {"head": head, "final": final} | said | ({} if stale is None else {"stale": stale}))
    finally:
        here.leave(viewer, ending)


def _page(found: list[Frame], rest: dict[str, Any]) -> bytes:
    events = ",".join(frames.as_json(frame.body) for frame in found)
    return f'{{"events":[{events}],{json.dumps(rest)[1:]}'.encode()
