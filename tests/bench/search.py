"""How long does a search take in a log of a million lines, and how long do others wait for the web meanwhile?"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock
from urllib.parse import urlencode

import psutil
from django.utils import timezone

from builds import retention
from builds.models import Build, Event
from builds.retention import Pace
from tests import live
from tests.support.board import Board, Web

from .databases import on_each
from .figures import Answer, milliseconds, percentile
from .prune import old_build, realistic

LINES, SHORT_LINES = 1_000_000, 3_000
CHUNK = 800
"""Lines of an event: about 64 KiB, as a worker stores them at its fastest."""
QUIET_SECONDS = 5.0
NEEDLE = "ld: undefined reference to `frobnicate'"
"""Stands once, near the end."""
QUERIES = (
    ("rare text", {"q": "undefined reference"}),
    ("rare expression", {"q": r"\bundef\w+ ref.*`frob\w+'$", "regex": 1}),
    ("no capitals, rare", {"q": "UNDEFINED REFERENCE"}),
    ("frequent text", {"q": "note:", "case": 1}),
    ("frequent expression", {"q": r"\d+\.\d+ s\)$|_\d{2}'", "regex": 1}),
    ("every line", {"q": ".", "regex": 1}),
    ("hostile expression", {"q": r"(([a-z]{1,10}){1,10}){1,5}\d\dz", "regex": 1}),
)


def measure(short: bool) -> list[Answer]:
    answer = Answer("search in a log: the first answer (ms), the first match (ms), the whole count (s)")
    on_each(answer, short, lambda name, url: one(answer, name, url, SHORT_LINES if short else LINES))
    return [answer]


def one(answer: Answer, name: str, url: str | None, lines: int) -> None:
    with Board(url) as board:
        board.project("long", "steps: [{name: say, run: 'true'}]")
        with board.database():
            build_id = old_build("long", 1, 0)
            size = fill(build_id, lines)
        web = board.web()
        with others(board) as waited:
            time.sleep(QUIET_SECONDS if lines > SHORT_LINES else 0.3)
        answer.add(database=name, query="no search", others_p99=milliseconds(percentile(sorted(waited), 0.99)))
        for log in ("events", "blocks"):
            if log == "blocks":
                with board.database(), mock.patch.object(Pace, "_pause", lambda *_: None):
                    retention.compact(build_id, Pace())
            for words, query in QUERIES:
                before, spent = live.memory(web.process.pid), cpu(web)
                row = search(board, build_id, query)
                row["cpu_s"] = round(cpu(web) - spent, 2)
                row["grown_mib"] = max(live.memory(web.process.pid) - before, 0) // 2**20
                with others(board) as waited:
                    search(board, build_id, query)
                row["others_p99"] = milliseconds(percentile(sorted(waited), 0.99)) if waited else 0
                answer.add(database=name, log=log, query=words, **row)
        if name == "SQLite":
            answer.notes.append(f"{lines:,} lines, {size / 1e6:.0f} MB. cpu_s: of the web process, alone")
            answer.notes.append("others_p99 (ms): of GET /healthz, fifty times a second, during the same once more")


def fill(build_id: int, lines: int) -> int:
    """Put a log of so many lines in place of the build's own: how many bytes of text it has."""
    Event.objects.filter(build_id=build_id).delete()
    at = timezone.now()
    size = 0
    for seq, first in enumerate(range(1, lines + 1, CHUNK), start=1):
        texts = list(realistic(seq, min(CHUNK, lines + 1 - first)))
        if first <= lines * 0.98 < first + CHUNK:
            texts[-1] = NEEDLE
        body = "\n".join(texts)
        size += len(body) + 1
        Event.objects.create(
            build_id=build_id, seq=seq, kind="log", at=at, step=0, line=first, lines=len(texts), body=body
        )
    Event.objects.create(build_id=build_id, seq=seq + 1, kind="build", at=at, body="{}")
    Build.objects.filter(pk=build_id).update(head=seq + 1)
    return size


def search(board: Board, build_id: int, query: dict) -> dict:
    """As a page does: with places up to 20,000, then only the number."""
    began = time.monotonic()
    took: list[float] = []
    first_match = None
    lines, cursor, more = 0, None, True
    while more:
        sent = time.monotonic()
        asked = query | ({"from": cursor} if cursor else {}) | ({"positions": 0} if lines >= 20_000 else {})
        answer = board.get(f"/builds/{build_id}/search/?{urlencode(asked)}")
        if answer.status != 200:
            raise AssertionError(f"{query} answered {answer.status}: {answer.text}")
        found = answer.json()
        took.append(time.monotonic() - sent)
        lines, cursor, more = lines + found["lines"], found["next"], found["more"]
        if lines and first_match is None:
            first_match = time.monotonic() - began
    return {
        "lines": lines,
        "first": milliseconds(took[0]),
        "first_match": milliseconds(first_match) if first_match else "",
        "whole_s": round(time.monotonic() - began, 2),
        "slices": len(took),
        "longest": milliseconds(max(took)),
    }


def cpu(web: Web) -> float:
    """Seconds of processor time that the web process has had."""
    return sum(psutil.Process(web.process.pid).cpu_times()[:2])


@contextmanager
def others(board: Board) -> Iterator[list[float]]:
    """What another caller of the same web process waits for an answer, meanwhile."""
    waited: list[float] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.02):
            sent = time.monotonic()
            board.get("/healthz", token=None)
            waited.append(time.monotonic() - sent)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield waited
    finally:
        over.set()
        asking.join()
