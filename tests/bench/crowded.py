"""Does anybody starve where four workers flood one SQLite file at once, and people look at pages and start builds?"""

import os
import threading
import time
from collections.abc import Callable
from statistics import median

from builds.models import Build, Event
from tests.support.board import Board
from tests.support.processes import eventually

from .figures import Answer, milliseconds, percentile

SECONDS, SHORT_SECONDS = 15, 2
CROWDS, SHORT_CROWDS = (0, 1, 4), (2,)
"""Workers that flood at once."""
LOOK_EVERY, PAGE_EVERY, START_EVERY = 0.01, 0.2, 0.5
FLOOD = "timeout {seconds} yes 'a line as compilers print them, of a usual length, with a path/to/file.c:42:7' || true"


def measure(short: bool) -> list[Answer]:
    answer = Answer("workers that flood one SQLite file: what each of them gets, and what others wait (ms)")
    seconds = SHORT_SECONDS if short else SECONDS
    for crowd in SHORT_CROWDS if short else CROWDS:
        one(answer, crowd, seconds)
    answer.notes.append("least: lines of the build that got fewest, as a share of the median build's")
    answer.notes.append(
        "gap: the longest time in which nothing of a build was stored, of the median build and of the worst"
    )
    answer.notes.append(f"load {os.getloadavg()[0]:.1f}")
    return [answer]


def one(answer: Answer, crowd: int, seconds: int) -> None:
    with Board() as board:
        board.project("flood", f'steps: [{{name: say, run: "{FLOOD.format(seconds=seconds)}"}}]')
        board.project("started", "steps: [{name: say, run: 'true'}]", runs_on="nobody")
        board.web()
        builds = [board.enqueue("flood") for _ in range(crowd)]
        if crowd:
            board.workers(crowd)
            eventually(lambda: all(_heads(board, builds)), 30, "not every build has begun")
        until = time.monotonic() + seconds * 0.8
        gaps: dict[int, float] = dict.fromkeys(builds, 0.0)
        pages: list[float] = []
        starts: list[float] = []
        callers = [
            threading.Thread(target=_again, args=(until, PAGE_EVERY, pages, lambda: _page(board, builds))),
            threading.Thread(target=_again, args=(until, START_EVERY, starts, lambda: board.start("started"))),
            threading.Thread(target=_watch, args=(board, until, builds, gaps)),
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        row: dict[str, object] = {"floods": crowd}
        if crowd:
            with board.database():
                lines = [_lines(build_id) for build_id in builds]
            row |= {
                "lines_per_second": int(sum(lines) / (seconds * 0.8)),
                "least": round(min(lines) / median(lines), 2),
            }
            row |= {"gap": milliseconds(median(gaps.values())), "worst_gap": milliseconds(max(gaps.values()))}
        for what, took in {"page": pages, "start": starts}.items():
            ordered = sorted(took)
            row |= {f"{what}_p50": milliseconds(percentile(ordered, 0.5)), f"{what}_max": milliseconds(ordered[-1])}
        answer.add(**row)


def _again(until: float, every: float, took: list[float], call: Callable[[], object]) -> None:
    while time.monotonic() < until:
        began = time.monotonic()
        call()
        took.append(time.monotonic() - began)
        time.sleep(every)


def _page(board: Board, builds: list[int]) -> None:
    path = f"/builds/{builds[0]}/log/?step=say&from=1&to=100" if builds else "/api/v1/builds?limit=25"
    answer = board.get(path)
    if answer.status != 200:
        raise AssertionError(f"{path} answered {answer.status}")


def _watch(board: Board, until: float, builds: list[int], gaps: dict[int, float]) -> None:
    """The longest time for which the head of each build stood still."""
    with board.database():
        known: dict[int, tuple[int, float]] = {}
        while builds and (now := time.monotonic()) < until:
            for build_id, head in Build.objects.filter(pk__in=builds).values_list("pk", "head"):
                before, since = known.get(build_id, (head, now))
                gaps[build_id] = max(gaps[build_id], now - since)
                known[build_id] = (head, since if head == before else now)
            time.sleep(LOOK_EVERY)


def _heads(board: Board, builds: list[int]) -> list[bool]:
    with board.database():
        return [head > 5 for head in Build.objects.filter(pk__in=builds).values_list("head", flat=True)]


def _lines(build_id: int) -> int:
    newest = Event.objects.filter(build_id=build_id, kind="log").order_by("-seq").values_list("line", "lines").first()
    return newest[0] + newest[1] - 1 if newest else 0
