"""Events as readers get them, from their rows: a `log` event as compact JSON, without raw line breaks; any other as it
stands there.

Every viewer's replay comes through here, a hundred thousand events at a time: no model, no parsing of times, and
nothing is done for each event that can be done once for all of a step, or of an append.
"""

import json
from collections.abc import Callable, Collection, Generator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from . import logbytes
from .models import iso

Names = Callable[[], Sequence[str]]
"""Asks for the names of a build's steps, where nobody has them yet."""
Other = Callable[[int, str, str], str]
"""Makes the text of an event that is no `log` event, of its seq, kind and data."""

_quoted = json.encoder.encode_basestring  # type: ignore[attr-defined]
"""As `json` has a text. What the database has is without halves of surrogate pairs."""


class Around(NamedTuple):
    """What stands around an event: before its number, between that and its data, and behind."""

    before: str
    between: str
    behind: str


def told(
    build_id: int, after: int, limit: int, names: Names, kinds: Collection[str] | None, size: int
) -> Generator[tuple[int, str, str], None, None]:
    """Up to `limit` events above `after`, in order, as (seq, kind, data), and no further than the one that passes
    `size` bytes of text. `kinds`: of these alone. To be closed: its query is open meanwhile."""
    heads, ends, moments = _Heads(names), _Ends(), _Moments()
    with logbytes.events(build_id, after, limit, kinds, size) as rows:
        for seq, which, at, line, body in rows:
            if head := heads[which]:
                yield seq, "log", f'{head}{line},"text":{_quoted(body)},"at":"{moments[at]}{ends[which]}'
            else:
                yield seq, which, body
            size -= len(body)
            if size < 0:
                return


def written(
    build_id: int,
    after: int,
    limit: int,
    names: Names,
    size: int,
    log: Around,
    other: Other,
) -> tuple[list[str], int]:
    """The same with what stands around a `log` event, one text each, and the seq of the last one; `after` where there
    is none."""
    before, between, behind = log
    heads, ends, moments = _Heads(names, between), _Ends(behind), _Moments()
    found: list[str] = []
    last = after
    with logbytes.events(build_id, after, limit, None, size) as rows:
        for last, which, at, line, body in rows:
            if head := heads[which]:
                found.append(f'{before}{last}{head}{line},"text":{_quoted(body)},"at":"{moments[at]}{ends[which]}')
            else:
                found.append(other(last, which, body))
            size -= len(body)
            if size < 0:
                break
    return found, last


class _Heads(dict[Any, str]):
    """How the data of an event begins, by what `logbytes` tells of it; empty where it is not of a `log` event."""

    def __init__(self, names: Names, between: str = "") -> None:
        self._names = names
        self._between = between

    def __missing__(self, which: Any) -> str:
        head = ""
        if (place := logbytes.step(which)) is not None:
            head = f'{self._between}{{"step":{json.dumps(self._names()[place], ensure_ascii=False)},"line":'
        self[which] = head
        return head


class _Ends(dict[Any, str]):
    """How it ends, after its time."""

    def __init__(self, behind: str = "") -> None:
        self._behind = behind

    def __missing__(self, which: Any) -> str:
        open_ = ',"open":true' if logbytes.is_open(which) else ""
        self[which] = f'"{open_}}}{self._behind}'
        return self[which]


class _Moments(dict[Any, str]):
    """Times as `iso` has them: an append's events have one."""

    def __missing__(self, at: str | bytes) -> str:
        moment = self[at] = _from_text(at) if isinstance(at, str) else _from_binary(at)
        return moment


def _from_text(at: str) -> str:
    """SQLite has the text that Django has put there: in UTC, its fraction left out where it is 0."""
    return f"{at[:10]}T{at[11:19]}{at[19:23] or '.000'}Z"


_BEGAN = datetime(2000, 1, 1, tzinfo=UTC)


def _from_binary(at: bytes) -> str:
    """PostgreSQL counts microseconds, from 2000 on."""
    return iso(_BEGAN + timedelta(microseconds=int.from_bytes(at, "big", signed=True))) or ""
