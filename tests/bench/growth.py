"""Does anything cost more on an old board? Everything that is done often, on boards with a short past and on one with a
long past, in turns.

The cost is processor time: of the thread that asks, and of the database's process that answers it. On a machine where
others are at work it varies far less than the time by the clock, which is told besides, of the longest past.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import override_settings

from builds.models import Project
from tests.support import past
from tests.support.board import Board
from tests.support.everyday import RECIPE, WHAT, Everyday
from tests.support.servers import postgres_url

from .databases import on_each
from .figures import Answer

PROJECTS = 4
EVENTS = 1_000
"""Of each build whose log is stored."""
PLAIN_STATIC = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
SETTINGS = {
    "STORAGES": settings.STORAGES | PLAIN_STATIC,
    "BUILDBOARD_KEEP_BUILDS": 2_500,  # ten thousand logs of four projects
}


@dataclass(frozen=True)
class Past:
    builds: int
    stored: int
    """The newest so many have their whole log."""
    long: int
    """Of one build that still runs."""

    @property
    def total(self) -> int:
        return self.builds + self.stored * (EVENTS - 1) + self.long


PASTS = {
    "100": Past(100, 9, 1_000),
    "1,000": Past(1_000, 90, 10_000),
    "100,000": Past(100_000, 9_000, 1_000_000),
}
"""By the number of builds. A hundred do not fill every page and figure; a thousand do."""
SHORT_PASTS = {"20": Past(20, 2, 20), "200": Past(200, 5, 200)}
ROUNDS, SHORT_ROUNDS = 30, 1


def measure(short: bool) -> list[Answer]:
    answer = Answer("what an old board costs: processor time, medians (ms), by the number of builds it has had")
    on_each(answer, short, lambda name, url: one(answer, name, url, short))
    return [answer]


def one(answer: Answer, name: str, url: str | None, short: bool) -> None:
    pasts = SHORT_PASTS if short else PASTS
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    with ExitStack() as open_boards, override_settings(**SETTINGS):
        sides = {}
        for number, its in pasts.items():
            sides[number] = Side(open_boards.enter_context(Board(url and postgres_url())), its)
            said = f"{its.builds:,} builds and {its.total:,} events, made in {sides[number].made_in:.0f} s"
            answer.notes.append(f"{name}: {said}")
        took: dict[str, dict[str, list[Spent]]] = {what: {number: [] for number in sides} for what in WHAT}
        for turn in range((SHORT_ROUNDS if short else ROUNDS) + 1):
            for what, times in took.items():
                for number, side in sides.items():
                    spent = side.spent(what)
                    if turn:  # the first one only warms
                        times[number].append(spent)
        for what, times in took.items():
            middle = {number: median(one.processor for one in spent) for number, spent in times.items()}
            *_, most = middle
            row = {number: round(seconds * 1000, 2) for number, seconds in middle.items()}
            row["by the clock"] = round(median(one.clock for one in times[most]) * 1000, 2)
            ratios = {f"to {number}": round(middle[most] / middle[number], 2) for number in middle if number != most}
            answer.add(database=name, what=what, **row, **ratios)
        answer.notes.append(f"{name}: load {os.getloadavg()[0]:.1f}")


class Spent(NamedTuple):
    """Seconds."""

    processor: float
    clock: float


class Side:
    """One of the boards, and what is done on it."""

    def __init__(self, board: Board, its: Past) -> None:
        for at in range(PROJECTS):
            board.project(f"p{at}", RECIPE)
        began = time.monotonic()
        with board.database():
            self._connection = connections["default"]  # closed behind this, and opened again when it is used
            projects = list(Project.objects.filter(slug__startswith="p").order_by("pk"))
            _, over = past.grow(projects, its.builds, stored=its.stored, events=EVENTS)
            self._everyday = Everyday(projects[0], User.objects.get(username="admin"), over)
            self._everyday.lengthen(its.long)
            past.analyze()
        self.made_in = time.monotonic() - began

    @contextmanager
    def here(self) -> Iterator[None]:
        before = connections["default"]
        connections["default"] = self._connection
        try:
            yield
        finally:
            connections["default"] = before

    def spent(self, what: str) -> Spent:
        with self.here():
            before, began = self._processor(), time.perf_counter()
            self._everyday.do(what)
            took = time.perf_counter() - began
            return Spent(self._processor() - before, took)

    def _processor(self) -> float:
        """Seconds that this thread, and the process behind its connection, have computed so far."""
        mine = time.thread_time()
        if self._connection.vendor != "postgresql":
            return mine
        self._connection.ensure_connection()
        nanoseconds = Path(f"/proc/{self._connection.connection.info.backend_pid}/schedstat").read_text().split()[0]
        return mine + int(nanoseconds) / 1e9
