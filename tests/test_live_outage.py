"""The database stops, and hangs, under a real web process of each kind: what pages, programs and streams are told."""

import fcntl
import time
from concurrent.futures import ThreadPoolExecutor

from django.test import SimpleTestCase

from tests import live
from tests.support.answer import Answer
from tests.support.board import Board, Web
from tests.support.browser import session_cookie
from tests.support.processes import eventually
from tests.support.servers import Postgres
from tests.support.sse import Message, SseClient

SERVERS = ("daphne", "uvicorn")
PROMPTLY = 8.0
"""Seconds, on a machine that does other things: the first who ask learn it after about four, the others at once."""
MOST_THREADS = 16
"""Of a web process that has nothing to do: its servers' own, readers, the watch for leases, the look."""


class OutageTest(SimpleTestCase):
    """One PostgreSQL for the class: every test leaves it running."""

    databases = "__all__"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.close)
        cls.board = Board(cls.postgres.url(), BUILDBOARD_LEASE_SECONDS="3600")
        cls.addClassCleanup(cls.board.close)
        for server in SERVERS:
            cls.board.web(server)
        cls.token = cls.board.token("alice")
        cls.cookie = "=".join(session_cookie(cls.board, "alice"))

    def setUp(self) -> None:
        with self.board.database():
            self.lease = live.running("hello")

    def tearDown(self) -> None:
        self.postgres.resume()
        self.postgres.start()
        for web in self.board.webs:
            self._is_back(web)

    def get(self, web: Web, path: str, **headers: str) -> tuple[Answer, float]:
        began = time.monotonic()
        fields = {"Cookie": self.cookie, "Accept": "text/html"} | {k.replace("_", "-"): v for k, v in headers.items()}
        answer = self.board.get(path, token=None, headers=fields, port=web.port, seconds=30)
        return answer, time.monotonic() - began

    def open(self, web: Web, path: str, **options) -> SseClient:
        client = SseClient(web.port, path, **({"token": self.token} | options))
        self.addCleanup(client.close)
        return client

    def _is_back(self, web: Web) -> None:
        eventually(lambda: self.get(web, "/")[0].status == 200, 10, "pages stay away")

    def _everything_is_told(self, web: Web, build: int) -> None:
        with ThreadPoolExecutor(20) as crowd:
            pages = list(crowd.map(lambda _: self.get(web, "/"), range(20)))
        self.assertEqual({answer.status for answer, _ in pages}, {503})
        self.assertLess(max(seconds for _, seconds in pages), PROMPTLY)
        for path in ("/", f"/builds/{build}/", "/projects/hello/", "/admin/", "/accounts/login/", "/no-such-page"):
            answer, seconds = self.get(web, path)
            with self.subTest(server=web.server, path=path):
                self.assertLess(seconds, 2)
                if path != "/accounts/login/":
                    self.assertEqual(answer.status, 503)
                    self.assertIn("The database is away", answer.text)
                    self.assertRegex(answer.text, r'<meta http-equiv="refresh" content="[4-9]">')
                    self.assertEqual(answer.headers["content-type"], "text/html; charset=utf-8")
                    self.assertIn("no-store", answer.headers["cache-control"])
                    self.assertRegex(answer.headers["retry-after"], r"\A\d+\Z")
        for path in ("/api/v1/projects", "/api/v1/openapi.json", f"/builds/{build}/events.json?wait=20"):
            began = time.monotonic()
            answer = self.board.get(path, port=web.port)
            with self.subTest(server=web.server, path=path):
                self.assertEqual(answer.status, 503)
                self.assertIn("json", answer.headers["content-type"])
                self.assertIn("database", answer.json()["detail"])
                self.assertRegex(answer.headers["retry-after"], r"\A\d+\Z")
                self.assertLess(time.monotonic() - began, 2)
        for path in (f"/builds/{build}/log.txt", f"/builds/{build}/log.txt?follow=1", f"/builds/{build}/log/?step=one"):
            self.assertEqual(self.board.get(path, port=web.port).status, 503, path)
        self.assertEqual(self.board.get("/healthz", port=web.port).status, 200)
        ready = self.board.get("/readyz", port=web.port)
        self.assertEqual((ready.status, ready.json()["ready"]), (503, False))
        self.assertIn("\nbuildboard_database_up 0.0\n", self.board.get("/metrics", port=web.port).text)
        new = self.open(web, f"/builds/{build}/events/").read_all(7)
        self.assertEqual([new[-1].event, new[0].retry >= 2_000], ["problem", True])
        self.assertEqual(new[-1].json["cause"], "database")
        eventually(lambda: live.threads(web.process.pid) <= MOST_THREADS, 15, "threads of those who asked stay")
        said = web.process.output()
        self.assertLess(said.count("\n"), 60, f"the outage is said again and again:\n{said[-3000:]}")
        self.assertNotIn("Traceback", said)

    def _watched(self) -> list[SseClient]:
        """Viewers of each kind on each web, that have everything there is."""
        clients = []
        for web in self.board.webs:
            client = self.open(web, f"/builds/{self.lease.build_id}/events/")
            client.read_until(lambda message: message.seq == self.lease.head)
            clients += [client, self.open(web, "/events/")]
            clients[-1].read_until(lambda message: message.event == "ping")
        return clients

    def _are_told(self, clients: list[SseClient]) -> None:
        for client in clients:
            got = client.read_until(lambda m: m.event == "ping" and m.json.get("stale", 0) > 0, 10)
            self.assertFalse([m for m in got if m.event in ("problem", "reset", "restart")])

    def _go_on(self, clients: list[SseClient]) -> None:
        """Each hears that it is stale no longer, and has missed nothing."""
        with self.board.database():
            live.printed(self.lease, 1, "after the outage")
            other = live.queued("hello")
        for client in clients:
            got: list[Message] = []
            while not {"news", "fresh"} <= {self._means(message, other.pk) for message in got}:
                got += client.read_until(lambda m: bool(self._means(m, other.pk)))
            self.assertFalse([m for m in got if m.event in ("problem", "reset", "restart")])

    def _means(self, message: Message, build: int) -> str:
        if message.event == "ping":
            return "" if "stale" in message.json else "fresh"
        if message.event == "log":
            return "news" if message.json["text"] == "after the outage" else ""
        return "news" if message.event == "build" and message.json["id"] == build else ""

    def test_a_database_that_is_stopped_is_said_and_streams_go_on_when_it_is_back(self) -> None:
        clients = self._watched()
        self.postgres.stop()
        for web in self.board.webs:
            self._everything_is_told(web, self.lease.build_id)
        self._are_told(clients)
        self.postgres.start()
        began = time.monotonic()
        for web in self.board.webs:
            self._is_back(web)
        self.assertLess(time.monotonic() - began, 5)
        self._go_on(clients)

    def test_a_database_that_hangs_is_said_and_streams_go_on_when_it_is_back(self) -> None:
        clients = self._watched()
        self.postgres.pause()
        for web in self.board.webs:
            self._everything_is_told(web, self.lease.build_id)
        self._are_told(clients)
        self.postgres.resume()
        began = time.monotonic()
        for web in self.board.webs:
            self._is_back(web)
        self.assertLess(time.monotonic() - began, 5)
        self._go_on(clients)


class LockedTest(SimpleTestCase):
    """SQLite has no server that could be away, and a file that another program can lock."""

    databases = "__all__"

    def test_a_file_that_is_locked_for_seconds_ends_no_stream(self) -> None:
        with Board(BUILDBOARD_LEASE_SECONDS="3600") as board:
            webs = [board.web(server) for server in SERVERS]
            with board.database():
                lease = live.running()
            path, token = f"/builds/{lease.build_id}/events/", board.token("alice")
            clients = [SseClient(web.port, path, token=token) for web in webs]
            for client in clients:
                self.addCleanup(client.close)
                client.read_until(lambda message: message.seq == lease.head)
            with (board.data / "buildboard.sqlite3-shm").open("r+b") as shared:
                fcntl.lockf(shared, fcntl.LOCK_EX, 8, 120)  # all of SQLite's locks on the log that it writes ahead
                for client in clients:
                    got = client.read_until(lambda m: m.event == "ping" and m.json.get("stale", 0) > 0)
                    self.assertEqual({message.event for message in got}, {"ping"})
                for web in webs:
                    with SseClient(web.port, path, token=token) as new:
                        self.assertEqual(new.read_all(10)[-1].event, "problem")
                    self.assertEqual(board.get("/healthz", port=web.port).status, 200)
                fcntl.lockf(shared, fcntl.LOCK_UN, 8, 120)
            with board.database():
                live.printed(lease, 1, "after it")
            for client in clients:
                got = client.read_until(lambda message: message.seq == lease.head, 30)
                self.assertFalse([m for m in got if m.event in ("problem", "reset", "restart")])
