"""How soon is the whole log of a million lines there as text, and any line of it by its number? What does the web
process grow by meanwhile?"""

import random
import socket
import time
from statistics import median
from unittest import mock

from builds import retention
from builds.retention import Pace
from tests import live
from tests.support.board import Board, Web

from .databases import on_each
from .figures import Answer, milliseconds, percentile
from .prune import old_build
from .search import LINES, SHORT_LINES, cpu, fill

ROUNDS = 3
TRIES, SHORT_TRIES = 40, 4
_END = b"\r\n0\r\n\r\n"


def measure(short: bool) -> list[Answer]:
    answer = Answer("the whole log as text, and a line of it by number")
    on_each(answer, short, lambda name, url: one(answer, name, url, short))
    return [answer]


def one(answer: Answer, name: str, url: str | None, short: bool) -> None:
    lines, tries = (SHORT_LINES, SHORT_TRIES) if short else (LINES, TRIES)
    with Board(url) as board:
        board.project("long", "steps: [{name: say, run: 'true'}]")
        with board.database():
            build_id = old_build("long", 1, 0)
            size = fill(build_id, lines)
        for log in ("events", "blocks"):
            if log == "blocks":
                with board.database(), mock.patch.object(Pace, "_pause", lambda *_: None):
                    retention.compact(build_id, Pace())
            for server in ("uvicorn", "daphne"):
                web = board.web(server)
                row = {"database": name, "server": server, "log": log}
                row |= downloads(board, web, build_id, size, ROUNDS)
                answer.add(**row, **by_number(board, build_id, lines, tries))
                web.process.terminate()
                board.webs.remove(web)


def downloads(board: Board, web: Web, build_id: int, size: int, rounds: int) -> dict:
    """With its colours, which is what is stored, and without."""
    path, token = f"/builds/{build_id}/log.txt", board.token("alice")
    download(web, f"{path}?ansi=1", token, size)
    before, row = live.memory(web.process.pid), {"mb": round(size / 1e6, 1)}
    for words, query in (("", "?ansi=1"), ("plain_", "")):
        spent, took = cpu(web), []
        for _ in range(rounds):
            began = time.monotonic()
            download(web, path + query, token, size if query else 0)
            took.append(time.monotonic() - began)
        row[f"{words}mb_per_s"] = round(size / 1e6 / median(took))
        row[f"{words}spread"] = f"{size / 1e6 / max(took):.0f} to {size / 1e6 / min(took):.0f}"
        row[f"{words}cpu_s"] = round((cpu(web) - spent) / rounds, 2)
    return row | {"grown_mib": max(live.memory(web.process.pid) - before, 0) // 2**20}


def download(web: Web, path: str, token: str, size: int) -> None:
    """On a raw socket, into one buffer: what a client does with the bytes is not measured. `size`: of the text, where
    that is known."""
    buffer = memoryview(bytearray(1024 * 1024))
    got, end = 0, b""
    with socket.create_connection(("127.0.0.1", web.port), timeout=60) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        connection.sendall(request.encode())
        while not end.endswith(_END) and (count := connection.recv_into(buffer)):
            got += count
            end = (end + bytes(buffer[max(count - len(_END), 0) : count]))[-len(_END) :]
    if not end.endswith(_END) or (size and not size <= got <= size * 1.02 + 4096):
        raise AssertionError(f"{got} bytes of a log of {size}, ending in {end!r}")


def by_number(board: Board, build_id: int, lines: int, tries: int) -> dict:
    """A stretch as a page asks for it, anywhere."""
    dice = random.Random(7)
    took = []
    for _ in range(tries):
        first = dice.randrange(1, lines - 200)
        sent = time.monotonic()
        answer = board.get(f"/builds/{build_id}/log/?step=say&from={first}&to={first + 199}")
        took.append(time.monotonic() - sent)
        if len(answer.json()["lines"]) != 200:
            raise AssertionError(answer.text[:200])
    took.sort()
    return {"lines_p50": milliseconds(median(took)), "lines_worst": milliseconds(percentile(took, 1))}
