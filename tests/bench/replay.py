"""How soon has one viewer all that is stored? And a thousand, who come back at once after a restart?

In turns with the tutorial handler in Go, which has it in memory, and with django-eventstream and its database.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import SkipTest

from tests.support import ROOT
from tests.support.board import environment
from tests.support.processes import Process

from .figures import Answer
from .rivals.servers import Server, board, eventstream, go

LINES, SHORT_LINES = 100_000, 500
SLOW_LINES = 2_000
"""Of django-eventstream: each is published by its own call, which takes milliseconds."""
ROUNDS, SHORT_ROUNDS = 3, 1
VIEWERS, SHORT_VIEWERS = 1_000, 5
BEHIND, SHORT_BEHIND = 10_000, 500
TOGETHER = 100
"""Lines in an event of a board, where a compile prints many at a time."""

Start = Callable[[], AbstractContextManager[Server]]
SERVERS: tuple[tuple[str, Start, int], ...] = (
    ("Go, net/http", go, LINES),
    ("Buildboard, uvicorn", lambda: board("uvicorn"), LINES),
    ("Buildboard, daphne", lambda: board("daphne"), LINES),
    ("django-eventstream, daphne", lambda: eventstream("daphne"), SLOW_LINES),
)


def measure(short: bool) -> list[Answer]:
    return [one(short), many(short)]


def one(short: bool) -> Answer:
    answer = Answer("one viewer is given a whole log; an event a line")
    runs: dict[str, list[float]] = {}
    for _ in range(SHORT_ROUNDS if short else ROUNDS):
        for name, start, lines in SERVERS:
            lines = min(lines, SHORT_LINES) if short else lines
            try:
                with start() as server:
                    publish(server, lines, 1)
                    runs.setdefault(name, []).append(lines / given(server, 1, lines))
            except SkipTest as reason:
                note = f"{name}: not measured, {reason}"
                answer.notes += [] if note in answer.notes else [note]
    base = runs.get(SERVERS[0][0])
    for name, rates in runs.items():
        rate = statistics.median(rates)
        row: dict[str, Any] = {"server": name, "lines_per_s": round(rate)}
        row["spread"] = f"{min(rates):,.0f} to {max(rates):,.0f}"
        if base:
            row["to_go"] = round(rate / statistics.median(base), 2)
        answer.add(**row)
    return answer


def many(short: bool) -> Answer:
    viewers, lines = (SHORT_VIEWERS, SHORT_BEHIND) if short else (VIEWERS, BEHIND)
    answer = Answer(f"{viewers:,} viewers come at once, each {lines:,} lines behind; {TOGETHER} lines an event")
    for name, start, _ in SERVERS[1:3]:
        with start() as server:
            publish(server, lines, TOGETHER)
            seconds = given(server, viewers, lines)
        answer.add(server=name, all_caught_up_s=round(seconds, 2), lines_per_s=round(viewers * lines / seconds))
    return answer


def publish(server: Server, lines: int, event: int) -> None:
    """Before anybody looks. `event`: lines in each, where the server can have several."""
    words = [*server.publisher, str(lines), "0", "100", str(event)]
    command = [sys.executable, "-m", "tests.bench.publish", *words]
    with Process(command, env=server.env, cwd=ROOT, stdin=subprocess.PIPE) as publisher:
        publisher.popen.communicate(b"\n", timeout=300)
        publisher.wait(10)


def given(server: Server, viewers: int, lines: int) -> float:
    """Seconds from the first connection until every viewer has the last line."""
    words = [str(server.port), server.path, str(viewers), str(lines), server.field]
    with Process([sys.executable, "-m", "tests.bench.load", *words], env=environment(), cwd=ROOT) as load:
        load.wait(300)
        found = json.loads(load.output().splitlines()[-1])
    if found["gaps"] or found["doubles"] or found["short"]:
        told = {name: found[name] for name in ("gaps", "doubles", "short")}
        raise AssertionError(f"not every viewer got every line once and in order: {told}")
    return float(found["total"])
