"""How much slower is a step that prints as fast as it can than the same command on a terminal without a log?

The yardstick is `script -qc COMMAND /dev/null | cat > file`: a pseudo-terminal, and its bytes written to a file without
being looked at. The two take turns, and the medians are compared. Of what is printed, `seq` writes each line by itself,
as programs do on a terminal, and takes its time for it; `cat` writes as much at once as the terminal takes, and is the
fastest that a step can be. And a step that mostly waits.
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
QUIET_LINES, SHORT_QUIET_LINES = 12, 2
LINE = "compiling module %08.0f of the program, as compilers do"


def measure(short: bool) -> list[Answer]:
    answer = Answer("a step that floods: lines stored, against a terminal that is only copied to a file")
    quiet = Answer("a step that waits, and prints a line every 0.25 s, against the same")
    if not shutil.which("script"):
        for one_of in (answer, quiet):
            one_of.notes.append("not compared: this machine has no `script`")
    on_each(answer, short, lambda name, url: ask(answer, quiet, name, url, short))
    return [answer, quiet]


def ask(answer: Answer, quiet: Answer, name: str, url: str | None, short: bool) -> None:
    lines, turns = (SHORT_LINES, SHORT_TURNS) if short else (LINES, TURNS)
    waits = SHORT_QUIET_LINES if short else QUIET_LINES
    with Board(url) as board:
        worker = board.workers(1)
        big = board.data / "big"
        with big.open("wb") as file:
            subprocess.run(["seq", "-f", LINE, str(lines)], stdout=file, check=True)
        for slug, prints, command, count, into in (
            ("lines", "line by line (seq)", f'seq -f "{LINE}" {lines}', lines, answer),
            ("blocks", "in blocks (cat)", f"cat {big}", lines, answer),
            (
                "waits",
                "a line every 0.25 s",
                f"for n in $(seq {waits}); do echo line $n; sleep 0.25; done",
                waits,
                quiet,
            ),
        ):
            board.project(slug, f"steps: [{{name: print, run: '{command}'}}]")
            rounds = [turn(board, worker, slug, command, count) for _ in range(turns)]
            took, spent, plain = (statistics.median(times) for times in zip(*rounds, strict=True))
            row = {"database": name, "prints": prints, "lines": count, "seconds": round(took, 3)}
            row |= {"lines_per_second": int(count / took), "worker_cpu_seconds": round(spent, 3)}
            if plain:
                row |= {"script_seconds": round(plain, 3), "ratio": round(took / plain, 2)}
            into.add(**row)


def turn(board: Board, worker: Process, slug: str, command: str, lines: int) -> tuple[float, float, float]:
    """Seconds: of the step, of the worker's processor, and of the same under `script`, 0 where there is none."""
    plain = 0.0
    if shutil.which("script"):
        began = time.monotonic()
        subprocess.run(  # noqa: S602 - a pipe is what is measured
            f"script -qc '{command}' /dev/null | cat > {board.data / 'copied'}", shell=True, check=True
        )
        plain = time.monotonic() - began
    before = cpu(worker)
    build_id = board.enqueue(slug)
    step = board.wait(build_id, seconds=120, status="passed")["steps"][0]
    spent = cpu(worker) - before
    with board.database():
        stored = printed.total_lines(build_id, 0)
    if stored != lines:
        raise AssertionError(f"{stored} lines are stored, and {lines} were printed")
    return seconds_between(step["started_at"], step["finished_at"]), spent, plain


def cpu(worker: Process) -> float:
    """Seconds of processor time that the supervisor and its workers, not their steps, have used."""
    total = 0.0
    for process in worker.children():
        used = process.cpu_times()
        total += used.user + used.system
    return total


def seconds_between(started: str, finished: str) -> float:
    return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
