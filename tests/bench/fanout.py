"""One log, a thousand viewers: what does a delivery cost, how late is it, and how many are there a second at most?

Beside a board, in turns and in the same minutes: what people would do otherwise (`rivals/`). The servers' own processor
time and memory are counted, not those of who publishes and who reads, which are processes of their own.
"""

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from typing import Any
from unittest import SkipTest

import psutil

from tests.support import ROOT
from tests.support.board import environment
from tests.support.processes import Process

from .figures import Answer, milliseconds, percentile
from .rivals.servers import RIVALS, Rival, Server

VIEWERS, SHORT_VIEWERS = 1_000, 5
ROUNDS, SHORT_ROUNDS = 3, 1
RATES = {10: 100, 100: 1_000}
"""Lines a second → how many."""
SHORT_RATES = {50: 10}
PEAK_LINES, SHORT_PEAK_LINES = 2_000, 200
SLOW = ("Django", "django-eventstream")
SLOW_PEAK_LINES = 50
BASE = RIVALS[0].name


def measure(short: bool) -> list[Answer]:
    viewers = SHORT_VIEWERS if short else VIEWERS
    answers = []
    for rate, lines in (SHORT_RATES if short else RATES).items():
        question = f"{viewers:,} viewers of one log, {rate} lines a second"
        answers.append(ask(question, viewers, rate, lambda _, lines=lines: lines, short))
    lines = SHORT_PEAK_LINES if short else PEAK_LINES
    peak = lambda rival: min(lines, SLOW_PEAK_LINES) if rival.name.startswith(SLOW) else lines  # noqa: E731
    answers.append(ask(f"{viewers:,} viewers of one log, as fast as it goes", viewers, 0, peak, short))
    return answers


def ask(question: str, viewers: int, rate: int, lines: Any, short: bool) -> Answer:
    answer = Answer(question)
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in range(SHORT_ROUNDS if short else ROUNDS):
        for rival in RIVALS:  # in turns: what else the machine does meets all of them
            try:
                measured = run(rival, viewers, rate, lines(rival))
            except SkipTest as reason:
                note = f"{rival.name}: not measured, {reason}"
                if note not in answer.notes:
                    answer.notes.append(note)
            else:  # what cannot be measured has no row
                found[rival.name].append(measured)
    medians = {name: _median(runs) for name, runs in found.items()}
    base = medians.get(BASE)
    for name, facts in medians.items():
        costs = [one["cost"] for one in found[name]]
        row: dict[str, Any] = {"server": name, "cpu_s_per_million": round(facts["cost"], 1)}
        row["spread"] = f"{min(costs):.0f} to {max(costs):.0f}"
        if base and base["cost"]:  # of a few lines less than the clock counts
            row["cpu_to_go"] = round(facts["cost"] / base["cost"], 2)
        if rate:
            row |= {"p50_ms": milliseconds(facts["p50"]), "p99_ms": milliseconds(facts["p99"])}
            if base:
                row["p99_to_go"] = round(facts["p99"] / base["p99"], 2)
        else:
            row["delivered_per_s"] = round(facts["rate"])
            if base:
                row["to_go"] = round(facts["rate"] / base["rate"], 2)
        row |= {"kib_a_viewer": round(facts["memory"], 1), "threads": int(facts["threads"])}
        row |= {key: int(sum(one[key] for one in found[name])) for key in ("gaps", "doubles", "short")}
        answer.add(**row)
    return answer


def _median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(one[key] for one in runs) for key in runs[0]}


def run(rival: Rival, viewers: int, rate: int, lines: int) -> dict[str, float]:
    """One server from its start to its end."""
    with rival.start() as server, contextlib.ExitStack() as stack:
        before = memory(server)
        load = stack.enter_context(_load(server, viewers, lines))
        load.wait_for("ready\n", 120)
        time.sleep(1)  # what opening the streams has left to do is no part of a delivery
        idle = memory(server)
        words = [*server.publisher, str(lines), str(rate), str(1 if rate else rival.together)]
        command = [sys.executable, "-m", "tests.bench.publish", *words]
        publisher = stack.enter_context(Process(command, env=server.env, cwd=ROOT, stdin=subprocess.PIPE))
        publisher.wait_for("ready\n", 30)
        began = cpu(server)
        publisher.popen.communicate(b"\n")
        load.wait(600)
        spent = cpu(server) - began
        threads = psutil.Process(server.process.pid).num_threads()
        publisher.wait(60)
        found = json.loads(load.output().splitlines()[-1])
    seconds = found["latency"] or [float("nan")]
    return {
        "cost": spent / max(found["delivered"], 1) * 1e6,
        "rate": found["delivered"] / max(found["seconds"], 0.001),
        "p50": percentile(seconds, 0.5),
        "p99": percentile(seconds, 0.99),
        "memory": (idle - before) / 1024 / viewers,
        "threads": threads,
        "gaps": found["gaps"],
        "doubles": found["doubles"],
        "short": found["short"],
    }


def _load(server: Server, viewers: int, lines: int) -> Process:
    words = [str(server.port), server.path, str(viewers), str(lines), server.field]
    return Process([sys.executable, "-m", "tests.bench.load", *words], env=environment(), cwd=ROOT)


def family(server: Server) -> list[psutil.Process]:
    process = psutil.Process(server.process.pid)
    return [process, *process.children(recursive=True)]


def cpu(server: Server) -> float:
    """Seconds of processor that the server has taken."""
    return sum(times.user + times.system for times in (one.cpu_times() for one in family(server)))


def memory(server: Server) -> int:
    """Bytes, shared ones in proportion."""
    return sum(one.memory_full_info().pss for one in family(server))
