"""A process of its own: COUNT viewers of one stream on raw sockets, by epoll, which count what they are given.

    python -m tests.bench.load PORT PATH COUNT LINES [FIELD]

Prints `ready` once every viewer has had its first bytes. Then it reads until each has got line number LINES, or
nothing came for a while, and prints one JSON object: `delivered`, lines at viewers in all; `gaps` and `doubles`, lines
that a viewer missed or got again; `seconds`, from the first of these lines to the last; `total`, from the first
connection to the last line; `latency`, a sorted sample in seconds of how long a line was under way, from the stamp
within it; `short`, how many viewers never had the last one.

A line has `@<nanoseconds of the machine's clock> <number> ` in it, numbers from 1.
"""

import json
import re
import select
import socket
import sys
import time

SILENCE_SECONDS = 10
SAMPLE = 7
"""Every so many lines of a viewer the time is noted: a prime, so that no rhythm of the writer is met."""
_STAMP = re.compile(rb"@(\d{19}) (\d+) ")
_PART = re.compile(rb"\r\n[0-9a-f]+\r\n")
"""Between two parts of a body, which may part a stamp."""
_LARGE = 32 * 1024
_LONGEST = 60
"""Bytes of a stamp, at most: what is kept of a piece that may end within one."""
_BATCH = 100


class Viewer:
    __slots__ = ("doubles", "gaps", "kept", "last", "socket")

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.sendall(request)
        self.socket.setblocking(False)
        self.kept = b""
        self.last = self.gaps = self.doubles = 0

    def take(self, data: bytes, now: int, sample: list[int]) -> int:
        """How many lines are whole by now."""
        data = self.kept + data
        if len(data) > _LARGE and (count := self._count(data)):
            return count
        data = _PART.sub(b"", data)
        found = _STAMP.findall(data)
        cut = data.rfind(b"@", max(len(data) - _LONGEST, 0))
        self.kept = data[cut:] if cut >= 0 and not _STAMP.match(data, cut) else b""
        if found and int(found[0][1]) == self.last + 1 and int(found[-1][1]) == self.last + len(found):
            self.last += len(found)  # as it nearly always is: no time for each of a million
            for stamp, _ in found[::SAMPLE] if len(found) > 1 else found[: self.last % SAMPLE == 0]:
                sample.append(now - int(stamp))
            return len(found)
        for stamp, text in found:
            number = int(text)
            if number == self.last + 1:
                self.last = number
            elif number > self.last:
                self.gaps += number - self.last - 1
                self.last = number
            else:
                self.doubles += 1
            if number % SAMPLE == 0:
                sample.append(now - int(stamp))
        return len(found)

    def _count(self, data: bytes) -> int:
        """The same of a large piece, whose lines are counted and not looked at, but for the first and the last; of
        which no time is noted. 0: they are not what was to come, or it cannot be told so."""
        end = data.rfind(b"@")
        last = _STAMP.match(_PART.sub(b"", data[end : end + _LONGEST]))
        if last is None:  # it is in the next piece
            cut, end = end, data.rfind(b"@", 0, end)
            last = _STAMP.match(_PART.sub(b"", data[end : min(end + _LONGEST, cut)])) if end >= 0 else None
            rest = data[cut:]
        else:
            rest = b""
        begin = data.find(b"@")
        first = _STAMP.match(_PART.sub(b"", data[begin : begin + _LONGEST]))
        if first is None or last is None:
            return 0
        count = data.count(b"@", 0, end + 1)
        if int(first[2]) != self.last + 1 or int(last[2]) != self.last + count:
            return 0
        self.kept, self.last = rest, self.last + count
        return count


def main(port: str, path: str, count: str, lines: str, field: str = "") -> None:
    fields = f"Accept: text/event-stream\r\n{field}\r\n" if field else "Accept: text/event-stream\r\n"
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{fields}\r\n".encode()
    wanted = int(lines)
    viewers: dict[int, Viewer] = {}
    opened = time.time_ns()
    epoll = select.epoll()
    silent: set[int] = set()
    for _ in range(0, int(count), _BATCH):  # a few at a time, or the queue of connections that wait overflows
        for _ in range(min(_BATCH, int(count) - len(viewers))):
            viewer = Viewer(int(port), request)
            number = viewer.socket.fileno()
            viewers[number] = viewer
            silent.add(number)
            epoll.register(number, select.EPOLLIN)
        began = time.monotonic()
        while silent and time.monotonic() - began < 60:
            for number, _ in epoll.poll(1):
                viewers[number].take(viewers[number].socket.recv(262_144), 0, [])
                silent.discard(number)
    say("ready" if not silent else f"{len(silent)} viewers were not answered")
    sample: list[int] = []
    delivered, first, last = 0, 0, time.time_ns()
    over: set[int] = {number for number, viewer in viewers.items() if viewer.last >= wanted}
    heard = time.monotonic()
    while len(over) < len(viewers) and time.monotonic() - heard < SILENCE_SECONDS + 20 * (not delivered):
        for number, _ in epoll.poll(1):
            viewer = viewers[number]
            data = viewer.socket.recv(262_144)
            now = time.time_ns()
            if not data:
                epoll.unregister(number)
                over.add(number)
                continue
            got = viewer.take(data, now, sample)
            if got:
                heard = time.monotonic()
                delivered += got
                first = first or now
                last = now
                if viewer.last >= wanted:
                    over.add(number)
    found = {
        "delivered": delivered,
        "gaps": sum(viewer.gaps for viewer in viewers.values()),
        "doubles": sum(viewer.doubles for viewer in viewers.values()),
        "seconds": (last - first) / 1e9 if first else 0.0,
        "total": (last - opened) / 1e9,
        "latency": [nanoseconds / 1e9 for nanoseconds in sorted(sample)[:: max(len(sample) // 5_000, 1)]],
        "short": sum(viewer.last < wanted for viewer in viewers.values()),
    }
    say(json.dumps(found))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
