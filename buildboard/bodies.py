"""How much of a request's body is taken, by its path; and that daphne receives not much more either.

Daphne receives a whole body, and has it in memory, before it asks the application, which could only drop it then, and
who may not send it is known no sooner. Of a webhook nothing beyond the bound is received; elsewhere something is, so
that whoever sends a little too much has a page that says so.
"""

import re
from typing import Any

from django.conf import settings

HOOKS = "/hooks/"
"""Below it anybody may send."""
PIECE_BYTES = 4 * 1024 * 1024
"""Files from outside come in pieces of so many bytes, so that a board that restarts loses one of them."""
BEYOND = 4
"""So many times the bound is received where it is no webhook."""
_PIECE = re.compile(r"/api/v1/runs/[0-9]+/artifacts/[0-9]+\Z")
LINGER_SECONDS = 5.0
"""For so long what still comes is dropped, so that a client that is busy sending comes to read its answer."""

_REFUSAL = (
    b"HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nCache-Control: no-store\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b"
)


def most(path: str) -> int:
    """Bytes of a body."""
    if path.startswith(HOOKS):
        return settings.BUILDBOARD_MAX_HOOK_KB * 1024
    if _PIECE.match(path):
        return PIECE_BYTES
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def bound_daphne() -> None:
    """From now on, in this process."""
    from daphne import http_protocol
    from twisted.internet import reactor

    class Request(http_protocol.WebRequest):
        """Answers too large a body itself, when its length is known or exceeded."""

        _most = 0
        _bound = 0
        _received = 0
        _is_refused = False

        def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
            path = self.channel._path.decode("ascii", "replace").partition("?")[0]
            self._bound = most(path)
            self._most = self._bound if path.startswith(HOOKS) else self._bound * BEYOND
            is_too_long = (length or 0) > self._most
            super().gotLength(0 if is_too_long else length)
            if is_too_long:
                self._refuse()

        def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
            self._received += len(data)
            if self._received > self._most and not self._is_refused:
                self._refuse()
            if not self._is_refused:
                super().handleContentChunk(data)

        def process(self) -> Any:
            return self.channel.loseConnection() if self._is_refused else super().process()

        def _refuse(self) -> None:
            self._is_refused = True
            said = f"The body is larger than {self._bound // 1024:,} KiB.\n".encode()
            transport = self.channel.transport
            transport.write(_REFUSAL % (len(said), said))
            transport.loseWriteConnection()
            loop: Any = reactor
            closing = loop.callLater(LINGER_SECONDS, transport.abortConnection)
            self.notifyFinish().addBoth(lambda _: closing.cancel() if closing.active() else None)

    http_protocol.WebRequest = Request
