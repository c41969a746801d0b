"""A viewer on a raw socket, with a cursor and the manners of the page's own client. `crowd.py` gives it its turns.

A viewer comes back with its cursor after whatever ends its connection, waits as the stream's `retry` says, and where a
stream that was opened says nothing, it polls with the same cursor. It notes each stored event that it was given, in
the order in which they came: whether those are the log, once and in order, is for the oracle to say.
"""

import json
import re
import selectors
import socket
import time
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import h11

from tests.support.sse import Message, parse_block

if TYPE_CHECKING:
    from .crowd import Crowd

FIRST_WORD = 5.0
"""Seconds that a stream may take to say something, before a viewer polls: as in builds/static/builds/stream.js."""
SILENCE = 20.0
"""A board that lives says `ping` each 15 seconds."""
STREAM_AGAIN = 15.0
LATE = timedelta(seconds=8)
"""A web looks each second, whatever becomes of wakes; the rest is for a busy machine."""
POLL_SECONDS = 10
_READ_BYTES = 64 * 1024
SLOW_BYTES, SLOW_EVERY = 256, 0.25
"""1 kB/s, and a window to match."""
SLOW_BUFFER = 4_096
_AT = re.compile(r'"at":"([0-9T:.-]+)Z"')
KINDS = ("build", "step", "log", "progress", "cut", "group", "annotation")


@dataclass(frozen=True)
class Route:
    """How a viewer reaches the board. `answers`: something on it may answer in the board's place; `delays`: it holds
    back what the board says."""

    name: str
    port: int
    answers: bool = False
    delays: bool = False


@dataclass
class Seen:
    """What one viewer was given, for the oracle."""

    name: str
    build_id: int | None
    """None: the board's stream."""
    events: list[tuple[int, str, int]] = field(default_factory=list)
    """(id, kind, checksum of the data) as they came."""
    builds: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The board's stream: the newest state of each build."""
    late: list[tuple[int, datetime, datetime]] = field(default_factory=list)
    """(id, stored, came): lines that an open stream brought later than `LATE`."""
    ended: bool = False
    complaints: list[str] = field(default_factory=list)
    connections: int = 0
    polls: int = 0

    @property
    def cursor(self) -> int:
        return self.events[-1][0] if self.events else 0


class Viewer:
    """One of them. `slow`: it reads 1 kB/s until the crowd hurries. `polls`: it never tries the stream."""

    def __init__(
        self,
        route: Route,
        build_id: int | None,
        crowd: "Crowd",
        *,
        begin: float,
        slow: bool = False,
        polls: bool = False,
    ) -> None:
        self.route = route
        kinds = [route.name, *(["1 kB/s"] if slow else []), *(["long poll"] if polls else [])]
        self.seen = Seen(f"{', '.join(kinds)} on {f'build {build_id}' if build_id else 'the board'}", build_id)
        self.slow = self._was_slow = slow
        self._path = f"/builds/{build_id}/" if build_id else "/"
        self._crowd = crowd
        self._poll_until = float("inf") if polls else 0.0
        self._socket: socket.socket | None = None
        self._wake_at = begin
        self._retry = 2.0
        self._failures = 0
        self._read_at = 0.0

    @property
    def is_polling(self) -> bool:
        return time.monotonic() < self._poll_until

    # --- In the crowd's thread ---

    def turn(self, now: float) -> None:
        """What is due."""
        if self.seen.ended:
            return
        if self.slow and self._crowd.hurries:
            self._hurry()
        if self._socket is None:
            if now >= self._wake_at:
                self._open(now)
            return
        if self.slow and not self._asking and now >= self._read_at:
            self._read_at = now + SLOW_EVERY
            self.read(SLOW_BYTES)
        if self._socket is not None:
            self._mind(now)

    def ready(self, mask: int) -> None:
        if self._asking and mask & selectors.EVENT_WRITE:
            self._ask()
        elif mask & selectors.EVENT_READ:
            self.read(_READ_BYTES)

    def read(self, size: int) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(size)
        except BlockingIOError:
            return
        except OSError:
            self._lost()
            return
        self._heard_at = time.monotonic()
        try:
            self._http.receive_data(data)
            self._take(self._http)
        except h11.RemoteProtocolError:  # its end, in the middle of something
            self._lost()

    def _hurry(self) -> None:
        self.slow = False
        if self._socket is not None and not self._asking:
            # So small a window takes minutes for a flood, however eagerly it is read.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self._crowd.watch(self, self._socket, selectors.EVENT_READ)

    def end(self) -> None:
        self.seen.ended = True
        self._close()

    # --- A connection ---

    def _open(self, now: float) -> None:
        self.seen.connections += 1
        self._asking = True
        self._polling = self.is_polling
        self.seen.polls += self._polling
        self._opened_at = self._heard_at = now
        self._opened = datetime.now(UTC)
        self._text = b""
        self._words = 0
        self._status = 0
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        self._socket = socket.socket()
        if self.slow:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER)
        self._socket.setblocking(False)
        self._socket.connect_ex(("127.0.0.1", self.route.port))
        self._crowd.watch(self, self._socket, selectors.EVENT_WRITE)

    def _ask(self) -> None:
        headers = [("Host", f"127.0.0.1:{self.route.port}"), ("Authorization", f"Bearer {self._crowd.token}")]
        query = f"?after={self.seen.cursor}&world={self._crowd.world}"
        if self._polling:
            target = f"{self._path}events.json{query}&wait={POLL_SECONDS}"
        else:
            target = f"{self._path}events/{query}"
            headers.append(("Accept", "text/event-stream"))
            if self.seen.events:
                headers.append(("Last-Event-ID", str(self.seen.cursor)))
        request = self._http.send(h11.Request(method="GET", target=target, headers=headers))
        try:
            self._socket.sendall(request + self._http.send(h11.EndOfMessage()))
        except OSError:
            self._lost()
            return
        self._asking = False
        self._crowd.watch(self, self._socket, 0 if self.slow else selectors.EVENT_READ)

    def _mind(self, now: float) -> None:
        """Has it been silent for too long?"""
        silent = now - self._heard_at
        if self._polling:
            if silent > POLL_SECONDS + 10:
                self._complain(f"a long poll of {POLL_SECONDS} s was not answered within {silent:.0f} s")
                self._lost()
        elif not self._words and now - self._opened_at > FIRST_WORD:
            self._poll_until = now + STREAM_AGAIN
            self._again(0.0)
        elif silent > SILENCE and not self.slow:
            if not self.route.delays:
                self._complain(f"a stream said nothing for {silent:.0f} s")
            self._poll_until = now + STREAM_AGAIN
            self._again(0.0)

    def _take(self, http: h11.Connection) -> None:
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                return
            if isinstance(event, h11.Response):
                self._status = event.status_code
                if self._status not in (200, 204):
                    self._answered()
                    return
            elif isinstance(event, h11.Data):
                self._text += bytes(event.data)
                if not self._polling:
                    self._messages()
                if self._socket is None:
                    return
            elif isinstance(event, h11.EndOfMessage):
                if self._status == 204:
                    self.end()
                elif self._polling:
                    self._page()
                else:
                    self._again(self._retry)
                return
            else:  # ConnectionClosed
                self._lost()
                return

    def _answered(self) -> None:
        """Neither a stream nor a page of events."""
        expected = ((502, 504) if self.route.answers else ()) + ((503,) if self._polling else ())
        if self._status not in expected:
            self._complain(f"answered {self._status}")
        self._lost()

    def _messages(self) -> None:
        while b"\n\n" in self._text:
            block, _, self._text = self._text.partition(b"\n\n")
            message = parse_block(block.decode())
            if message is None:
                continue
            if message.retry is not None:
                self._retry = message.retry / 1000
            if message.event is not None:
                self._message(message)
            if self._socket is None:
                return

    def _message(self, message: Message) -> None:
        self._words += 1
        self._failures = 0
        if message.event in KINDS and message.id is not None and message.data is not None:
            self._event(int(message.id), message.event, message.data)
        elif message.event == "end":
            self.end()
        elif message.event == "restart":
            self._again(self._retry)
        elif message.event == "problem":
            if self._words > 1:  # else it was opened while the database was away
                self._complain(f"a stream that went was broken off: {message.data}")
            self._again(self._retry)
        elif message.event != "ping":
            self._complain(f"was told {message.event}: {message.data}")
            self._again(self._retry)

    def _page(self) -> None:
        page = json.loads(self._text)
        if page.get("reset"):
            self._complain("a long poll was told reset")
        for event in page["events"]:
            # As the store has it: the answer's JSON is compact, but for the spaces that `head` stands behind.
            data = json.dumps(event["data"], ensure_ascii=False, separators=(",", ":"))
            self._event(event["id"], event["kind"], data)
        self._failures = 0
        if page["final"] and self.seen.cursor >= page["head"]:
            self.end()
        else:
            waited = time.monotonic() - self._opened_at
            self._again(0.0 if page["events"] or waited > 1 else 1.0)

    def _event(self, number: int, kind: str, data: str) -> None:
        self.seen.events.append((number, kind, checksum(data)))
        if kind == "log" and not (self._polling or self._was_slow or self.route.delays):
            now, at = datetime.now(UTC), _AT.search(data)
            stored = datetime.fromisoformat(at[1]).replace(tzinfo=UTC) if at else now
            if now - stored > LATE and stored > self._opened:
                self.seen.late.append((number, stored, now))
        if self.seen.build_id is None:
            state = json.loads(data)
            self.seen.builds[state["id"]] = state

    # --- Its end ---

    def _lost(self) -> None:
        """Without a word: refused, reset, or cut in the middle."""
        self._failures += 1
        self._again(min(0.25 * 2**self._failures, 3.0) if self._polling or not self._words else self._retry)

    def _again(self, seconds: float) -> None:
        self._close()
        self._wake_at = time.monotonic() + seconds * self._crowd.dice.uniform(0.8, 1.2)

    def _close(self) -> None:
        if self._socket is not None:
            self._crowd.watch(self, self._socket, 0)
            self._socket.close()
            self._socket = None

    def _complain(self, what: str) -> None:
        self.seen.complaints.append(f"{what} (at id {self.seen.cursor}, {self._crowd.clock():.1f} s)")


def checksum(data: str) -> int:
    return zlib.crc32(data.encode())
