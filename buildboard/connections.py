"""What a server lets the doorman do to the connection behind its `send`: brake a sender, let go, break off."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

logger = logging.getLogger(__name__)

UNBRAKED_BYTES = 8 * 1024 * 1024
"""Where a server's brake is not found, a connection ends itself after so much, and comes back with its cursor."""

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Connection:
    """A server's `send`, and what it lets us do to the connection behind it. This one: nothing but send."""

    def __init__(self, send: Send) -> None:
        self.send = send

    def brake(self) -> None:
        """From now on `send` returns when the client has taken enough of what was sent."""

    def release(self) -> None:
        """The last part is about to be sent."""

    def abort(self) -> None:
        """Close at once, so that a client can tell that it has not got everything."""


class _Uvicorn(Connection):
    """Its `send` waits for slow readers by itself."""

    def abort(self) -> None:
        transport = self.send.__self__.transport  # type: ignore[attr-defined]
        connection = transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError, ValueError):  # else the system would go on trying to deliver what it has
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class _Daphne(Connection):
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


def behind(send: Send) -> Connection:
    if isinstance(send, partial) and any(one.__module__.startswith("daphne.") for one in type(send.args[0]).__mro__):
        return _Daphne(send)
    if type(getattr(send, "__self__", None)).__module__.startswith("uvicorn."):
        return _Uvicorn(send)
    return Connection(send)
