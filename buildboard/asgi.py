"""The doorman: stands between the server and Django, and sees to what neither does.

- The live wing's requests share one thread. Django would give each its own, for as long as its stream lasts.
- A server that cancels a request never reaches the view: Django leaves its own tasks behind (and Python 3.11 may crash
  in them at exit). So Django runs as a task of its own, which is told of a disconnect and waited for.
- A cancellation of an open request means that the server stops: its stream says `restart` first.
- Nothing raises out of here once a response has begun: daphne would leave that connection open and silent for ever.
- A body that is larger than the board takes is dropped as it comes (daphne itself has received it by then).
- A viewer that reads slower than it is sent to holds the sender up; after `STALLED_SECONDS` it is cut off.
- Pages are made by so many threads at a time as `PAGES` says, however many ask; whoever asks then waits for a place.
- This is a web process, so its threads are to know when the database is away (`presence.py`).
"""

import asyncio
import contextlib
import gc
import logging
import os
import re
import signal
import socket
import struct
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "buildboard.settings")
django = get_asgi_application()

from builds.live import frames, hub, stream  # noqa: E402 - they need Django's settings
from builds.live.logs import CutShort  # noqa: E402

from . import postgresql  # noqa: E402

logger = logging.getLogger(__name__)
gc.set_threshold(20_000, 20, 50)  # with a thousand viewers the default makes the slowest deliveries three times slower

LIVE_PATHS = re.compile(r"(?:/builds/\d+)?/(?:events/|events\.json)|/builds/\d+/(?:log\.txt|log/|search/)")
"""The live wing's alone: a page or the admin's event log would hold up every stream that shares their thread."""

PLACELESS = frozenset({"/healthz"})
"""Answered whatever else goes on."""
PAGES = 32
"""Twice the connections of the pool: a page that waits for one holds up no page that needs none."""

FAREWELL_SECONDS = 3.0
STALLED_SECONDS = 60.0
UNBRAKED_BYTES = 8 * 1024 * 1024
"""Where a server's brake is not found, a connection ends itself after so much, and comes back with its cursor."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_one_thread = ThreadPoolExecutor(1, thread_name_prefix="live-requests")
_places: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]" = weakref.WeakKeyDictionary()
postgresql.guard()


async def application(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await _Request(scope, receive, send).serve()
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

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self._farewell = asyncio.get_running_loop().create_future()
        """Done when this request is to end on purpose: its stream looks for it in the scope."""
        self._scope = scope | {stream.FAREWELL: self._farewell}
        self._receive = receive
        self._connection = _connection(send)
        self._is_live = LIVE_PATHS.fullmatch(scope["path"]) is not None
        self._needs_place = not self._is_live and scope["path"] not in PLACELESS
        self._place: asyncio.Semaphore | None = None
        self._hung_up = asyncio.get_running_loop().create_future()
        self._saw_disconnect = False
        self._began = self._ended = self._is_stream = False
        self._received = 0
        self._is_too_large = False

    async def serve(self) -> None:
        inner = asyncio.create_task(self._django())
        try:
            await asyncio.shield(inner)
        except asyncio.CancelledError:
            if not inner.done():
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
                await django(self._scope, self._next_message, self._send)
        else:
            await django(self._scope, self._next_message, self._send)

    async def _leave(self, inner: asyncio.Task) -> None:
        """The server has cancelled this request. Returns in order: a server that waits for all of its requests would
        take the first one that raises for the end of them."""
        if self._is_stream and not self._saw_disconnect:
            self._farewell.set_result(None)
            await asyncio.wait({inner}, timeout=FAREWELL_SECONDS / 2)
        if not self._hung_up.done():
            self._hung_up.set_result(None)
        _, late = await asyncio.wait({inner}, timeout=FAREWELL_SECONDS / 2)
        for task in late:
            task.cancel()
        await asyncio.gather(inner, return_exceptions=True)
        await asyncio.sleep(0.05)  # the server's buffers reach the network before it closes it

    async def _next_message(self) -> Message:
        """The server's next message, or a disconnect of our own making."""
        if self._hung_up.done():
            return {"type": "http.disconnect"}
        if not self._is_too_large and _length(self._scope) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return self._end_body()
        message = await self._hear()
        while self._is_too_large and message["type"] == "http.request":
            message = await self._hear()
        self._received += len(message.get("body", b""))
        if self._received > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return self._end_body()  # it is longer than was announced, or nothing was
        return message

    async def _hear(self) -> Message:
        receiving = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait({receiving, self._hung_up}, return_when=asyncio.FIRST_COMPLETED)
            message = receiving.result() if receiving.done() else {"type": "http.disconnect"}
        finally:
            receiving.cancel()
        self._saw_disconnect = self._saw_disconnect or message["type"] == "http.disconnect"
        if message["type"] == "http.request" and not message.get("more_body", False):
            await self._take_place()
        return message

    def _end_body(self) -> Message:
        """What more of it comes is dropped. Django is told a length that it refuses with 413."""
        self._is_too_large = True
        self._received = 0
        others = [(name, value) for name, value in self._scope["headers"] if name != b"content-length"]
        length = max(_length(self._scope), settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
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
        if message["type"] == "http.response.start":
            self._began = True
            self._give_place_back()  # the answer is made; one who takes it slowly takes nobody's place
            self._is_stream = any(
                name.lower() == b"content-type" and value.startswith(b"text/event-stream")
                for name, value in message["headers"]
            )
            self._connection.brake()
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self._ended = True
            self._connection.release()
        try:
            async with asyncio.timeout(STALLED_SECONDS):
                await self._connection.send(message)
        except TimeoutError:
            logger.info("action=cut-off path=%s: nothing was read for %d s", self._scope["path"], STALLED_SECONDS)
            self._abort()

    async def _break_off(self) -> None:
        """A response that began and will not be completed. A stream says so; anything else is seen to be cut short."""
        if self._is_stream and not self._saw_disconnect and not self._hung_up.done():
            problem = frames.control("problem", {"detail": "Something failed here."})
            with contextlib.suppress(Exception):
                await self._send({"type": "http.response.body", "body": problem, "more_body": True})
                await self._send({"type": "http.response.body", "body": b""})
                return
        self._abort()

    def _abort(self) -> None:
        self._ended = True
        self._connection.abort()
        if not self._hung_up.done():
            self._hung_up.set_result(None)


def _length(scope: Message) -> int:
    """Of the request's body, as its header says; 0 where it does not."""
    found = [value for name, value in scope["headers"] if name == b"content-length" and value.isdigit()]
    return int(found[0][:20]) if found else 0


class _Connection:
    """A server's `send`, and what it lets us do to the connection behind it. This one: nothing but send."""

    def __init__(self, send: Send) -> None:
        self.send = send

    def brake(self) -> None:
        """From now on `send` returns when the client has taken enough of what was sent."""

    def release(self) -> None:
        """The last part is about to be sent."""

    def abort(self) -> None:
        """Close at once, so that a client can tell that it has not got everything."""


class _Uvicorn(_Connection):
    """Its `send` waits for slow readers by itself."""

    def abort(self) -> None:
        transport = self.send.__self__.transport
        connection = transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError, ValueError):  # else the system would go on trying to deliver what it has
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class _Daphne(_Connection):
    """Its `send` never waits. Twisted tells a push producer when to pause, and that is what the sender waits for."""

    def __init__(self, send: partial) -> None:
        super().__init__(self._send_and_wait)
        self._reply = send
        self._request = send.args[0]
        self._may_send = asyncio.Event()
        self._may_send.set()
        self._is_braked = False
        self._sent = 0

    async def _send_and_wait(self, message: Message) -> None:
        await self._reply(message)
        if self._is_braked:
            await self._may_send.wait()
        elif message.get("more_body", False):
            self._sent += len(message["body"])
            if self._sent > UNBRAKED_BYTES:
                self.abort()

    def brake(self) -> None:
        try:
            self._request.registerProducer(self, True)
            self._is_braked = True
        except Exception as error:
            logger.debug("action=brake error=%r", error)

    def release(self) -> None:
        if self._is_braked:
            self._is_braked = False
            with contextlib.suppress(Exception):  # the client may have gone, and Twisted's objects with it
                self._request.unregisterProducer()

    def abort(self) -> None:
        self.release()
        channel = self._request.channel
        if channel is not None and channel.transport is not None:  # else the client has gone already
            channel.transport.abortConnection()

    # Twisted's IPushProducer

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._may_send.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._may_send.set()

    def stopProducing(self) -> None:  # noqa: N802
        self._may_send.set()


def _connection(send: Send) -> _Connection:
    if isinstance(send, partial) and type(send.args[0]).__module__.startswith("daphne."):
        return _Daphne(send)
    if type(getattr(send, "__self__", None)).__module__.startswith("uvicorn."):
        return _Uvicorn(send)
    return _Connection(send)
