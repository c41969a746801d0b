"""Every event of one build exactly once and in order, whatever happens to the connection.

By a stream, else by long poll where streams do not come through (a proxy holds them back). After any cut it is asked
again with the number of the last event. What is not there as events any more (the log was compacted meanwhile) is read
by the numbers of its lines.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from .board import Board, Refused, Silent, Unreachable
from .sse import Message, Parser, TooLarge
from .talk import CouldNot

FIRST_BYTES_SECONDS = 8.0
"""A stream's first bytes leave the board at once: what has not come by then is held back on the way."""
SILENT_SECONDS = 40.0
"""A board pings every 15 s."""
POLL_SECONDS = 20.0
FIRST_REST, LONGEST_REST = 0.5, 20.0
LINES = 1_000
"""A page of lines by number."""
OVER = ("passed", "failed", "cancelled", "lost")


class Event(NamedTuple):
    id: int | None
    """None: it stands for events that are not stored as such any more."""
    kind: str
    data: str
    """JSON."""


class _Reset(Exception):
    """The cursor is void: read by lines, and go on from what is there."""


class Feed:
    """Iterate over it once. `tell`: hears of outages, in sentences."""

    def __init__(self, board: Board, build_id: int, tell: Callable[[str], None], patience: float | None = None) -> None:
        """`patience`: after so many seconds without the board it gives up, with `CouldNot`; None: never."""
        self.build_id = build_id
        self.board = board
        self._tell = tell
        self._patience = patience
        self._cursor: int | None = None
        self._world: str | None = None
        self._whole: dict[str, int] = {}  # by step: the number of its last line that is whole
        self._steps: dict[str, str] = {}  # by step: the status that was told last
        self._over = False
        self._polls = False
        self._attempts = 0
        self._retry = FIRST_REST
        self._away_since: float | None = None
        self._told_away = False

    def __iter__(self) -> Iterator[Event]:
        """Ends when the build is over and everything was given. `Refused`: no such build, or no right (any more)."""
        while not self._over:
            try:
                began = time.monotonic()
                for event in self._polled() if self._polls else self._streamed():
                    self._note(event)
                    yield event
                if not self._over and time.monotonic() - began < FIRST_REST:  # a board that is about to stop
                    time.sleep(random.uniform(0.2, 1.0) * FIRST_REST)  # noqa: S311 - not all at once
            except _Reset:
                for event in self._by_lines():
                    self._note(event)
                    yield event
            except Silent as error:
                # Once is enough: a board that cannot be reached at all is not silent. If polls do not come either,
                # it is the board after all.
                if self._polls:
                    self._rest(str(error))
                else:
                    self._tell("── The stream does not come through; asking again and again instead.")
                self._polls = not self._polls
            except Unreachable as error:
                self._rest(str(error), error.after)
            except TooLarge as error:
                raise CouldNot(f"What comes from {self.board.url} is no stream of a build: {error}.") from error

    # --- The two ways ---

    def _streamed(self) -> Iterator[Event]:
        parser = Parser()
        headers = {} if self._cursor is None else {"Last-Event-ID": str(self._cursor)}
        path = f"/builds/{self.build_id}/events/"
        with self.board.stream(
            path, query={"world": self._world}, headers=headers, accept="text/event-stream", seconds=FIRST_BYTES_SECONDS
        ) as stream:
            if stream.status == 204:
                yield from self._final()
                return
            if stream.headers.get_content_type() != "text/event-stream":
                raise CouldNot(f"{self.board.url}{path} is no stream but {stream.headers.get_content_type()}.")
            heard = False
            while data := stream.read():
                if not heard:
                    heard = True
                    stream.limit(SILENT_SECONDS)
                for message in parser.feed(data):
                    if message.id is None:
                        if self._control(message):
                            return
                        continue
                    yield from self._taken(int(message.id), message.event, message.data)
                    if self._over:
                        return
                if parser.retry is not None:
                    self._retry = min(parser.retry / 1000, LONGEST_REST)
        raise Unreachable(f"{self.board.url} has closed the stream.")

    def _control(self, message: Message) -> bool:
        """Whether this is all that there is to come from this stream."""
        said = _object(message.data)
        if message.event == "end":
            self._over = True
            return True
        if message.event == "denied":
            raise Refused(403, f"You may no longer see build {self.build_id}.")
        if message.event == "reset":
            raise _Reset
        if message.event == "restart":
            return True
        if message.event == "problem":
            raise Unreachable(str(said.get("detail", "")) or "Something failed there.", self._retry)
        if message.event == "ping":
            if "stale" in said:
                self._away("The board's database does not answer: there may be more.")
            else:
                self._here()
        return False

    def _polled(self) -> Iterator[Event]:
        path = f"/builds/{self.build_id}/events.json"
        query = {"after": self._cursor, "wait": f"{POLL_SECONDS:g}", "world": self._world}
        found = self.board.ask("GET", path, query=query, seconds=2 * POLL_SECONDS)
        self._here()
        if found.get("denied"):
            raise Refused(403, f"You may no longer see build {self.build_id}.")
        if found.get("reset"):
            raise _Reset
        for event in found["events"]:
            yield from self._taken(int(event["id"]), event["kind"], json.dumps(event["data"], ensure_ascii=False))
        self._over = self._over or bool(found["final"])

    def _taken(self, number: int, kind: str, data: str) -> Iterator[Event]:
        """The event, where it is the next one. Numbers jump at a cut, and where events are not stored any more."""
        self._here()
        cursor = self._cursor or 0
        if number <= cursor:
            return
        if number > cursor + 1 and kind != "cut":
            yield from self._by_lines()
            if self._over:
                return
        self._cursor = number
        yield Event(number, kind, data)

    # --- What is not there as events ---

    def _final(self) -> Iterator[Event]:
        """The build is over, and there is nothing more of it."""
        build = self.board.ask("GET", f"/api/v1/builds/{self.build_id}")
        yield Event(None, "build", json.dumps(build))
        self._over = True

    def _by_lines(self) -> Iterator[Event]:
        """All that is stored by now of what was not given yet, as events without numbers."""
        self._world = self.board.ask("GET", "/api/v1/me").get("world")
        self._cursor = None
        build = self.board.ask("GET", f"/api/v1/builds/{self.build_id}")
        if build.get("pruned_at"):
            self._tell(f"── The log of build {self.build_id} was pruned on {build['pruned_at'][:10]}.")
        for step in build["steps"]:
            if step["started_at"] is None:
                continue
            name = step["name"]
            if name not in self._steps:
                yield Event(None, "step", json.dumps(step | {"status": "running"}))
            if not build.get("pruned_at"):
                yield from self._lines_of(name)
            if step["status"] != "running" and self._steps.get(name) != step["status"]:
                yield Event(None, "step", json.dumps(step))
        if build["status"] in OVER:
            yield Event(None, "build", json.dumps(build))
            self._over = True

    def _lines_of(self, step: str) -> Iterator[Event]:
        while True:
            first = self._whole.get(step, 0) + 1
            query = {"step": step, "from": first, "to": first + LINES - 1}
            found = self.board.ask("GET", f"/builds/{self.build_id}/log/", query=query)
            lines = found["lines"]
            number = first
            for missing, run in groupby(lines, key=lambda line: line is None):
                texts = list(run)
                ends = number + len(texts) == first + len(lines)
                if missing:
                    data = {"step": step, "line": number, "lines": len(texts), "reason": _reason(found, number)}
                    yield Event(None, "cut", json.dumps(data))
                else:
                    said = {"step": step, "line": number, "text": "\n".join(texts)}
                    yield Event(None, "log", json.dumps(said | ({"open": True} if found["open"] and ends else {})))
                number += len(texts)
            if not lines or first + len(lines) - 1 >= found["total"]:
                return

    # --- How it goes ---

    def _note(self, event: Event) -> None:
        """What has been given, as far as reading by lines has to know."""
        if event.kind not in ("log", "step", "cut"):
            return
        facts = _object(event.data)
        if event.kind == "log":
            last = facts["line"] + facts["text"].count("\n") - bool(facts.get("open"))
            self._whole[facts["step"]] = max(last, self._whole.get(facts["step"], 0))
        elif event.kind == "cut":
            last = facts["line"] + facts["lines"] - 1
            self._whole[facts["step"]] = max(last, self._whole.get(facts["step"], 0))
        else:
            self._steps[facts["name"]] = facts["status"]

    def _rest(self, why: str, after: float | None = None) -> None:
        self._away(why)
        seconds = max(self._retry, min(FIRST_REST * 2**self._attempts, LONGEST_REST), min(after or 0.0, 60.0))
        self._attempts += 1
        time.sleep(seconds * random.uniform(0.5, 1.2))  # noqa: S311 - so that not all come back at once

    def _away(self, why: str) -> None:
        now = time.monotonic()
        self._away_since = self._away_since or now
        if self._patience is not None and now - self._away_since >= self._patience:
            raise CouldNot(f"Gave up after {self._patience:g} s: {why} Build {self.build_id} may go on.")
        if not self._told_away and (self._attempts or self._patience == 0):
            self._told_away = True  # a restart that takes a moment is not worth a word
            self._tell(f"── {why} Trying again; build {self.build_id} may go on meanwhile.")

    def _here(self) -> None:
        if self._told_away:
            self._tell("── Connected again; nothing is missing.")
        self._told_away = False
        self._away_since = None
        self._attempts = 0
        self._retry = FIRST_REST


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unreachable("What came from the board is no event.")
    return found


def _reason(found: dict[str, Any], line: int) -> str:
    """Why the lines from `line` on are missing."""
    for cut in found.get("cuts", ()):
        if cut["line"] <= line < cut["line"] + cut["lines"]:
            return str(cut["reason"])
    return ""
