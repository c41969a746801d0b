"""How long is it from a line that a step prints to its frame at a client?

Real web and worker processes; all viewers on raw sockets in one process of their own; a step that prints a stamped line
every 20 to 50 ms. All processes share the machine's clock.
"""

import json
import sys
from pathlib import Path

from tests.support import ROOT
from tests.support.board import Board
from tests.support.processes import Process
from tests.support.servers import redis_url

from .databases import optional_postgres
from .figures import Answer, milliseconds, percentile

VIEWERS, SHORT_VIEWERS = 50, 5
LINES, SHORT_LINES = 500, 20
AIM_ALONE, AIM_SHARED = 0.150, 0.060

# Waits for a file, so that no line is printed before every viewer listens.
RECIPE = """
steps:
  - name: print
    run: |
      exec {python} -u - <<'SCRIPT'
      import os, random, time
      while not os.path.exists({go!r}):
          time.sleep(0.02)
      dice = random.Random(1)
      for number in range({lines}):
          time.sleep(dice.uniform(0.02, 0.05))
          print(f"@{{time.time_ns()}} {{number}} a line as compilers print them, of a usual length", flush=True)
      SCRIPT
"""


def measure(short: bool) -> list[Answer]:
    answer = Answer(f"a printed line at a client, {SHORT_VIEWERS if short else VIEWERS} viewers (milliseconds)")
    one(answer, "SQLite, no Redis, daphne", AIM_ALONE, short=short)
    if not short:
        one(answer, "SQLite, no Redis, uvicorn", AIM_ALONE, server="uvicorn")
        with optional_postgres(answer) as url:
            if url is not None:
                redis = redis_url()
                one(answer, "PostgreSQL, Redis, daphne", AIM_SHARED, url=url, redis=redis)
                with optional_postgres(answer) as second:
                    one(answer, "PostgreSQL, Redis, uvicorn", AIM_SHARED, url=second, redis=redis, server="uvicorn")
    return [answer]


def one(
    answer: Answer,
    name: str,
    aim: float,
    *,
    url: str | None = None,
    redis: str | None = None,
    server: str = "daphne",
    short: bool = False,
) -> None:
    lines, count = (SHORT_LINES, SHORT_VIEWERS) if short else (LINES, VIEWERS)
    with Board(url, redis) as board:
        go = board.data / "go"
        board.project("lines", RECIPE.format(python=sys.executable, go=str(go), lines=lines))
        web = board.web(server)
        board.workers(1)
        build_id = board.start("lines")
        board.wait(build_id, status="running")
        with watch(board, web.port, build_id, count) as viewers:
            viewers.wait_for("ready\n")
            Path(go).touch()
            board.wait(build_id, seconds=120, status="passed")
            viewers.wait(60)
            found = json.loads(viewers.output().splitlines()[-1])
        stored = len(board.stored(build_id))
    if not found["order"] or set(found["lines"]) != {lines}:
        raise AssertionError(f"not every viewer got every line once and in order: {found['lines']} of {lines}")
    seconds = found["seconds"]
    answer.add(
        setup=name,
        p50=milliseconds(percentile(seconds, 0.5)),
        p95=milliseconds(percentile(seconds, 0.95)),
        p99=milliseconds(percentile(seconds, 0.99)),
        most=milliseconds(seconds[-1]),
        aim_p95=milliseconds(aim),
        stored_p95=milliseconds(percentile(found["stored"], 0.95)),
        sent_p95=milliseconds(percentile(found["sent"], 0.95)),
        frames=len(seconds),
        events=stored,
    )


def watch(board: Board, port: int, build_id: int, count: int) -> Process:
    """`count` viewers of that build, in one process of their own."""
    path = f"/builds/{build_id}/events/"
    command = [sys.executable, "-m", "tests.bench.viewers", str(port), path, board.token("alice"), str(count)]
    return Process(command, env=board.env, cwd=ROOT)
