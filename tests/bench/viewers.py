"""A process of its own: COUNT viewers of one stream on raw sockets, and when each got each stamped line.

    python -m tests.bench.viewers PORT PATH TOKEN COUNT

Prints `ready` once every viewer has had its first bytes, and at the end of all streams one JSON object: `seconds` from
the stamp in a line (`@` and the nanoseconds of the machine's clock) to the moment the whole frame was read, sorted,
over all viewers; the two parts of it, `stored` (to the time in the event) and `sent` (from there on); `lines`, how many
of them each viewer got; `order`, whether each got them in order and once. While it runs it only notes bytes and times:
they are taken apart afterwards, so that the measure does not disturb what is measured.
"""

import bisect
import json
import re
import selectors
import socket
import sys
import time
from datetime import datetime

SILENCE_SECONDS = 60
_STAMP = re.compile(rb"@(\d{9,20}) ")
_AT = re.compile(rb'"at":"([0-9T:.-]+)Z"')


class Viewer:
    def __init__(self, port: int, path: str, token: str) -> None:
        self.raw = bytearray()
        self.arrivals: list[tuple[int, int]] = []
        """(how many bytes were there, when): after each read."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        fields = f"Host: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n"
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode())
        self.socket.setblocking(False)

    def read(self) -> bool:
        """False: the stream has ended."""
        data = self.socket.recv(262_144)
        now = time.time_ns()
        self.raw += data
        self.arrivals.append((len(self.raw), now))
        return bool(data) and not self.raw.endswith((b"event: end\ndata: {}\n\n\r\n", b"0\r\n\r\n"))

    def stamps(self) -> list[tuple[int, int, int]]:
        """(printed, stored, arrived) of each line, in the order in which they came."""
        ends = [size for size, _ in self.arrivals]
        found = []
        for match in _STAMP.finditer(self.raw):
            whole = self.raw.find(b"\n\n", match.end())
            arrived = self.arrivals[bisect.bisect_left(ends, whole + 2)][1]
            at = _AT.search(self.raw, match.end(), whole)
            stored = datetime.fromisoformat(f"{at[1].decode()}+00:00").timestamp() if at else 0.0
            found.append((int(match[1]), int(stored * 1e9), arrived))
        return found


def main(port: str, path: str, token: str, count: str) -> None:
    viewers = [Viewer(int(port), path, token) for _ in range(int(count))]
    selector = selectors.DefaultSelector()
    for viewer in viewers:
        selector.register(viewer.socket, selectors.EVENT_READ, viewer)
    waiting = set(viewers)
    heard = time.monotonic()
    while selector.get_map() and time.monotonic() - heard < SILENCE_SECONDS:
        for key, _ in selector.select(1):
            heard = time.monotonic()
            viewer = key.data
            if not viewer.read():
                selector.unregister(viewer.socket)
                viewer.socket.close()
            if viewer in waiting and b"\r\n\r\n" in viewer.raw:
                waiting.discard(viewer)
                if not waiting:
                    say("ready")
    stamps = [viewer.stamps() for viewer in viewers]
    every = [times for one in stamps for times in one]
    found = {
        "seconds": sorted((arrived - printed) / 1e9 for printed, _, arrived in every),
        "stored": sorted((stored - printed) / 1e9 for printed, stored, _ in every),
        "sent": sorted((arrived - stored) / 1e9 for _, stored, arrived in every),
        "lines": [len(one) for one in stamps],
        "order": all(a[0] < b[0] for one in stamps for a, b in zip(one, one[1:], strict=False)),
    }
    say(json.dumps(found))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
