"""How soon has one viewer all that is stored? And a thousand, who come back at once after a restart?

In turns with the tutorial handler in Go, which has it in memory, and with django-eventstream and its database.
"""

import json
import socket
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

from .fanout import cpu
from .figures import Answer
from .rivals.servers import Server, board, eventstream, go

LINES, SHORT_LINES = 100_000, 500
SLOW_LINES = 2_000
"""Of django-eventstream: each is published by its own call, which takes milliseconds."""
ROUNDS, SHORT_ROUNDS = 3, 1
VIEWERS, SHORT_VIEWERS = 1_000, 5
BEHIND, SHORT_BEHIND = 10_000, 500
MOST_TOGETHER = 1_000
"""Lines in an event of a board, at most."""
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
    """Each server has answered somebody before, who had everything. A board is asked twice: by the first viewer of a
    log, for whom it reads the database, and by the next one."""
    answer = Answer("one viewer is given a whole log")
    runs: dict[tuple[str, int, str], list[float]] = {}
    spent: dict[tuple[str, int, str], list[float]] = {}
    for _ in range(SHORT_ROUNDS if short else ROUNDS):
        for name, start, lines in SERVERS:
            lines = min(lines, SHORT_LINES) if short else lines
            for event in (1, MOST_TOGETHER) if name.startswith("Buildboard") else (1,):
                try:
                    with start() as server:
                        publish(server, lines, event)
                        greet(server, lines)
                        for viewer in ("first", "next") if name.startswith("Buildboard") else ("any",):
                            before = cpu(server)
                            seconds = given(server, 1, lines)
                            runs.setdefault((name, event, viewer), []).append(lines / seconds)
                            spent.setdefault((name, event, viewer), []).append(cpu(server) - before)
                except SkipTest as reason:
                    note = f"{name}: not measured, {reason}"
                    answer.notes += [] if note in answer.notes else [note]
    base = runs.get((SERVERS[0][0], 1, "any"))
    for key, rates in runs.items():
        name, event, viewer = key
        row: dict[str, Any] = {"server": name, "lines_an_event": event, "viewer": viewer}
        row["lines_per_s"] = round(statistics.median(rates))
        row["spread"] = f"{min(rates):,.0f} to {max(rates):,.0f}"
        row["cpu_ms"] = round(statistics.median(spent[key]) * 1000)
        if base:
            row["to_go"] = round(statistics.median(rates) / statistics.median(base), 2)
        answer.add(**row)
    return answer


def greet(server: Server, lines: int) -> None:
    """A viewer who has everything, and leaves: what a process does once is done."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        fields = f"Accept: text/event-stream\r\n{server.field}\r\n" if server.field else ""
        if not server.field.startswith("Last-Event-ID"):
            fields += f"Last-Event-ID: {lines}\r\n"
        connection.sendall(f"GET {server.path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
        connection.recv(4096)


def many(short: bool) -> Answer:
    viewers, lines = (SHORT_VIEWERS, SHORT_BEHIND) if short else (VIEWERS, BEHIND)
    answer = Answer(f"{viewers:,} viewers come at once, each {lines:,} lines behind; {TOGETHER} lines an event")
    runs: dict[str, list[tuple[float, float]]] = {}
    for _ in range(SHORT_ROUNDS if short else ROUNDS):
        for name, start, _ in SERVERS[1:3]:
            with start() as server:
                publish(server, lines, TOGETHER)
                before = cpu(server)
                runs.setdefault(name, []).append((given(server, viewers, lines), cpu(server) - before))
    for name, found in runs.items():
        seconds, spent = (statistics.median(column) for column in zip(*found, strict=True))
        answer.add(
            server=name,
            all_caught_up_s=round(seconds, 2),
            spread=f"{min(found)[0]:.1f} to {max(found)[0]:.1f}",
            cpu_s=round(spent, 2),
            lines_per_s=round(viewers * lines / seconds),
        )
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
