"""Rows of a log as they are stored, in the cheapest statement that each database has: for whoever passes on much of a
log and looks at little of it. What they mean, `events.py` and `blocks.py` know.

On PostgreSQL rows come in its own binary form: else a block would come as hexadecimal digits, twice as long.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connection

from .models import Event

_TABLE = Event._meta.db_table
_COLUMNS = "seq, kind, at, step, line, lines, open, body"
_TOLD = {
    # In SQLite no columns, but expressions: none is parsed.
    "sqlite": "seq, CASE WHEN step IS NULL THEN kind ELSE step * 2 + open END, +at, line, body",
    "postgresql": "seq, CASE WHEN step IS NULL THEN kind ELSE (step * 2 + open::int)::text END, at, line, body",
}
_STORED = {
    "sqlite": "seq, kind, step, line, lines, +open, CAST(body AS BLOB)",
    "postgresql": "seq, kind, step, line, lines, open, body",
}


class Row(NamedTuple):
    """A stored event as it stands there."""

    seq: int
    kind: str
    step: int
    """Position. This and what follows: of a `log` event."""
    line: int
    lines: int
    open: bool
    body: bytes
    """In UTF-8."""


@contextmanager
def events(
    build_id: int, after: int, limit: int, kinds: Collection[str] | None, size: int
) -> Iterator[Iterable[tuple[int, Any, Any, int, str]]]:
    """Up to `limit` events above `after`, in order, for whoever reads no further than the one that passes `size` bytes:
    seq, which (see `step`), time as the database has it, first line, body. `kinds`: of these alone."""
    with cursor() as reading:
        reading.execute(*_query(build_id, after, limit, kinds, size, _TOLD))
        yield reading if connection.vendor == "sqlite" else reading.fetchall()


def step(which: int | str) -> int | None:
    """The position of the step that a `log` event is of, by what `events` tells of it; None: it is of another kind,
    which is `which`."""
    return int(which) // 2 if isinstance(which, int) or which.isdigit() else None


def is_open(which: int | str) -> bool:
    return int(which) % 2 == 1


def _query(
    build_id: int, after: int, limit: int, kinds: Collection[str] | None, size: int, columns: dict[str, str]
) -> tuple[str, list[Any]]:
    where, wanted = "build_id = %s AND seq > %s", [build_id, after, *(kinds or ())]
    if kinds:
        where += f" AND kind IN ({', '.join(['%s'] * len(kinds))})"
    rows = f"SELECT {{}} FROM {_TABLE} WHERE {where} ORDER BY seq LIMIT %s"  # noqa: S608 - no word of anybody else's
    vendor = connection.vendor
    if vendor == "sqlite":  # it makes rows as they are asked for; of PostgreSQL all would come
        return rows.format(columns[vendor]), [*wanted, limit]
    before = "sum(octet_length(body)) OVER (ORDER BY seq) - octet_length(body) AS before"
    bounded = f"SELECT {columns[vendor]} FROM ({rows}) AS found WHERE before <= %s ORDER BY seq"  # noqa: S608
    return bounded.format(f"{_COLUMNS}, {before}"), [*wanted, limit, size]


def rows(build_id: int, after: int, head: int, size: int, most: int) -> list[Row]:
    """The events above `after`, up to the one that passes `size` bytes, or the first one from `head` on, or `most` of
    them: at least one, where there is one. PostgreSQL looks at the sizes of so many."""
    found: list[Row] = []
    with cursor("text") as reading:
        reading.execute(*_query(build_id, after, most, (), size, _STORED))
        for row in map(Row._make, reading if connection.vendor == "sqlite" else reading.fetchall()):
            found.append(row)
            size -= len(row.body)
            if size < 0 or row.seq >= head:
                break
    return found


def fetched(words: str, values: Sequence[Any]) -> list[Any]:
    """All rows of a query."""
    with cursor() as reading:
        reading.execute(words, values)
        return reading.fetchall()


def cursor(*types: str) -> Any:
    """Django's. PostgreSQL's times, and what has one of these `types`, come as their bytes."""
    if connection.vendor == "sqlite":
        return connection.cursor()
    from psycopg import Cursor
    from psycopg.pq import Format
    from psycopg.types.string import ByteaBinaryLoader

    connection.ensure_connection()
    reading: Cursor[Any] = Cursor(connection.connection)
    reading.format = Format.BINARY
    for name in ("timestamptz", *types):
        reading.adapters.register_loader(name, ByteaBinaryLoader)
    return connection._prepare_cursor(reading)  # type: ignore[attr-defined]
