"""What do idle viewers of one build cost: threads, database connections, memory?"""

import time

import psutil

from tests.support.board import Board
from tests.support.processes import eventually
from tests.support.sse import SseClient

from .databases import optional_postgres
from .figures import Answer

VIEWERS, SHORT_VIEWERS = 200, 10
SETTLE_SECONDS, SHORT_SETTLE_SECONDS = 3.0, 0.2


def measure(short: bool) -> list[Answer]:
    count = SHORT_VIEWERS if short else VIEWERS
    answer = Answer(f"{count} idle viewers of one queued build, against none")
    one(answer, "SQLite, daphne", None, "daphne", short)
    if not short:
        one(answer, "SQLite, uvicorn", None, "uvicorn", short)
        with optional_postgres(answer) as url:
            if url is not None:
                one(answer, "PostgreSQL, daphne", url, "daphne", short)
    return [answer]


def one(answer: Answer, name: str, url: str | None, server: str, short: bool) -> None:
    count, rest = (SHORT_VIEWERS, SHORT_SETTLE_SECONDS) if short else (VIEWERS, SETTLE_SECONDS)
    with Board(url) as board:
        board.project("idle", "steps: [{name: say, run: 'true'}]")
        web = board.web(server)
        build_id = board.start("idle")
        path, token = f"/builds/{build_id}/events/", board.token("alice")
        # What the first viewer brings once and for all is not the price of a viewer.
        with SseClient(web.port, path, token=token) as first:
            first.read_until(lambda message: message.id is not None)
        time.sleep(rest)
        process = psutil.Process(web.process.pid)
        before = facts(process, board)
        clients = [SseClient(web.port, path, token=token) for _ in range(count)]
        for client in clients:
            client.read_until(lambda message: message.id is not None)
        time.sleep(rest)
        with_viewers = facts(process, board)
        began = process.cpu_times()
        time.sleep(rest)
        ended = process.cpu_times()
        for client in clients:
            client.close()
        eventually(lambda: facts(process, board)["sockets"] <= before["sockets"] + 1, 20, "viewers are not let go")
    answer.add(
        setup=name,
        viewers=count,
        threads=f"{before['threads']} → {with_viewers['threads']}",
        connections=f"{before['connections']} → {with_viewers['connections']}",
        kib_a_viewer=round((with_viewers["memory"] - before["memory"]) / 1024 / count, 1),
        idle_cpu=f"{100 * (ended.user + ended.system - began.user - began.system) / rest:.1f} %",
    )


def facts(process: psutil.Process, board: Board) -> dict[str, int]:
    return {
        "threads": process.num_threads(),
        "memory": process.memory_info().rss,
        "sockets": len(process.net_connections("tcp")),
        "connections": _connections(process, board),
    }


def _connections(process: psutil.Process, board: Board) -> int:
    """Open database connections of that process: handles of the SQLite file, or TCP connections to PostgreSQL."""
    if board.database_url.startswith("sqlite"):
        return sum(file.path.endswith("buildboard.sqlite3") for file in process.open_files())
    port = int(board.database_url.rpartition(":")[2].partition("/")[0])
    return sum(bool(one.raddr) and one.raddr.port == port for one in process.net_connections("tcp"))
