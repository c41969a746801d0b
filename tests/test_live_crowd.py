"""Many viewers at once: what they cost, and where they go when their web is stopped. The bench has the full form."""

import contextlib
import socket
import struct
import sys
import time

from django.test import SimpleTestCase

from builds.live import reading
from builds.live.hub import LINGER_SECONDS
from tests import live
from tests.bench import crowd
from tests.bench.figures import Answer
from tests.support.board import Board
from tests.support.processes import Process, eventually, free_port
from tests.support.sse import SseClient

VIEWERS = 500

IMPATIENT = """
import sys
import django
django.setup()
from buildboard import asgi, serve
asgi.STALLED_SECONDS = 1.5
getattr(serve, f"run_{sys.argv[1]}")(serve.listen("127.0.0.1", int(sys.argv[2])))
"""


class CrowdTest(SimpleTestCase):
    def test_five_hundred_viewers_are_served_by_few_threads_and_connections_and_told_to_move(self) -> None:
        answer = Answer("")
        for server in ("daphne", "uvicorn"):
            with self.subTest(server), crowd.board() as board:
                many = crowd.many(answer, board, server, VIEWERS)
                self.assertEqual((many["told problem"], many["lost"], many["doubled"]), (0, 0, 0))
                for what, more in (("threads", 3), ("connections", 2)):
                    self.assertLessEqual(many["after"][what], many["before"][what] + more)
                self.assertLess(many["kib a viewer"], 200)
                board.webs.pop().terminate()
                moved = crowd.stopped(answer, board, server, VIEWERS)
                self.assertEqual((moved["lost"], moved["doubled"], moved["exit code"]), (0, 0, 0))
                self.assertEqual(moved["viewers"], VIEWERS // 2)
                self.assertEqual(moved["told restart"], moved["viewers"])
                self.assertLess(moved["seconds to exit"], 5)


class ComeAndGoTest(SimpleTestCase):
    def test_hundreds_who_open_and_abort_leave_nothing(self) -> None:
        for server in ("daphne", "uvicorn"):
            with self.subTest(server), Board(BUILDBOARD_LEASE_SECONDS="3600") as board:
                web = board.web(server)
                with board.database():
                    builds = [live.queued().pk for _ in range(10)]
                self._come_and_go(board, web.port, builds, 100)
                before = self._rested(web.process.pid)
                self._come_and_go(board, web.port, builds, 500)
                after = self._rested(web.process.pid)
                for what, more in (("threads", 1), ("files", 6), ("memory", 8 * 2**20)):
                    self.assertLessEqual(after[what], before[what] + more, what)
                text = board.get("/metrics").text
                self.assertNotRegex(text, r"\nbuildboard_viewers{[^}]*} [1-9]")

    def _rested(self, pid: int) -> dict[str, int]:
        """When its hub has stopped: no viewer, and no tail either, which would keep the readers at work.

        SQLite keeps the files of closed connections for the next ones while another is open, and this process keeps
        one open, so that a full disk can still be read: its threads tell when the readers have ended. Until then a
        tail lingers, and readers idle, which together looks like rest.
        """
        longest = LINGER_SECONDS + 2 * reading.IDLE_SECONDS
        seen = [live.threads(pid), time.monotonic()]

        def rests() -> bool:
            now = live.threads(pid)
            if now != seen[0]:
                seen[:] = now, time.monotonic()
            return time.monotonic() - seen[1] > longest

        eventually(rests, 60, "readers go on")
        return {"threads": live.threads(pid), "files": live.files(pid), "memory": live.memory(pid)}

    def _come_and_go(self, board: Board, port: int, builds: list[int], count: int) -> None:
        token = board.token("alice")
        for number in range(count):
            path = "/events/" if number % 5 == 0 else f"/builds/{builds[number % len(builds)]}/events/"
            head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
            with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
                one.sendall(head.encode())
                if number % 3:
                    one.recv(100)
                if number % 2:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class StalledTest(SimpleTestCase):
    def test_a_viewer_that_takes_nothing_is_cut_off_by_either_server_and_costs_little_until_then(self) -> None:
        for server in ("daphne", "uvicorn"):
            with self.subTest(server), Board(BUILDBOARD_LEASE_SECONDS="3600") as board, contextlib.ExitStack() as held:
                port = free_port()
                command = [sys.executable, "-c", IMPATIENT, server, str(port)]
                web = held.enter_context(Process(command, env=board.env))
                eventually(lambda p=port: _answers(board, p), 30, web.output)
                with board.database():
                    lease = live.running()
                    for first in range(1, 1_200, 4):
                        live.printed(lease, first, *["z" * 16_000] * 4)
                path, token = f"/builds/{lease.build_id}/events/", board.token("alice")
                with SseClient(port, path, token=token) as one:  # what one costs who reads it all
                    one.read_until(lambda message, head=lease.head: message.seq == head)
                before = live.memory(web.pid)
                stalled = SseClient(port, path, token=token, receive_buffer=4096)
                held.callback(stalled.abort)
                most, until = before, time.monotonic() + 15
                while (
                    stalled.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 7
                    and time.monotonic() < until
                ):
                    most = max(most, live.memory(web.pid))
                    time.sleep(0.05)
                self.assertLess(time.monotonic(), until, "it is kept for ever")
                self.assertLess(most - before, 16 * 2**20)
                web.wait_for("action=cut-off")
                self.assertNotIn("ERROR", web.output())


def _answers(board: Board, port: int) -> bool:
    try:
        return board.get("/healthz", port=port).status == 200
    except OSError:
        return False
