"""What do many viewers cost one web process, and what becomes of them when it is stopped?

PostgreSQL with few connections; all viewers on raw sockets in a process of their own, which also checks that each got
every event once and in order.
"""

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import psutil

from builds.events import Lease
from tests import live
from tests.support import ROOT
from tests.support.board import Board, Web
from tests.support.processes import Process, eventually
from tests.support.servers import Postgres

from .figures import Answer
from .idle import facts

VIEWERS, SHORT_VIEWERS = 2_000, 40
DRAINED, SHORT_DRAINED = 500, 40
CONNECTIONS = 30
LINES = 20


def measure(short: bool) -> list[Answer]:
    count, drained = (SHORT_VIEWERS, SHORT_DRAINED) if short else (VIEWERS, DRAINED)
    answer = Answer(f"{count} viewers of one running build on one web process; {drained} when it is stopped")
    try:
        for server in ("uvicorn",) if short else ("daphne", "uvicorn"):
            with board() as one:
                many(answer, one, server, count)
            with board() as one:
                stopped(answer, one, server, drained)
    except SkipTest as reason:
        answer.notes.append(f"not measured on PostgreSQL: {reason}")
        answer.add(what="not measured")
    return [answer]


@contextlib.contextmanager
def board() -> Iterator[Board]:
    postgres = Postgres(max_connections=str(CONNECTIONS))
    try:
        with Board(postgres.url(), BUILDBOARD_LEASE_SECONDS="3600", BUILDBOARD_STREAMS_PER_USER="5000") as made:
            yield made
    finally:
        postgres.close()


def many(answer: Answer, one: Board, server: str, count: int) -> dict[str, Any]:
    """All served, at a fixed cost in threads and connections; then lines reach all of them."""
    web = one.web(server)
    with one.database():
        lease = live.running()
    process = psutil.Process(web.process.pid)
    with crowd(one, lease, 1, [web]) as first:
        eventually(lambda: state(first)["least"] == lease.head, 30)
    before = facts(process, one)
    began = time.monotonic()
    with crowd(one, lease, count, [web]) as viewers:
        eventually(lambda: has(viewers, lease.head, count), 120, lambda: str(state(viewers)))
        opened = time.monotonic() - began
        took = []
        for number in range(LINES):
            with one.database():
                live.printed(lease, number + 1, f"line {number}")
            sent = time.monotonic()
            eventually(lambda: has(viewers, lease.head, count), 60, lambda: str(state(viewers)))
            took.append(time.monotonic() - sent)
        after = facts(process, one)
        found = state(viewers)
    row = {
        "what": f"{server}, open",
        "viewers": count,
        "told problem": found["told"].get("problem", 0),
        "lost": found["lost"],
        "doubled": found["doubled"],
        "seconds to open all": round(opened, 1),
        "seconds of a line to all": round(sorted(took)[LINES // 2], 2),
        "threads": f"{before['threads']} → {after['threads']}",
        "connections": f"{before['connections']} → {after['connections']}",
        "kib a viewer": round((after["memory"] - before["memory"]) / 1024 / count, 1),
    }
    answer.add(**row)
    eventually(lambda: facts(process, one)["sockets"] <= before["sockets"] + 1, 30, "viewers are not let go")
    return row | {"before": before, "after": after}


def stopped(answer: Answer, one: Board, server: str, count: int) -> dict[str, Any]:
    """SIGTERM to one of two webs while lines are printed: everyone is told, goes to the other, and misses nothing."""
    webs = [one.web(server), one.web(server)]
    with one.database():
        lease = live.running()
    with crowd(one, lease, count, webs) as viewers:
        eventually(lambda: has(viewers, lease.head, count), 120, lambda: str(state(viewers)))
        there = state(viewers)["on"][str(webs[0].port)]
        began = time.monotonic()
        webs[0].process.signal(15)
        for number in range(LINES):
            with one.database():
                live.printed(lease, number + 1, f"line {number}")
            time.sleep(0.05)
        code = webs[0].process.wait(30)
        ended = time.monotonic() - began
        all_there = {str(webs[1].port): count}
        eventually(lambda: has(viewers, lease.head, count) and state(viewers)["on"] == all_there, 60)
        back = time.monotonic() - began
        found = state(viewers)
    row = {
        "what": f"{server}, stopped",
        "viewers": there,
        "told restart": found["told"].get("restart", 0),
        "lost": found["lost"],
        "doubled": found["doubled"],
        "exit code": code,
        "seconds to exit": round(ended, 1),
        "seconds until all are back": round(back, 1),
    }
    answer.add(**row)
    return row


@contextlib.contextmanager
def crowd(one: Board, lease: Lease, count: int, webs: list[Web]) -> Iterator[Process]:
    ports = ",".join(str(web.port) for web in webs)
    path, token = f"/builds/{lease.build_id}/events/", one.token("alice")
    command = [sys.executable, "-m", "tests.bench.crowd_viewers", path, token, str(count), ports]
    with Process(command, env=one.env, cwd=ROOT) as process:
        yield process


def state(viewers: Process) -> dict[str, Any]:
    """As the viewers told it last."""
    whole = viewers.output().rpartition("\n")[0]
    if not viewers.running:
        raise AssertionError(f"the viewers ended: {viewers.output()[-2000:]}")
    found: dict[str, Any] = json.loads(whole.rpartition("\n")[2]) if whole else {"open": 0, "least": -1, "on": {}}
    return found


def has(viewers: Process, head: int, count: int) -> bool:
    """Whether all of them are open, and have everything up to `head`."""
    now = state(viewers)
    return bool(now["open"] == count and now["least"] == head)
