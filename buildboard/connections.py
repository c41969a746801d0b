"""What a server lets the doorman do to the connection behind its `send`: brake a sender, let go, break off."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from .inbox import Inbox

logger = logging.getLogger(__name__)

UNBRAKED_BYTES = 8 * 1024 * 1024
"""Where a server's brake is not found, a connection ends itself after so much, and comes back with its cursor."""

_CHUNKED_BY_UVICORN = "uvicorn.protocols.http.httptools_impl"
"""Of uvicorn's implementations the one whose parts depend on nothing that was sent before."""
_CHUNKED_BY_TWISTED = "twisted.web.http.HTTPChannel"
"""Of Twisted's the same."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Connection:
    """A server's `send`, and what it lets us do to the connection behind it. This one: nothing but send."""

    __slots__ = ("first", "send")

    def __init__(self, send: Send) -> None:
        self.send = send
        self.first: bytes | None = None
        """The first part of a body that was sent."""

    def direct(self, part: bytes) -> Callable[[bytes], bool] | None:
        """Hands the next part of a body to the server at once, in the caller's own turn: for whoever sent `part` first,
        and waits for nothing that was sent since. False: it was not taken, since the client has not taken enough of
        what was sent; it has to go the usual way. None: there is no such way, or `part` did not arrive as it was.
        """
        return self._push if self._can_push() and self.first == part else None

    def _can_push(self) -> bool:
        return False

    def _push(self, body: bytes) -> bool:
        raise NotImplementedError

    @property
    def is_gone(self) -> bool:
        """The client is, though the server has not said so: nothing can be sent any more."""
        return False

    def listen(self, receive: Receive) -> Receive:
        """`receive`, or another one that brings the same and takes less memory. Before anything is received."""
        return receive

    def shed(self) -> None:
        """The first part of a stream was sent: what is kept of the heads of request and response is dropped."""

    def brake(self) -> None:
        """From now on `send` returns when the client has taken enough of what was sent."""

    def release(self) -> None:
        """The last part is about to be sent."""

    def abort(self) -> None:
        """Close at once, so that a client can tell that it has not got everything."""


class _Uvicorn(Connection):
    """Its `send` waits for slow readers by itself."""

    __slots__ = ("_cycle",)

    def __init__(self, send: Send) -> None:
        super().__init__(send)
        self._cycle: Any = send.__self__  # type: ignore[attr-defined]

    def _can_push(self) -> bool:
        cycle = self._cycle
        return type(cycle).__module__ == _CHUNKED_BY_UVICORN and cycle.chunked_encoding is True

    def _push(self, body: bytes) -> bool:
        """What `send` does with a part where it has not to wait."""
        cycle = self._cycle
        transport = cycle.transport
        if cycle.flow.write_paused or cycle.disconnected or cycle.response_complete or transport.is_closing():
            return False
        transport.write(_last.chunk if body is _last.body else _last.of(body))
        return True

    @property
    def is_gone(self) -> bool:
        """Of one that has sent its next request already, uvicorn tells that one alone."""
        closing: bool = self._cycle.transport.is_closing()
        return closing

    def abort(self) -> None:
        transport = self._cycle.transport
        connection = None if transport.is_closing() else transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError, ValueError):  # else the system would go on trying to deliver what it has
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class _Chunk:
    """The last part of a body, as HTTP/1.1 has it: the same bytes for all who are sent it in a row."""

    __slots__ = ("body", "chunk")

    def __init__(self) -> None:
        self.body = self.chunk = b""

    def of(self, body: bytes) -> bytes:
        """Not empty: that would be the end of the response."""
        if body is not self.body:
            self.body, self.chunk = body, b"%x\r\n%b\r\n" % (len(body), body)
        return self.chunk


_last = _Chunk()


class _Daphne(Connection):
    """Its `send` never waits. Twisted tells a push producer when to pause, and that is what the sender waits for."""

    __slots__ = ("_is_braked", "_is_prompt", "_paused", "_reply", "_request", "_sent")

    def __init__(self, send: partial) -> None:
        super().__init__(self._send_and_wait)
        self._reply = send
        self._request = send.args[0]
        self._paused: asyncio.Event | None = None
        """Set when the client has taken enough; None: it has. Made only where one is slow: it takes nearly a KiB."""
        self._is_braked = self._is_prompt = False
        self._sent = 0

    async def _send_and_wait(self, message: Message) -> None:
        if self._is_braked:
            await self._taken()  # a part that was pushed may have been one too many
        await self._reply(message)
        if self._is_braked:
            await self._taken()
        elif message.get("more_body", False):
            self._sent += len(message["body"])
            if self._sent > UNBRAKED_BYTES:
                self.abort()

    async def _taken(self) -> None:
        while (paused := self._paused) is not None:
            await paused.wait()

    def _can_push(self) -> bool:
        channel = self._request.channel
        # What that one is given it hands to its transport as it is: not so HTTP/2's, nor TLS'.
        if f"{type(channel).__module__}.{type(channel).__name__}" == _CHUNKED_BY_TWISTED:
            self._is_prompt = bool(self._request.startedWriting) and hasattr(channel.transport, "write_promptly")
        return self._is_braked

    def _push(self, body: bytes) -> bool:
        request = self._request
        channel = request.channel
        if not self._is_braked or self._paused is not None or request.finished or channel is None:
            return False
        if self._is_prompt:
            chunk = body if not request.chunked else _last.chunk if body is _last.body else _last.of(body)
            channel.transport.write_promptly(chunk)
            request.sentLength += len(body)
        else:
            request.write(body)
        return True

    def listen(self, receive: Receive) -> Receive:
        queue = getattr(receive, "__self__", None)
        if type(queue) is not asyncio.Queue or getattr(self._request, "application_queue", None) is not queue:
            return receive
        inbox = Inbox(queue.get_nowait() for _ in range(queue.qsize()))
        self._request.application_queue = inbox  # of which daphne knows `put_nowait`
        return inbox.get

    def shed(self) -> None:
        if self._request.startedWriting:
            for headers in (self._request.requestHeaders, self._request.responseHeaders):
                for name, _ in tuple(headers.getAllRawHeaders()):
                    headers.removeHeader(name)

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
        channel = self._request.channel  # None, or without a transport: the client has gone already
        if hasattr(channel, "abortConnection"):  # a stream of HTTP/2, of which there may be others on its transport
            channel.abortConnection()
        elif channel is not None and channel.transport is not None:
            channel.transport.abortConnection()

    # Twisted's IPushProducer

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        if self._paused is None:
            self._paused = asyncio.Event()

    def resumeProducing(self) -> None:  # noqa: N802
        paused, self._paused = self._paused, None
        if paused is not None:
            paused.set()

    stopProducing = resumeProducing  # noqa: N815


def behind(send: Send) -> Connection:
    if (
        isinstance(send, partial)
        and send.args
        and any(one.__module__.startswith("daphne.") for one in type(send.args[0]).__mro__)
    ):
        return _Daphne(send)
    if type(getattr(send, "__self__", None)).__module__.startswith("uvicorn."):
        return _Uvicorn(send)
    return Connection(send)
