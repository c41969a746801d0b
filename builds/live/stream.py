"""The Server-Sent Events views. Headers and the first bytes leave at once; then a viewer pulls until something ends it.

A view asks the database once, in one go, and holds nothing while the stream runs: what a stream needs is acquired when
its body begins to be read, and given back once, however it ends.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from functools import partial

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from ..gauges import streams
from ..models import iso
from . import ballast, frames, opening
from .hub import Hub, hub, is_draining
from .opening import Away, Opening, Refusal
from .viewer import Push, Viewer

PING_SECONDS = 15.0
FAREWELL = "buildboard.farewell"
"""In a request's scope, where the doorman put it: a future that is done when this stream is to say `restart`."""
DIRECT = "buildboard.direct"
"""Beside it: `direct(part) -> Push | None`, a way for parts of this body to the server that does not lead through
Django. None where the first `part` did not arrive there as it left here: something on its way changes them."""
RETRY_MS = (1_000, 3_000)
RETRY_FULL_MS = (30_000, 60_000)
RETRY_AWAY_MS = (2_000, 6_000)
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    "Content-Encoding": "identity",  # Django's GZip middleware would make each part a member of its own
}


@csrf_exempt  # it only reads, and a POST is to be answered with 405
async def build_events(request: HttpRequest, build_id: int) -> HttpResponseBase:
    return await _answer(request, build_id)


@csrf_exempt
async def board_events(request: HttpRequest) -> HttpResponseBase:
    return await _answer(request, None)


async def _answer(request: HttpRequest, build_id: int | None) -> HttpResponseBase:
    try:
        opening.only_reads(request)
        opening.can_stream(request)
        opened = await (opening.open_board(request) if build_id is None else opening.open_build(request, build_id))
    except Refusal as refusal:
        return refusal.response
    except Away:
        return _response(request, _farewell(RETRY_AWAY_MS, opening.AWAY_DETAIL))
    if opened.is_over:
        return HttpResponse(status=204, headers={"Cache-Control": "no-cache"})
    stream = Stream(opened, request.scope.get(FAREWELL), request.scope.get(DIRECT))
    response = _response(request, stream.body())
    response._resource_closers.append(stream.close_soon)
    if DIRECT in request.scope:  # it is served, and nobody looks at it later, as tests do
        stream.ballast = partial(ballast.drop, request, response)
    return response


def _response(request: HttpRequest, body: AsyncIterator[bytes]) -> StreamingHttpResponse:
    return StreamingHttpResponse(opening.nothing() if request.method == "HEAD" else body, headers=HEADERS)


async def _farewell(retry: tuple[int, int], said: dict[str, str]) -> AsyncIterator[bytes]:
    """A stream that cannot be: a browser's EventSource never comes back after any other status than 200."""
    streams.refused("problem")
    yield _begin(retry) + frames.control("problem", said)


def farewell() -> bytes:
    """The whole of a stream whose server stops before it could begin."""
    return _begin(RETRY_MS) + frames.control("restart")


def _begin(retry: tuple[int, int]) -> bytes:
    return frames.comment("Buildboard") + frames.retry(random.randint(*retry))  # noqa: S311 - a spread, not a secret


class Stream:
    """One body: acquires its viewer when it begins, and releases it once."""

    def __init__(
        self,
        opened: Opening,
        farewell: asyncio.Future[None] | None,
        direct: Callable[[bytes], Push | None] | None = None,
    ) -> None:
        self._opened: Opening | None = opened
        self.ballast: Callable[[], None] | None = None
        """Drops what nothing needs any more when this body has begun."""
        self._farewell = farewell
        self._direct = direct
        self._viewer: Viewer | None = None
        self._hub: Hub | None = None
        self._loop = asyncio.get_running_loop()

    async def body(self) -> AsyncIterator[bytes]:
        opened, self._opened = self._opened, None
        if opened is None or opened.cursor is None:
            streams.refused("reset")
            yield _begin(RETRY_MS) + frames.control("reset")
            return
        if is_draining():
            yield farewell()
            return
        self._hub = hub()
        if self._hub.is_full(opened.standing):
            streams.refused("full")
            detail = {"detail": "There are too many streams open; this one is tried again later."}
            yield _begin(RETRY_FULL_MS) + frames.control("problem", detail)
            return
        viewer = self._viewer = self._hub.enter(
            opened.source, opened.standing, opened.cursor, opened.source.kind, opened.visible, opened.extent.head
        )
        if self._farewell is not None:
            self._farewell.add_done_callback(lambda _: viewer.end("restart"))
        ending = "gone"
        try:
            head = opened.extent.head
            del opened  # all that is still needed of it is the viewer's
            first = _begin(RETRY_MS) + _ping(head)
            if self.ballast is not None:
                self.ballast()
                self.ballast = None
            yield first
            if self._direct is not None:
                viewer.push = self._direct(first)
            del first
            while True:
                found = await viewer.next(PING_SECONDS)
                if found is None:
                    yield frames.comment("still here") + _ping(viewer.tail.head, viewer.tail.stale)
                elif isinstance(found, str):
                    ending = found
                    yield _ending(found)
                    return
                else:
                    part, found = found.body, None  # one who takes it slowly holds the bytes alone
                    yield part
        finally:
            self.close(ending)

    def close(self, reason: str = "gone") -> None:
        if self._hub is not None and self._viewer is not None:
            self._hub.leave(self._viewer, reason)

    def close_soon(self) -> None:
        """From another thread: the response is over, and its body may not have heard of it."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.close)


def _ping(head: int, stale: int | None = None) -> bytes:
    """With the topic's head: a reader that has less is catching up, not up to date. `now`: the time here, for readers
    whose clocks are set. `stale`: seconds since the database was reached, where it is away: what one has may be old."""
    said = {"head": head, "now": iso(timezone.now())}
    return frames.control("ping", said if stale is None else said | {"stale": stale})


def _ending(kind: str) -> bytes:
    return frames.control(kind, {"detail": _DETAILS[kind]} if kind in _DETAILS else None)


_DETAILS = {
    "problem": "Something failed here.",
    "denied": "You may no longer see this.",
}
