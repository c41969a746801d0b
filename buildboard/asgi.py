"""The doorman: stands between the server and Django, and sees to what neither does.

- The live wing's requests share one thread. Django would give each its own, for as long as its stream lasts.
- A server that cancels a request never reaches the view: Django leaves its own tasks behind (and Python 3.11 may crash
  in them at exit). So Django runs as a task of its own, which is told of a disconnect and waited for.
- A cancellation of an open request means that the server stops: its stream says `restart` first, also one that has not
  begun; whoever else has no answer yet is told to ask again (the server itself would say 500).
- Nothing raises out of here once a response has begun: daphne would leave that connection open and silent for ever.
- A body that is larger than the board takes is dropped as it comes (but for webhooks, daphne has received it by then).
- A stream that its client keeps up with may hand its next part to the server itself (`connections.py`): the way through
  Django costs more than the writing.
- A viewer that reads slower than it is sent to holds the sender up; after `STALLED_SECONDS` it is cut off.
- Pages are made by so many threads at a time as `PAGES` says, however many ask; whoever asks then waits for a place.
- This is a web process, so its threads are to know when the database is away (`presence.py`).
"""

import asyncio
import contextlib
import contextvars
import gc
import logging
import os
import re
import signal
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "buildboard.settings")
django = get_asgi_application()

from builds.live import frames, hub, stream  # noqa: E402 - they need Django's settings
from builds.live.logs import CutShort  # noqa: E402

from . import bodies, connections, direct, postgresql  # noqa: E402
from .connections import Message, Receive, Send  # noqa: E402

logger = logging.getLogger(__name__)
gc.set_threshold(20_000, 20, 50)  # with a thousand viewers the default makes the slowest deliveries three times slower

LIVE_PATHS = re.compile(r"(?:/builds/\d+)?/(?:events/|events\.json)|/builds/\d+/(?:log\.txt|log/|search/)")
"""The live wing's alone: a page or the admin's event log would hold up every stream that shares their thread."""
STREAM_PATHS = re.compile(r"(?:/builds/\d+)?/events/")

PLACELESS = frozenset({"/healthz"})
"""Answered whatever else goes on."""
PAGES = 32
"""Twice the connections of the pool: a page that waits for one holds up no page that needs none."""

FAREWELL_SECONDS = 3.0
STALLED_SECONDS = 60.0

_one_thread = ThreadPoolExecutor(1, thread_name_prefix="live-requests")
_places: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]" = weakref.WeakKeyDictionary()
live = direct.Handler()
postgresql.guard()


async def application(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        request = _Request(scope, receive, send)
        del scope, receive, send  # an open stream has what is made of them
        await request.serve()
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close"})


def drain() -> None:
    """The server is about to stop. From any thread, or a signal's handler."""
    hub.drain()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            _hear_signals()
        if message["type"] == "lifespan.shutdown":
            drain()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _hear_signals() -> None:
    """A server that was not started by us tells of its end too late: it waits for the open streams first."""
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(number, partial(_signalled, before))


def _signalled(before: Callable[[int, Any], Any], number: int, frame: Any) -> None:
    drain()
    before(number, frame)


class _Request:
    """One request on its way to Django and back."""

    __slots__ = (
        "_began",
        "_connection",
        "_ended",
        "_farewell",
        "_hung_up",
        "_is_declined",
        "_is_live",
        "_is_stream",
        "_is_too_large",
        "_listening",
        "_most",
        "_needs_place",
        "_place",
        "_receive",
        "_received",
        "_saw_disconnect",
        "_scope",
    )

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self._farewell = asyncio.get_running_loop().create_future()
        """Done when this request is to end on purpose: its stream looks for it in the scope."""
        self._connection = connections.behind(send)
        self._scope = scope | {stream.FAREWELL: self._farewell, stream.DIRECT: self._connection.direct}
        self._is_live = LIVE_PATHS.fullmatch(scope["path"]) is not None
        self._receive = self._connection.listen(receive) if self._is_live else receive
        self._needs_place = not self._is_live and scope["path"] not in PLACELESS
        self._place: asyncio.Semaphore | None = None
        self._hung_up = False
        self._listening: asyncio.Task | None = None
        """Django's, while it waits for what the server says."""
        self._saw_disconnect = False
        self._began = self._ended = self._is_stream = False
        self._received = 0
        self._is_too_large = self._is_declined = False
        self._most = bodies.most(scope["path"])

    async def serve(self) -> None:
        # In a context of its own: uvicorn begins a request that was sent ahead in that of the one before, whose thread
        # is no longer there.
        inner = asyncio.create_task(self._django(), context=contextvars.Context())
        try:
            await asyncio.shield(inner)
        except asyncio.CancelledError:
            if not inner.done():
                with contextlib.suppress(asyncio.CancelledError):  # once more: its loop is about to end
                    await self._leave(inner)
        except CutShort:
            pass  # said on purpose: what began is broken off below
        except Exception:
            logger.exception("action=request path=%s", self._scope["path"])
            if not self._began:
                raise
        finally:
            self._give_place_back()
        if self._began and not self._ended:
            await self._break_off()
            await asyncio.sleep(0)  # the server hears of it, and does not take it for a mistake of ours

    async def _django(self) -> None:
        if self._is_live:
            async with ThreadSensitiveContext(executor=_one_thread):
                await live(self._scope, self._next_message, self._send)
        else:
            await django(self._scope, self._next_message, self._send)

    async def _leave(self, inner: asyncio.Task) -> None:
        """The server has cancelled this request. Returns in order: a server that waits for all of its requests would
        take the first one that raises for the end of them."""
        if not self._began and not self._saw_disconnect:
            await self._decline()
        if self._is_stream and not self._saw_disconnect:
            self._farewell.set_result(None)
            await asyncio.wait({inner}, timeout=FAREWELL_SECONDS / 2)
        self._hang_up()
        _, late = await asyncio.wait({inner}, timeout=FAREWELL_SECONDS / 2)
        for task in late:
            task.cancel()
        await asyncio.gather(inner, return_exceptions=True)
        await asyncio.sleep(0.05)  # the server's buffers reach the network before it closes it

    async def _decline(self) -> None:
        """Ask again: what this request waits for will not come before the server has stopped."""
        self._began = self._ended = self._is_declined = True
        if STREAM_PATHS.fullmatch(self._scope["path"]):
            status, headers, body = 200, stream.HEADERS, stream.farewell()
        else:
            status, headers, body = 503, {"Content-Type": "text/plain", "Retry-After": "1"}, b"The server stops.\n"
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        with contextlib.suppress(Exception):
            await self._connection.send({"type": "http.response.start", "status": status, "headers": raw})
            await self._connection.send({"type": "http.response.body", "body": body, "more_body": False})

    async def _next_message(self) -> Message:
        """The server's next message, or a disconnect of our own making."""
        if self._hung_up:
            return {"type": "http.disconnect"}
        if not self._is_too_large and _length(self._scope) > self._most:
            return self._end_body()
        message = await self._hear()
        while self._is_too_large and message["type"] == "http.request":
            message = await self._hear()
        self._received += len(message.get("body", b""))
        if self._received > self._most:
            return self._end_body()  # it is longer than was announced, or nothing was
        return message

    async def _hear(self) -> Message:
        self._listening = listening = asyncio.current_task()
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if not self._hung_up or listening is None or listening.uncancel():
                raise  # somebody else wants it to end
            message = {"type": "http.disconnect"}
        finally:
            self._listening = None
        self._saw_disconnect = self._saw_disconnect or message["type"] == "http.disconnect"
        if message["type"] == "http.request" and not message.get("more_body", False):
            await self._take_place()
        return message

    def _hang_up(self) -> None:
        """From now on the client is gone, as far as Django is told. No task waits for that: a thousand would."""
        if not self._hung_up:
            self._hung_up = True
            if self._listening is not None:
                self._listening.cancel()

    def _end_body(self) -> Message:
        """What more of it comes is dropped. Django is told a length that it refuses with 413."""
        self._is_too_large = True
        self._received = 0
        others = [(name, value) for name, value in self._scope["headers"] if name != b"content-length"]
        length = max(_length(self._scope), self._most + 1)
        self._scope["headers"] = [*others, (b"content-length", b"%d" % length)]
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _take_place(self) -> None:
        """When the request is there as a whole, so that one who sends it slowly takes nobody's place meanwhile."""
        if self._needs_place:
            self._needs_place = False
            place = _places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(PAGES))
            await place.acquire()
            self._place = place

    def _give_place_back(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            place.release()

    async def _send(self, message: Message) -> None:
        if self._is_declined:
            return
        if self._connection.is_gone:
            self._ended = True
            self._hang_up()
            return
        begins = False
        if message["type"] == "http.response.start":
            self._began = True
            self._give_place_back()  # the answer is made; one who takes it slowly takes nobody's place
            self._is_stream = any(
                name.lower() == b"content-type" and value.startswith(b"text/event-stream")
                for name, value in message["headers"]
            )
            self._connection.brake()
        elif message["type"] == "http.response.body":
            if self._connection.first is None:
                self._connection.first = message.get("body", b"")
                begins = self._is_stream
            if not message.get("more_body", False):
                self._ended = True
                self._connection.release()
        try:
            async with asyncio.timeout(STALLED_SECONDS):
                await self._connection.send(message)
        except TimeoutError:
            logger.info("action=cut-off path=%s: nothing was read for %d s", self._scope["path"], STALLED_SECONDS)
            self._abort()
        if begins:
            self._connection.shed()
            self._scope["headers"].clear()  # the server's own list: nobody reads it any more

    async def _break_off(self) -> None:
        """A response that began and will not be completed. A stream says so; anything else is seen to be cut short."""
        if self._is_stream and not self._saw_disconnect and not self._hung_up:
            problem = frames.control("problem", {"detail": "Something failed here."})
            with contextlib.suppress(Exception):
                await self._send({"type": "http.response.body", "body": problem, "more_body": True})
                await self._send({"type": "http.response.body", "body": b""})
                return
        self._abort()

    def _abort(self) -> None:
        self._ended = True
        self._connection.abort()
        self._hang_up()


def _length(scope: Message) -> int:
    """Of the request's body, as its header says; 0 where it does not."""
    found = [value for name, value in scope["headers"] if name == b"content-length" and value.isdigit()]
    return int(found[0][:20]) if found else 0
