"""Rows of a log as they are stored, in the cheapest statement that each database has: for whoever passes on much of a
log and looks at little of it. What they mean, `events.py` and `blocks.py` know.

On PostgreSQL rows come in its own binary form: else a block would come as hexadecimal digits, twice as long.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from django.db import connection

from .models import Event

_TABLE = Event._meta.db_table
_COLUMNS = "seq, kind, at, step, line, lines, open, body"
_TOLD = {
    # SQLite has no columns here, but expressions: none is parsed.
    "sqlite": "seq, kind, at || '', step, line, +open, body",
    "postgresql": "seq, kind, at, step, line, open, body",
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


def query(
    build_id: int, after: int, limit: int, kinds: Collection[str] | None, size: int, columns: dict[str, str] = _TOLD
) -> tuple[str, list[Any]]:
    """Words and values of one for the events above `after`, for whoever reads no further than the one that passes
    `size` bytes: (seq, kind, at, step, line, open, body), but for other `columns`, by the database's kind."""
    where, wanted = "build_id = %s AND seq > %s", [build_id, after, *(kinds or ())]
    if kinds:
        where += f" AND kind IN ({', '.join(['%s'] * len(kinds))})"
    rows = f"SELECT {{}} FROM {_TABLE} WHERE {where} ORDER BY seq LIMIT %s"  # noqa: S608 - no word of anybody else's
    found = columns[connection.vendor]
    if connection.vendor == "sqlite":  # it makes rows as they are asked for; of PostgreSQL all would come
        return rows.format(found), [*wanted, limit]
    before = "sum(octet_length(body)) OVER (ORDER BY seq) - octet_length(body) AS before"
    bounded = f"SELECT {found} FROM ({rows}) AS found WHERE before <= %s ORDER BY seq"  # noqa: S608
    return bounded.format(f"{_COLUMNS}, {before}"), [*wanted, limit, size]


def rows(build_id: int, after: int, head: int, size: int, most: int) -> list[Row]:
    """The events above `after`, up to the one that passes `size` bytes, or the first one from `head` on, or `most` of
    them: at least one, where there is one. PostgreSQL looks at the sizes of so many."""
    found: list[Row] = []
    with cursor() as reading:
        reading.execute(*query(build_id, after, most, (), size, _STORED))
        for row in map(Row._make, reading):
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


def cursor() -> Any:
    """Django's, for which a text of PostgreSQL is its bytes. Times do not come this way: Django reads them as text."""
    if connection.vendor == "sqlite":
        return connection.cursor()
    from psycopg import Cursor
    from psycopg.pq import Format
    from psycopg.types.string import ByteaBinaryLoader

    connection.ensure_connection()
    reading: Cursor[Any] = Cursor(connection.connection)
    reading.format = Format.BINARY
    reading.adapters.register_loader("text", ByteaBinaryLoader)
    return connection._prepare_cursor(reading)  # type: ignore[attr-defined]
