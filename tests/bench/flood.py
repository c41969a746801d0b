"""How much slower is a step that prints as fast as it can than the same command on a terminal without a log?

The yardstick is `script -qc COMMAND /dev/null | cat > file`: a pseudo-terminal, and its bytes written to a file without
being looked at. The two take turns, and the medians are compared.
"""

import shutil
import statistics
import subprocess
import time
from datetime import datetime

from builds import printed
from tests.support.board import Board
from tests.support.processes import Process

from .databases import on_each
from .figures import Answer

LINES, SHORT_LINES = 200_000, 2_000
TURNS, SHORT_TURNS = 5, 1


def measure(short: bool) -> list[Answer]:
    answer = Answer("a step that floods: lines stored, against a terminal that is only copied to a file")
    on_each(answer, short, lambda name, url: one(answer, name, url, short))
    return [answer]


def one(answer: Answer, name: str, url: str | None, short: bool) -> None:
    lines, turns = (SHORT_LINES, SHORT_TURNS) if short else (LINES, TURNS)
    command = f'seq -f "compiling module %08.0f of the program, as compilers do" 1 {lines}'
    plain, ours, spent = [], [], []
    with Board(url) as board:
        board.project("flood", f"steps: [{{name: flood, run: '{command}'}}]")
        worker = board.workers(1)
        for _ in range(turns):
            if shutil.which("script"):
                began = time.monotonic()
                copied = board.data / "copied"
                subprocess.run(f"script -qc '{command}' /dev/null | cat > {copied}", shell=True, check=True)  # noqa: S602
                plain.append(time.monotonic() - began)
            before = cpu(worker)
            build_id = board.enqueue("flood")
            step = board.wait(build_id, seconds=120, status="passed")["steps"][0]
            spent.append(cpu(worker) - before)
            ours.append(seconds_between(step["started_at"], step["finished_at"]))
            with board.database():
                stored = printed.total_lines(build_id, 0)
                chunks = len(board.stored(build_id))
            if stored != lines:
                raise AssertionError(f"{stored} lines are stored, and {lines} were printed")
    took = statistics.median(ours)
    row = {"database": name, "lines": lines, "seconds": round(took, 3), "lines_per_second": int(lines / took)}
    row |= {"events": chunks, "worker_cpu_seconds": round(statistics.median(spent), 3)}
    if plain:
        row |= {
            "script_seconds": round(statistics.median(plain), 3),
            "ratio": round(took / statistics.median(plain), 2),
        }
    else:
        answer.notes.append("not compared: this machine has no `script`")
    answer.add(**row)


def cpu(worker: Process) -> float:
    """Seconds of processor time that the supervisor and its workers, not their steps, have used."""
    total = 0.0
    for process in worker.children():
        used = process.cpu_times()
        total += used.user + used.system
    return total


def seconds_between(started: str, finished: str) -> float:
    return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
