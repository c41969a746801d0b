"""Server-Sent Events: stored records and control events → bytes, and a frame back into its parts. Pure.

A frame of a stored event carries its number as `id`; a control event has none and so moves no cursor.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

from ..telling import Around

LOG = Around("id: ", "\nevent: log\ndata: ", "\n\n")
"""What makes a message of a `log` event, in whose data there can be no line break."""
_BREAKS = re.compile(r"\r\n|\r|\n")
_FORBIDDEN = re.compile(r"[\r\n\0]")


class Frame(NamedTuple):
    """One encoded event. `key`: a newer frame with the same key replaces this one; `project`: whose it is."""

    id: int
    key: int
    project: int
    body: bytes


class Packed(Sequence[Frame]):
    """Frames of one build's log in one body. They are taken apart only for whoever looks into them."""

    def __init__(self, body: bytes, count: int, project: int) -> None:
        self._body = body
        self._count = count
        self._project = project

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        for body in self._body.split(b"\n\n")[:-1]:  # no data has a blank line in it
            number = int(body[4 : body.index(b"\n")])
            yield Frame(number, number, self._project, body + b"\n\n")

    @overload
    def __getitem__(self, place: int) -> Frame: ...
    @overload
    def __getitem__(self, place: slice) -> list[Frame]: ...
    def __getitem__(self, place: int | slice) -> Frame | list[Frame]:
        return list(self)[place]


class Slice(NamedTuple):
    """What is sent in one write: `body` is that of its frames; `upto`: the cursor of whoever has it."""

    frames: Sequence[Frame]
    body: bytes
    upto: int


def encode(number: int, kind: str, data: str) -> bytes:
    """A stored event. `data` with raw line breaks is split over several `data:` lines, which a reader joins by LF."""
    return text(number, kind, data).encode("utf-8", "replace")


def text(number: int, kind: str, data: str) -> str:
    """The same before it is bytes."""
    return _message(f"id: {number:d}\n", kind, data)


def control(kind: str, data: dict[str, Any] | None = None) -> bytes:
    """An event about the stream itself: no `id`."""
    said = json.dumps(data or {}, ensure_ascii=False, separators=(",", ":"))
    return _message("", kind, said).encode("utf-8", "replace")


def comment(text: str) -> bytes:
    return f": {_clean(text)}\n".encode("utf-8", "replace")


def retry(milliseconds: int) -> bytes:
    """How long a browser waits before it comes back. Ends with a blank line: it belongs to no event."""
    return f"retry: {milliseconds:d}\n\n".encode()


def fields(body: bytes) -> tuple[int, str, str]:
    """The number, kind and data of a frame that `encode` made."""
    number, kind, *data = body.decode().rstrip("\n").split("\n")
    return int(number.removeprefix("id: ")), kind.removeprefix("event: "), "\n".join(_value(line) for line in data)


def kind(body: bytes) -> str:
    """The kind of a frame that `encode` made; its data is not looked at."""
    return body.split(b"\n", 2)[1].removeprefix(b"event: ").decode()


def as_json(body: bytes) -> str:
    """A stored event's frame as `{"id", "kind", "data"}`; its data is JSON already and is not parsed again."""
    number, kind, data = fields(body)
    return f'{{"id":{number},"kind":{json.dumps(kind)},"data":{data}}}'


def _message(head: str, kind: str, data: str) -> str:
    lines = "".join(f"data: {line}\n" for line in _BREAKS.split(data))
    return f"{head}event: {_clean(kind)}\n{lines}\n"


def _clean(text: str) -> str:
    """`text` if it fits on one line of the format; a break in it would let whoever chose it write other fields."""
    if _FORBIDDEN.search(text):
        raise ValueError(f"a line break or NUL in {text[:40]!r}")
    return text


def _value(line: str) -> str:
    return line.removeprefix("data: ")
