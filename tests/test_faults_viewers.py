"""The fault bench's viewers: each lost or doubled event of theirs would be blamed on the board."""

import json
import socket
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from unittest import mock

from django.test import SimpleTestCase

from .faults import viewers
from .faults.crowd import Crowd
from .faults.viewers import Route
from .support.processes import eventually, free_port


class Board:
    """Answers requests with what a test has written down, in order; each connection gets one answer."""

    def __init__(self, *answers: bytes | None) -> None:
        """None: the request is taken and never answered."""
        self.requests: list[str] = []
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for client in self._open:
            client.close()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self.requests.append(client.recv(65536).decode())
                answer = self._answers.pop(0)
                if answer is None:
                    self._open.append(client)
                    continue
                client.sendall(answer)
                client.close()


def stream(*events: str) -> bytes:
    body = f"retry: 10\n\nevent: ping\ndata: {{}}\n\n{''.join(events)}".encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body


def event(number: int, kind: str = "log") -> str:
    return f'id: {number}\nevent: {kind}\ndata: {{"n":{number}}}\n\n'


END = "event: end\ndata: {}\n\n"


class ViewerTest(SimpleTestCase):
    def watch(self, *answers: bytes | None, port: int | None = None, **options: object) -> tuple[viewers.Viewer, Board]:
        board = self.enterContext(closing(Board(*answers)))
        crowd = self.enterContext(closing(Crowd("a-token", "a-world", 1)))
        crowd.add(Route("a route", port or board.port), 7, begin=0.0, **options)
        with mock.patch.object(viewers, "FIRST_WORD", 0.4):
            eventually(lambda: not crowd.missing(), 10, lambda: f"{crowd.viewers[0].seen} {board.requests}")
        return crowd.viewers[0], board

    def test_it_comes_back_with_its_cursor_until_it_is_told_the_end(self) -> None:
        half = stream(event(1), event(2), event(3)[:20])
        viewer, board = self.watch(half, stream(event(3), "event: restart\ndata: {}\n\n"), stream(event(4), END))
        self.assertEqual([number for number, _, _ in viewer.seen.events], [1, 2, 3, 4])
        self.assertEqual(viewer.seen.complaints, [])
        self.assertNotIn("Last-Event-ID", board.requests[0])
        self.assertIn("Last-Event-ID: 2", board.requests[1])
        self.assertIn("Authorization: Bearer a-token", board.requests[2])

    def test_behind_a_proxy_that_holds_the_stream_back_it_polls_with_the_same_cursor(self) -> None:
        body = b'{"events":[{"id":3,"kind":"log","data":{"n":3}}],"head": 3, "final": true}'
        page = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        viewer, board = self.watch(stream(event(1), event(2)), None, page)
        self.assertIn("GET /builds/7/events.json?after=2&world=a-world&wait=", board.requests[2])
        self.assertEqual([number for number, _, _ in viewer.seen.events], [1, 2, 3])
        self.assertEqual(viewer.seen.events[2], (3, "log", viewers.checksum('{"n":3}')))

    def test_what_an_open_stream_brings_late_is_noted(self) -> None:
        def line(number: int, seconds: float) -> str:
            stored = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
            data = json.dumps({"n": number, "at": stored.replace("+00:00", "Z")}, separators=(",", ":"))
            return f"id: {number}\nevent: log\ndata: {data}\n\n"

        with mock.patch.object(viewers, "LATE", timedelta(seconds=-2)):  # as if more than that had passed
            viewer, _ = self.watch(stream(line(1, -60), line(2, 1), line(3, 60), END))
        self.assertEqual([number for number, _, _ in viewer.seen.late], [2])

    def test_204_is_the_end_and_what_comes_twice_is_kept_for_the_oracle(self) -> None:
        viewer, _ = self.watch(stream(event(1)), stream(event(1)), b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertEqual([number for number, _, _ in viewer.seen.events], [1, 1])

    def test_it_complains_of_what_a_viewer_should_never_be_told(self) -> None:
        bad = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"
        reset = stream("event: reset\ndata: {}\n\n")
        broken = stream(event(1), "event: problem\ndata: {}\n\n")
        viewer, _ = self.watch(bad, reset, broken, stream(END))
        self.assertEqual(
            [complaint.partition(" (at")[0].partition(":")[0] for complaint in viewer.seen.complaints],
            ["answered 500", "was told reset", "a stream that went was broken off"],
        )

    def test_a_slow_one_reads_slowly_until_the_crowd_hurries(self) -> None:
        board = self.enterContext(closing(Board(stream(*(event(n) for n in range(1, 400)), END))))
        crowd = self.enterContext(closing(Crowd("a-token", "a-world", 1)))
        crowd.add(Route("a route", board.port), 7, begin=0.0, slow=True)
        time.sleep(1.5)
        self.assertTrue(0 < crowd.viewers[0].seen.cursor < 100, crowd.viewers[0].seen)
        crowd.hurries = True
        eventually(lambda: not crowd.missing(), 10)
        self.assertEqual(crowd.viewers[0].seen.cursor, 399)

    def test_a_board_that_is_not_there_is_asked_again(self) -> None:
        crowd = self.enterContext(closing(Crowd("a-token", "a-world", 1)))
        crowd.add(Route("a route", free_port()), 7, begin=0.0)
        eventually(lambda: crowd.viewers[0].seen.connections > 2, 10)
        self.assertEqual(crowd.viewers[0].seen.complaints, [])
