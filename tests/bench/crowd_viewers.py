"""A process of its own: COUNT viewers of one build's stream on raw sockets, that come back as browsers do.

    python -m tests.bench.crowd_viewers PATH TOKEN COUNT PORT[,PORT…]

They share the ports out among themselves. One whose stream ends comes back within a second, with the last id that it
has, to the next port; one that was told `end` is done. A line of JSON tells how they stand, whenever that has changed:
`open` (have had their first bytes and are still there), `least` (the lowest last id), `lost` and `doubled` (ids that
were jumped over, or came again), `told` (how often each control event came), `on` (how many are open on each port).
"""

import heapq
import json
import random
import re
import selectors
import socket
import sys
import time
from collections import Counter

STATE_SECONDS = 0.1
AGAIN_SECONDS = 1.0
_CHUNK = re.compile(rb"(?:\r\n)?([0-9a-fA-F]+)\r\n")
_STATUS = re.compile(rb"HTTP/1.1 (\d+)")


class Viewer:
    def __init__(self, ports: list[int], first: int, head: str) -> None:
        self._ports = ports
        self._turn = first
        self._head = head
        self.last = self.lost = self.doubled = 0
        self.is_open = self.is_done = False
        self.port = 0

    def connect(self) -> None:
        """Ready to be written to when it is connected."""
        self.port = self._ports[self._turn % len(self._ports)]
        self._turn += 1
        self._raw, self._text, self._left, self._has_head = b"", b"", 0, False
        self.is_open = False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", self.port))

    def ask(self) -> None:
        self.socket.sendall(self._head.format(port=self.port, last=self.last).encode())

    def read(self, told: Counter[str]) -> bool:
        """False: the stream has ended."""
        try:
            data = self.socket.recv(262_144)
        except OSError:
            return False
        self._raw += data
        if not self._has_head and b"\r\n\r\n" in self._raw:
            head, _, self._raw = self._raw.partition(b"\r\n\r\n")
            status = _STATUS.match(head)
            told[f"status {status[1].decode() if status else '?'}"] += 1
            self._has_head = True
        ended = not data or (self._has_head and self._unchunk())
        *blocks, self._text = self._text.split(b"\n\n")
        for block in blocks:
            self._take(block, told)
        return not ended

    def _unchunk(self) -> bool:
        """True: that was the last chunk."""
        while self._raw:
            if not self._left:
                size = _CHUNK.match(self._raw)
                if size is None:
                    return False
                self._raw, self._left = self._raw[size.end() :], int(size[1], 16)
                if not self._left:
                    return True
            part, self._raw = self._raw[: self._left], self._raw[self._left :]
            self._left -= len(part)
            self._text += part
        return False

    def _take(self, block: bytes, told: Counter[str]) -> None:
        found = dict(line.partition(": ")[::2] for line in block.decode().split("\n"))
        if "id" not in found:
            kind = found.get("event")
            if kind is not None:
                told[kind] += 1
                self.is_open = self.is_open or kind == "ping"
                self.is_done = self.is_done or kind == "end"
            return
        seq = int(found["id"])
        self.lost += max(seq - self.last - 1, 0)
        self.doubled += seq <= self.last
        self.last = max(self.last, seq)


def main(path: str, token: str, count: str, ports: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{{port}}\r\nAccept: text/event-stream\r\n"
    head += f"Authorization: Bearer {token}\r\nLast-Event-ID: {{last}}\r\n\r\n"
    everywhere = [int(port) for port in ports.split(",")]
    viewers = [Viewer(everywhere, number, head) for number in range(int(count))]
    told: Counter[str] = Counter()
    again = [(0.0, number) for number in range(len(viewers))]
    selector = selectors.DefaultSelector()
    said, say_at = "", 0.0
    while True:
        now = time.monotonic()
        while again and again[0][0] <= now:
            viewer = viewers[heapq.heappop(again)[1]]
            viewer.connect()
            selector.register(viewer.socket, selectors.EVENT_WRITE, viewer)
        for key, mask in selector.select(STATE_SECONDS):
            viewer = key.data
            try:
                if mask & selectors.EVENT_WRITE:
                    viewer.ask()
                    selector.modify(viewer.socket, selectors.EVENT_READ, viewer)
                    continue
                goes_on = viewer.read(told)
            except OSError:
                goes_on = False
            if not goes_on:
                selector.unregister(viewer.socket)
                viewer.socket.close()
                viewer.is_open = False
                if not viewer.is_done:
                    heapq.heappush(again, (time.monotonic() + random.uniform(0, AGAIN_SECONDS), viewers.index(viewer)))
        if time.monotonic() >= say_at:
            state = _state(viewers, told)
            if state != said:
                said = state
                sys.stdout.write(f"{state}\n")
                sys.stdout.flush()
            say_at = time.monotonic() + STATE_SECONDS


def _state(viewers: list[Viewer], told: Counter[str]) -> str:
    return json.dumps(
        {
            "open": sum(viewer.is_open for viewer in viewers),
            "least": min(viewer.last for viewer in viewers),
            "lost": sum(viewer.lost for viewer in viewers),
            "doubled": sum(viewer.doubled for viewer in viewers),
            "told": dict(told),
            "on": Counter(str(viewer.port) for viewer in viewers if viewer.is_open),
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
