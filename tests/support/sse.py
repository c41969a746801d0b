"""A client for server-sent events on a raw socket, that can be cut at any byte."""

import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Message:
    """One block of a stream, up to its blank line. What the block does not have is None."""

    id: str | None = None
    event: str | None = None
    data: str | None = None
    retry: int | None = None
    comment: str | None = None

    @property
    def seq(self) -> int | None:
        return int(self.id) if self.id is not None else None

    @property
    def json(self) -> Any:
        """`data` as JSON; None where there is none."""
        return None if self.data is None else json.loads(self.data)


class SseClient:
    """GETs `path` and reads the stream. Opened at once: `status` and `headers` (lower-case names) are there.

    A status other than 200 is no error: `body()` has its text. `ended`: the server closed the body in order.
    """

    def __init__(
        self,
        port: int,
        path: str,
        *,
        token: str | None = None,
        last_event_id: int | str | None = None,
        headers: dict[str, str] | None = None,
        host: str = "127.0.0.1",
        method: str = "GET",
        seconds: float = 15,
        receive_buffer: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.last_event_id = None if last_event_id is None else str(last_event_id)
        self.ended = False
        self.received = 0
        """Bytes of the body so far, as they came over the wire."""
        self._seconds = seconds
        self._buffer = b""  # from the wire
        self._text = b""  # of the body, not yet taken apart
        self._left = 0  # of the current chunk
        self._limit: int | None = None
        self._deadline: float | None = None
        self._tls = tls
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(seconds)
        try:
            self._ask(host, port, path, token, headers or {}, method)
        except BaseException:
            self.socket.close()
            raise

    def _ask(self, host: str, port: int, path: str, token: str | None, headers: dict[str, str], method: str) -> None:
        self.socket.connect((host, port))
        if self._tls is not None:
            self.socket = self._tls.wrap_socket(self.socket)
        fields = {"Host": f"{host}:{port}", "Accept": "text/event-stream"} | headers
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        if self.last_event_id is not None:
            fields["Last-Event-ID"] = self.last_event_id
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.status, self.headers = self._read_head()
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        length = self.headers.get("content-length")
        self._length = int(length) if length is not None and not self._chunked else None
        if method == "HEAD" or self.status == 204 or self._length == 0:
            self.ended = True

    def events(self, seconds: float | None = None) -> Iterator[Message]:
        """Every block as it arrives, to the end of the stream. Waiting longer than `seconds` for bytes fails."""
        while True:
            block, found, rest = self._text.partition(b"\n\n")
            if found:
                self._text = rest
                message = parse_block(block.decode("utf-8"))
                if message is not None:
                    if message.id is not None:
                        self.last_event_id = message.id
                    yield message
                continue
            if not self._more(seconds):
                return

    def read_until(self, predicate: Callable[[Message], bool], seconds: float = 20) -> list[Message]:
        """All messages up to the first that fits, included. Fails at the end of the stream, or after `seconds`."""
        deadline = time.monotonic() + seconds
        messages: list[Message] = []
        try:
            for message in self._until(deadline):
                messages.append(message)
                if predicate(message):
                    return messages
        except TimeoutError:
            raise AssertionError(f"no such message within {seconds} s, but {_summary(messages)}") from None
        raise AssertionError(f"the stream ended before such a message; it had {_summary(messages)}")

    def read_all(self, seconds: float = 20) -> list[Message]:
        """All messages to the end of the stream, which has to come within `seconds`."""
        messages: list[Message] = []
        try:
            messages.extend(self._until(time.monotonic() + seconds))
        except TimeoutError:
            raise AssertionError(f"the stream still runs after {seconds} s; it had {_summary(messages)}") from None
        return messages

    def cut_after(self, size: int, seconds: float = 20) -> list[Message]:
        """Take `size` more bytes from the wire, then reset the connection: the messages that came whole."""
        self._limit = self.received + size
        messages = list(self._until(time.monotonic() + seconds))
        self.abort()
        return messages

    def body(self) -> str:
        """The rest of the body as text, to its end."""
        while self._more(None):
            pass
        text, self._text = self._text, b""
        return text.decode("utf-8", "replace")

    def close(self) -> None:
        self.socket.close()

    def abort(self) -> None:
        """Reset the connection (RST), as a client that vanished would."""
        if self.socket.fileno() != -1:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> "SseClient":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _until(self, deadline: float) -> Iterator[Message]:
        self._deadline = deadline
        try:
            yield from self.events()
        finally:
            self._deadline = None

    def _receive(self, seconds: float | None) -> bytes:
        """Bytes from the wire; b"" at its end, or where `cut_after` wants the cut. TimeoutError."""
        size = 65536
        if self._limit is not None:
            size = min(size, self._limit - self.received)
            if size <= 0:
                return b""
        wait = self._seconds if seconds is None else seconds
        if self._deadline is not None:
            wait = min(self._deadline - time.monotonic(), 600) if seconds is None else wait
            if wait <= 0:
                raise TimeoutError
        self.socket.settimeout(wait)
        try:
            data = self.socket.recv(size)
        except ConnectionResetError:
            return b""
        self.received += len(data)
        return data

    def _more(self, seconds: float | None) -> bool:
        """Move what arrives into `_text`. False at the end."""
        if self.ended or self.socket.fileno() == -1:
            return False
        if not self._buffer:
            self._buffer = self._receive(seconds)
            if not self._buffer:
                self.ended = not self._chunked and self._length is None and self._limit is None
                return False
        if not self._chunked:
            self._text += self._buffer
            if self._length is not None:
                self._length -= len(self._buffer)
                self.ended = self._length <= 0
            self._buffer = b""
            return True
        return self._unchunk(seconds)

    def _unchunk(self, seconds: float | None) -> bool:
        if self._left == 0:  # at a chunk's head: its size in hexadecimal, perhaps the line end of the one before
            while b"\n" not in self._buffer.lstrip(b"\r\n"):
                data = self._receive(seconds)
                if not data:
                    return False
                self._buffer += data
            size, _, self._buffer = self._buffer.lstrip(b"\r\n").partition(b"\n")
            self._left = int(size.split(b";")[0], 16)
            if self._left == 0:
                self.ended = True
                return False
        part, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
        self._left -= len(part)
        self._text += part
        return True

    def _read_head(self) -> tuple[int, dict[str, str]]:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            # Not a byte more than the head, so that `cut_after` counts all of the body.
            peeked = self._tls is None  # else byte by byte: there is no other way to look
            waiting = self.socket.recv(65536, socket.MSG_PEEK) if peeked else self.socket.recv(1)
            if not waiting:
                raise AssertionError(f"the connection ended before an answer: {head!r}")
            end = (head + waiting).find(b"\r\n\r\n")
            head += self.socket.recv(len(waiting) if end < 0 else end + 4 - len(head)) if peeked else waiting
        head = head.removesuffix(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in rest)
        return int(first.split()[1]), {name.strip().lower(): value.strip() for name, _, value in fields}


def parse_block(text: str) -> Message | None:
    """The lines of one block as a Message; None for one without any field."""
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        if not line.strip("\r"):
            continue
        name, _, value = line.partition(":")
        found.setdefault(name or "comment", []).append(value.removeprefix(" "))
    if not found:
        return None
    retry = found.get("retry", [""])[-1]
    return Message(
        id=found["id"][-1] if "id" in found else None,
        event=found["event"][-1] if "event" in found else None,
        data="\n".join(found["data"]) if "data" in found else None,
        retry=int(retry) if retry.isdigit() else None,
        comment="\n".join(found["comment"]) if "comment" in found else None,
    )


def _summary(messages: list[Message]) -> str:
    last = ", ".join(f"{message.event or 'comment'} {message.id or ''}".strip() for message in messages[-10:])
    return f"{len(messages)} messages, the last: {last or 'none'}"
