"""Chunks of a log as rows: written in the fewest and cheapest statements that each database has, since nothing is
written as often. What is written, and under which numbers, `events.py` decides; any other event goes by the models.

On PostgreSQL one statement takes the numbers and stores the rows: one way to the server and back, and one commit. The
text goes as it is, not quoted within the statement, which is then short whatever it stores.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from .models import Build, Event

_EVENT, _BUILD = Event._meta.db_table, Build._meta.db_table
_INSERT = f"""
INSERT INTO {_EVENT} (build_id, kind, at, open, seq, step, line, lines, body)
VALUES (%s, 'log', %s, %s, %s, %s, %s, %s, %s)
"""  # noqa: S608 - names of tables
_TAKE_AND_INSERT = f"""
WITH taken AS (
    UPDATE {_BUILD} SET head = head + %s, renewal = renewal + 1 WHERE id = %s AND lease_token = %s AND head = %s
    RETURNING id, head, cancel_requested_at IS NOT NULL AS cancelled
), stored AS (
    INSERT INTO {_EVENT} (build_id, kind, at, open, seq, step, line, lines, body)
    SELECT taken.id, 'log', %s, given.*
    FROM taken, unnest(%b::bool[], %b::bigint[], %b::smallint[], %b::bigint[], %b::int[], %b::text[]) AS given
)
SELECT cancelled FROM taken
"""  # noqa: S608


class Row(NamedTuple):
    """A `log` event, but for its build and its time."""

    open: bool
    seq: int
    step: int
    line: int
    lines: int
    body: str


def insert(build_id: int, rows: Sequence[Row], at: datetime) -> None:
    """Inside the transaction that has taken their numbers."""
    when = connection.ops.adapt_datetimefield_value(at)
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, [(build_id, when, *row) for row in rows])


def can_take() -> bool:
    """Whether the database has a statement that does all of it."""
    return connection.vendor == "postgresql"


def take_and_insert(build_id: int, token: str, head: int, rows: Sequence[Row], at: datetime) -> bool | None:
    """In one statement: take the numbers above `head` where the build is leased by `token` and `head` is its head, and
    store `rows` under them. Whether a cancel was requested; None: they were not taken, and nothing has changed."""
    from psycopg import Cursor

    connection.ensure_connection()
    # As Django's cursor, but one that does not write the parameters into the statement.
    with connection._prepare_cursor(Cursor(connection.connection)) as cursor:  # type: ignore[attr-defined]
        columns = [list(column) for column in zip(*rows, strict=True)]
        cursor.execute(_TAKE_AND_INSERT, [len(rows), build_id, token, head, at, *columns])
        found: tuple[bool] | None = cursor.fetchone()
    return found and found[0]
