"""How long from the start of a command until it does its work?

`web` and `runserver` work when `/healthz` answers 200, `worker` when a build that was queued before runs, `up` when
both do. The yardstick is `python -c 'import django; django.setup()'` with the same settings, which loads Django and
this board's tables, and neither pages nor a server. All take turns. Each of them finds its bytecode as a first start
has left it, whatever the environment of this process says of that.
"""

import statistics
import subprocess
import sys
import time

import psutil

from builds import lifecycle
from builds.models import Build, Project
from tests.support import ROOT
from tests.support.board import Board
from tests.support.processes import Process, eventually, free_port

from .figures import Answer

TURNS, SHORT_TURNS = 5, 1
SETUP = "import django; django.setup()"
COMMANDS = {
    "web, daphne": ("web", "--server", "daphne", "--port"),
    "web, uvicorn": ("web", "--server", "uvicorn", "--port"),
    "runserver": ("runserver", "--noreload"),
    "worker": ("worker", "--concurrency", "1"),
    "up": ("up", "--workers", "1", "--port"),
}


def measure(short: bool) -> list[Answer]:
    answer = Answer("from the start of a command until it works, in seconds")
    turns = SHORT_TURNS if short else TURNS
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ("django.setup()", *COMMANDS)}
    with Board() as board:
        board.project("start", "steps: [{name: say, run: 'true'}]")
        board.env = {name: value for name, value in board.env.items() if name != "PYTHONDONTWRITEBYTECODE"}
        board.env |= {"PYTHONPYCACHEPREFIX": str(board.data / "bytecode"), "DEBUG": "1"}
        for turn in range(turns + 1):
            for name, times in found.items():
                took = one(board, COMMANDS[name]) if name in COMMANDS else set_up(board)
                if turn:  # the first one has compiled everything
                    times.append(took)
    least = statistics.median(seconds for seconds, _, _ in found["django.setup()"])
    for name, times in found.items():
        web, builds, spent = (statistics.median(column) for column in zip(*times, strict=True))
        row = {"command": name, "answers": round(web, 2) if web else "", "builds": round(builds, 2) if builds else ""}
        answer.add(**row, processor=round(spent, 2), ratio=round(max(web, builds) / least, 2))
    return [answer]


def set_up(board: Board) -> tuple[float, float, float]:
    began = time.monotonic()
    before = psutil.Process().cpu_times()
    subprocess.run([sys.executable, "-c", SETUP], cwd=ROOT, env=board.env, check=True)
    after = psutil.Process().cpu_times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - began, 0.0, spent


def one(board: Board, command: tuple[str, ...]) -> tuple[float, float, float]:
    """Seconds until it answers and until it builds, 0 for what it does not do, and of the processor until then."""
    serves, works = command[0] != "worker", command[0] in ("worker", "up")
    port = free_port()
    with board.database():
        if works:
            build_id = lifecycle.enqueue(Project.objects.get(slug="start"), by="bench").pk
        began = time.monotonic()
        process = board.spawn(*command, *([str(port)] if serves else []))
        answered = built = 0.0
        while (serves and not answered) or (works and not built):
            if not process.running or time.monotonic() - began > 60:
                raise AssertionError(f"{command[0]} does not work:\n{process.output()}")
            if serves and not answered and _answers(board, port):
                answered = time.monotonic() - began
            if works and not built and Build.objects.filter(pk=build_id).exclude(status="queued").exists():
                built = time.monotonic() - began
            time.sleep(0.01)
        spent = _processor(process)
        if works:
            eventually(Build.objects.filter(pk=build_id, status="passed").exists)
    process.close()
    board.processes.remove(process)
    return answered, built, spent


def _answers(board: Board, port: int) -> bool:
    try:
        return board.request("GET", "/healthz", port=port, token=None, seconds=0.3).status == 200
    except OSError:
        return False


def _processor(process: Process) -> float:
    times = [one.cpu_times() for one in (psutil.Process(process.pid), *process.children())]
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)
