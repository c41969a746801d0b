"""Server-sent events as the standard parses them: bytes in, cut anywhere, messages out. Pure.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from typing import NamedTuple

MAX_BYTES = 64 * 1024 * 1024
"""Of one message: several times what a board sends."""


class TooLarge(ValueError):
    """What comes is no stream of a board."""


class Message(NamedTuple):
    event: str
    data: str
    id: str | None
    """As this message has it; None: it has none, and moves no cursor."""


class Parser:
    def __init__(self) -> None:
        self.retry: int | None = None
        """Milliseconds, as the stream said last."""
        self._rest = b""
        self._after_cr = False
        self._first = True
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        self._id: str | None = None

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` ends. What is unfinished when a stream ends is no message."""
        if self._after_cr and data.startswith(b"\n"):  # a line end that was cut in two
            data = data[1:]
            self._after_cr = False
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = data.split(b"\n")
        if not lines:
            self._rest += rest
        else:
            lines[0] = self._rest + lines[0]
            self._rest = rest
        if len(self._rest) + self._size > MAX_BYTES:
            raise TooLarge(f"a message of more than {MAX_BYTES:,} bytes")
        found: list[Message] = []
        for line in lines:
            if self._first:
                self._first = False
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line:
                self._field(line)
            else:
                self._end(found)
        return found

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data":
            self._data.append(text)
            self._size += len(value) + 1
        elif name == b"event":
            self._event = text
        elif name == b"id":
            if "\0" not in text:
                self._id = text
        elif name == b"retry" and value and text.isascii() and text.isdigit():
            self.retry = int(text[:9])

    def _end(self, found: list[Message]) -> None:
        if self._data:
            found.append(Message(self._event or "message", "\n".join(self._data), self._id))
        self._event, self._data, self._size, self._id = "", [], 0, None
