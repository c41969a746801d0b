"""Do two hundred builds that write at once hold each other up, or those who claim, or who look at the board?"""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import SkipTest

from django.db import transaction
from django.db.models import F

from builds import lifecycle
from builds.models import Project, Worker
from builds.states import Status
from tests.support.board import Board
from tests.support.processes import Process
from tests.support.servers import Postgres

from .figures import Answer, milliseconds, percentile

BUILDS, SHORT_BUILDS = 200, 4
PROCESSES, SHORT_PROCESSES = 4, 2
SECONDS, SHORT_SECONDS = 20.0, 0.5
TURNS, SHORT_TURNS = 2, 1
LINES = 10
RATES, SHORT_RATES = (2, 5), (2,)
"""Appends a second of each build."""
CLAIM_EVERY, LOOK_EVERY, BARE_EVERY = 0.1, 0.5, 0.02
RECIPE = "steps: [{name: say, run: 'true'}]"
SETTINGS = {"max_connections": "300", "shared_buffers": "128MB"}


def measure(short: bool) -> list[Answer]:
    builds = SHORT_BUILDS if short else BUILDS
    answer = Answer(f"{builds} builds that write at once: what it takes (ms), and others beside them")
    if short:
        with_rates(answer, "SQLite", None, short)
        return [answer]
    try:
        server = Postgres(durable=True, **SETTINGS)
    except SkipTest as reason:
        answer.notes.append(f"not measured on PostgreSQL: {reason}")
        return [answer]
    try:
        with_rates(answer, "PostgreSQL", server.url(), short)
    finally:
        server.close()
    return [answer]


def with_rates(answer: Answer, name: str, url: str | None, short: bool) -> None:
    builds, processes = (SHORT_BUILDS, SHORT_PROCESSES) if short else (BUILDS, PROCESSES)
    seconds, turns = (SHORT_SECONDS, SHORT_TURNS) if short else (SECONDS, TURNS)
    with Board(url, BUILDBOARD_LEASE_SECONDS="120") as board:
        for slug in ("writers", "claimed"):
            board.project(slug, RECIPE)
        board.web()
        for rate in SHORT_RATES if short else RATES:
            found: dict[str, dict[str, list[float]]] = {"nobody": {}, f"{rate} a second each": {}}
            for _ in range(turns):
                note(found["nobody"], beside(board, seconds))
                with writing(board, builds, processes, rate) as told:
                    note(found[f"{rate} a second each"], beside(board, seconds))
                note(found[f"{rate} a second each"], told)
            for who, took in found.items():
                row: dict[str, object] = {}
                if "appends" in took:
                    row["appended"] = int(len(took["appends"]) / (turns * seconds))
                for what in ("bare", "appends", "progress", "claims", "looks"):
                    if times := took.get(what):
                        row |= {f"{what}_p50": _at(times, 0.5), f"{what}_p99": _at(times, 0.99)}
                answer.add(database=name, writers=who, **row)
        answer.notes.append(
            f"{LINES} lines each time; appended: calls a second of all of them; load {os.getloadavg()[0]:.1f}"
        )
        answer.notes.append("bare: one UPDATE of a row that nobody else wants, and its COMMIT, at the same time")


def note(into: dict[str, list[float]], found: dict[str, list[float]]) -> None:
    for what, times in found.items():
        into.setdefault(what, []).extend(times)


def _at(times: list[float], share: float) -> float:
    return milliseconds(percentile(sorted(times), share))


@contextmanager
def writing(board: Board, builds: int, processes: int, rate: float) -> Iterator[dict[str, list[float]]]:
    """In it they write; then it has what that took."""
    with board.database():
        leases = [_leased() for _ in range(builds)]
    words = [sys.executable, "-m", "tests.bench.writing", str(rate), str(LINES)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "stderr": None}
    running = [Process(words, env=board.env, **pipes) for _ in range(processes)]
    told: dict[str, list[float]] = {"appends": [], "progress": []}
    try:
        for at, one in enumerate(running):
            _say(one, json.dumps(leases[at::processes]))
        for word in ("ready", "begun"):
            for one in running:
                _expect(one, word)
            if word == "begun":
                yield told
            for one in running:
                _say(one, "")
        for one in running:
            said = json.loads(one.popen.communicate()[0])
            told["appends"] += [took for appends in said["appends"] for took in appends]
            told["progress"] += said["progress"]
    finally:
        for one in running:
            one.close()
    with board.database():
        for build_id, token, _ in leases:
            lifecycle.lose(build_id, token, "The measurement is over.")


def _leased() -> tuple[int, str, int]:
    lifecycle.enqueue(Project.objects.get(slug="writers"), by="bench")
    lease = lifecycle.claim("bench", secrets.token_hex(16))
    if lease is None:
        raise AssertionError("nothing to claim")
    lifecycle.begin_step(lease, 0)
    return lease.build_id, lease.token, lease.head


def _expect(process: Process, word: str) -> None:
    said = process.popen.stdout.readline().strip()
    if said != word:
        raise AssertionError(f"{process} said {said!r}, not {word!r}")


def _say(process: Process, words: str) -> None:
    process.popen.stdin.write(f"{words}\n")
    process.popen.stdin.flush()


def beside(board: Board, seconds: float) -> dict[str, list[float]]:
    """For so long: one who starts builds, claims and ends them, one who looks at the board, and one whose transactions
    are bare, an UPDATE of their own row: what those take is what this machine makes of any transaction just now."""
    until = time.monotonic() + seconds
    took: dict[str, list[float]] = {"claims": [], "looks": [], "bare": []}

    def look() -> None:
        while time.monotonic() < until:
            _timed(took["looks"], lambda: board.get("/api/v1/builds?limit=25"))
            time.sleep(LOOK_EVERY)

    def bare() -> None:
        with board.database():
            mine = Worker.objects.create(name=secrets.token_hex(8))
            while time.monotonic() < until:
                _timed(took["bare"], lambda: _update(mine))
                time.sleep(BARE_EVERY)
            mine.delete()

    def claim() -> None:
        with board.database():
            project = Project.objects.get(slug="claimed")
            while time.monotonic() < until:
                lifecycle.enqueue(project, by="bench")
                lease = _timed(took["claims"], lambda: lifecycle.claim("bench", secrets.token_hex(16)))
                if lease is None:
                    raise AssertionError("nothing to claim")
                lifecycle.finish(lease, Status.PASSED)
                time.sleep(CLAIM_EVERY)

    threads = [threading.Thread(target=call) for call in (look, bare, claim)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def _update(row: Worker) -> None:
    with transaction.atomic():
        Worker.objects.filter(pk=row.pk).update(renewal=F("renewal") + 1)


def _timed(into: list[float], call: Callable[[], Any]) -> Any:
    began = time.monotonic()
    found = call()
    into.append(time.monotonic() - began)
    return found
