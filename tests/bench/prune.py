"""How much slower is the log of a running build while old logs are compacted, and while they are pruned?"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from builds import events, lifecycle
from builds.events import Chunk, Fact, Lease
from builds.models import Build, Project
from builds.states import Status
from tests.support.board import Board
from tests.support.processes import Process

from .databases import on_each
from .figures import Answer, milliseconds, percentile

OLD_BUILDS, SHORT_OLD_BUILDS = 60, 2
EVENTS, LINES = 1_000, 10
SECONDS, SHORT_SECONDS = 10.0, 0.3
TURNS, SHORT_TURNS = 3, 1
EVERY_SECONDS = 0.01
"""Between two appends of the writer that is measured: ten times as often as a worker at its fastest."""


def measure(short: bool) -> list[Answer]:
    answer = Answer("what an append of 10 lines takes (ms) while old logs are compacted and pruned, and while not")
    on_each(answer, short, lambda name, url: one(answer, name, url, short))
    return [answer]


def one(answer: Answer, name: str, url: str | None, short: bool) -> None:
    builds = SHORT_OLD_BUILDS if short else OLD_BUILDS
    with Board(url, BUILDBOARD_KEEP_LEAST="0", BUILDBOARD_COMPACT_HOURS="24", BUILDBOARD_KEEP_DAYS="90") as board:
        for slug, days in (("compacted", 2), ("pruned", 100)):
            board.project(slug, "steps: [{name: say, run: 'true'}]")
            with board.database():
                for _ in range(builds):
                    old_build(slug, days, EVENTS)
        board.project("running", "steps: [{name: say, run: 'true'}]")
        with board.database():
            lifecycle.enqueue(Project.objects.get(slug="running"), by="bench")
            writer = Writer(lifecycle.claim("bench", "bench"))
            quiet: list[float] = []
            taken: dict[str, list[float]] = {"compacted": [], "pruned": []}
            for _ in range(SHORT_TURNS if short else TURNS):
                for slug, took in taken.items():
                    quiet += writer.append_for(SHORT_SECONDS if short else SECONDS)
                    with pruning(board, slug) as process:
                        took += writer.append_for(SHORT_SECONDS if short else SECONDS, process)
            base = _row(answer, name, "nothing", quiet)
            for slug, took in taken.items():
                row = _row(answer, name, f"logs are {slug}", took)
                row |= {
                    "p50_ratio": round(row["p50"] / base["p50"], 2),
                    "p99_ratio": round(row["p99"] / base["p99"], 2),
                }
                done = Build.objects.filter(project__slug=slug).exclude(log_lines=None).count()
                row["builds"] = f"{done} of {builds}"


def old_build(slug: str, days: float, count: int, lines: int = LINES) -> int:
    """A build that ended so long ago, with so many `log` events: its number."""
    build = lifecycle.enqueue(Project.objects.get(slug=slug), by="bench")
    ended = timezone.now() - timedelta(days=days)
    chunks = [Chunk(0, 1 + n * lines, list(realistic(n, lines))) for n in range(count)]
    with transaction.atomic():
        events.put_unleased(build.pk, chunks)  # type: ignore[arg-type]
        build.steps.update(status=Status.PASSED, started_at=ended, finished_at=ended, exit_code=0)
        Build.objects.filter(pk=build.pk).update(
            status=Status.PASSED, worker="bench", created_at=ended, started_at=ended, finished_at=ended
        )
        events.put_unleased(build.pk, [Fact("build", build.data())])
    return build.pk


def realistic(seed: int, count: int) -> Iterator[str]:
    """Lines as compilers and test runs print them: words that come again, figures that do not, some colour."""
    dice = random.Random(seed)
    for _ in range(count):
        kind = dice.randrange(3)
        one, two, three = dice.choices(WORDS, k=3)
        file = f"src/{one}/{two}_{three}.c"
        if kind == 0:
            yield f"cc -O2 -Wall -Iinclude -c {file} -o build/{dice.getrandbits(40):010x}/{three}.o"
        elif kind == 1:
            yield f"\x1b[32mok\x1b[0m   {one}.{two}_{three} ({dice.random():.3f} s)"
        else:
            number = dice.randrange(2000)
            yield f"{file}:{number}: note: \x1b[1m'{two}_{number % 99}'\x1b[0m declared here"


WORDS = (
    *("parser", "lexer", "buffer", "socket", "queue", "worker", "lease", "cursor", "stream", "frame", "table", "index"),
    *("planner", "query", "cache", "page", "block", "chunk", "signal", "process", "thread", "timer", "clock", "event"),
    *("build", "step", "recipe", "board", "viewer", "topic", "wake", "hub", "tail", "render", "theme", "token"),
)


class Writer:
    def __init__(self, lease: Lease | None) -> None:
        if lease is None:
            raise AssertionError("nothing to claim")
        self.lease = lease
        self.line = 1
        self.lines = list(realistic(0, LINES))

    def append_for(self, seconds: float, process: Process | None = None) -> list[float]:
        """What each append took, for so long, or until the process is over."""
        took = []
        until = time.monotonic() + seconds
        while time.monotonic() < until and (process is None or process.running or not took):
            began = time.monotonic()
            events.append(self.lease, [Chunk(0, self.line, self.lines)])
            took.append(time.monotonic() - began)
            self.line += LINES
            time.sleep(EVERY_SECONDS)
        return took


@contextmanager
def pruning(board: Board, slug: str) -> Iterator[Process]:
    """In it `manage.py prune` is at work on that project."""
    process = board.spawn("prune", "--project", slug)
    time.sleep(1)  # it starts
    try:
        yield process
    finally:
        if process.running:
            process.terminate()


def _row(answer: Answer, name: str, work: str, took: list[float]) -> dict:
    ordered = sorted(took)
    p50, p99 = (milliseconds(percentile(ordered, share)) for share in (0.50, 0.99))
    answer.add(database=name, meanwhile=work, appends=len(took), p50=p50, p99=p99, longest=milliseconds(ordered[-1]))
    return answer.rows[-1]
