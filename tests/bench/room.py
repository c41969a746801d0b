"""How much room does a log take, as events and as blocks?"""

import time

from django.db import connection

from builds import retention
from builds.models import Build
from builds.retention import Pace
from tests.support.board import Board

from .databases import on_each
from .figures import Answer
from .prune import old_build

LINES, SHORT_LINES = 100_000, 2_000


def measure(short: bool) -> list[Answer]:
    lines = SHORT_LINES if short else LINES
    answer = Answer(f"bytes a line of a log of {lines:,} lines takes in the database, indexes included")
    on_each(answer, short, lambda name, url: one(answer, name, url, lines))
    return [answer]


def one(answer: Answer, name: str, url: str | None, lines: int) -> None:
    with Board(url) as board:
        board.project("room", "steps: [{name: say, run: 'true'}]")
        with board.database():
            for a_chunk in (1, 10, 1_000):
                empty = _size()
                build_id = old_build("room", 2, lines // a_chunk, a_chunk)
                before = _size() - empty
                began = time.monotonic()
                done = retention.compact(build_id, Pace())
                took = time.monotonic() - began
                after = _size() - empty
                Build.objects.filter(pk=build_id).delete()
                answer.add(
                    database=name,
                    lines_an_event=a_chunk,
                    text=round(done.bytes / lines, 1) if done else None,
                    as_events=round(before / lines, 1),
                    as_blocks=round(after / lines, 1),
                    ratio=round(before / max(after, 1), 1),
                    seconds=round(took, 1),
                )


def _size() -> int:
    """Bytes in use. What deleted rows have left behind does not count: it is used again."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            pages = {}
            for name in ("page_count", "freelist_count", "page_size"):
                pages[name] = cursor.execute(f"PRAGMA {name}").fetchone()[0]
            return (pages["page_count"] - pages["freelist_count"]) * pages["page_size"]
        cursor.execute("VACUUM FULL builds_event")
        cursor.execute("VACUUM FULL builds_logblock")
        cursor.execute("SELECT pg_total_relation_size('builds_event') + pg_total_relation_size('builds_logblock')")
        return cursor.fetchone()[0]
