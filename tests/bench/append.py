"""How fast does the log take lines: one `create()` each, `bulk_create`, and `events.append` with its fence?"""

import time
from collections.abc import Callable

from django.utils import timezone

from builds import events, lifecycle
from builds.events import Chunk, Lease
from builds.models import Build, Event, Project
from tests.support.board import Board

from .databases import on_each
from .figures import Answer

LINE = "compiling module 00000042 of the program, as compilers do"
SECONDS, SHORT_SECONDS = 3.0, 0.2


def measure(short: bool) -> list[Answer]:
    answer = Answer("lines stored a second by one writer")
    on_each(answer, short, lambda name, url: one(answer, name, url, short))
    return [answer]


def one(answer: Answer, name: str, url: str | None, short: bool) -> None:
    seconds = SHORT_SECONDS if short else SECONDS
    with Board(url) as board:
        board.project("append", "steps: [{name: say, run: 'true'}]")
        with board.database():
            for way, write, lines in (
                ("create(), a row a line", a_row_a_line, 1),
                ("bulk_create(), 1,000 rows", thousand_rows, 1_000),
                ("events.append(), 1 line", Appender(1), 1),
                ("events.append(), 10 lines", Appender(10), 10),
                ("events.append(), 1,000 lines", Appender(1_000), 1_000),
            ):
                lease = _leased(way)
                calls, took = _repeat(lambda seq, write=write, lease=lease: write(lease, seq), seconds)
                answer.add(
                    database=name,
                    way=way,
                    lines_per_second=int(calls * lines / took),
                    calls_per_second=int(calls / took),
                    ms_a_call=round(took / calls * 1000, 2),
                )


def a_row_a_line(lease: Lease, seq: int) -> None:
    Event.objects.create(
        build_id=lease.build_id, seq=seq, kind="log", at=timezone.now(), step=0, line=seq, lines=1, body=LINE
    )


def thousand_rows(lease: Lease, seq: int) -> None:
    first, now = seq * 1_000, timezone.now()
    Event.objects.bulk_create(
        Event(build_id=lease.build_id, seq=n, kind="log", at=now, step=0, line=n, lines=1, body=LINE)
        for n in range(first, first + 1_000)
    )


class Appender:
    def __init__(self, lines: int) -> None:
        self.lines = [LINE] * lines

    def __call__(self, lease: Lease, seq: int) -> None:
        events.append(lease, [Chunk(0, 1 + (seq - 3) * len(self.lines), self.lines)])


def _leased(way: str) -> Lease:
    lifecycle.enqueue(Project.objects.get(slug="append"), by="bench")
    lease = lifecycle.claim("bench", f"{way}"[:32])
    if lease is None:
        raise AssertionError(f"nothing to claim, of {Build.objects.count()} builds")
    return lease


def _repeat(call: Callable[[int], None], seconds: float) -> tuple[int, float]:
    """Calls it with 3, 4, 5 … (2 events are stored by then) for so long: how often, and what that took."""
    began = time.monotonic()
    calls = 0
    while time.monotonic() - began < seconds:
        call(3 + calls)
        calls += 1
    return calls, time.monotonic() - began
