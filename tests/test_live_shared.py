"""Two web processes on one PostgreSQL, with Redis between them: news travel by wakes, and by looks where those fail."""

import statistics
import time
from collections.abc import Callable

from django.test import TransactionTestCase

from builds import wakes
from tests import live
from tests.support.board import Board
from tests.support.processes import eventually
from tests.support.servers import Redis, postgres_url
from tests.support.sse import SseClient


class SharedTest(TransactionTestCase):
    def setUp(self) -> None:
        self.redis = Redis()
        self.addCleanup(self.redis.close)
        self.addCleanup(self.redis.resume)
        layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}
        layer["CONFIG"] = {"hosts": [self.redis.url], "prefix": "buildboard"}
        self.enterContext(self.settings(CHANNEL_LAYERS={"default": layer}))  # this process writes, and wakes
        self.board = self.enterContext(Board(postgres_url(), self.redis.url))
        self.enterContext(self.board.database())
        self.webs = [self.board.web("daphne"), self.board.web("uvicorn")]
        self.lease = live.running()
        self.line = 0

    def watch(self, each: int) -> list[SseClient]:
        path, token = f"/builds/{self.lease.build_id}/events/", self.board.token("alice")
        clients = [SseClient(web.port, path, token=token) for web in self.webs for _ in range(each)]
        for client in clients:
            self.addCleanup(client.close)
            client.read_until(lambda message: message.seq == self.lease.head)
        return clients

    def print(self, count: int) -> list[float]:
        """Seconds that each line took to be stored."""
        took = []
        for _ in range(count):
            self.line += 1
            began = time.monotonic()
            live.printed(self.lease, self.line, f"line {self.line}")
            took.append(time.monotonic() - began)
        return took

    def arrived(self, clients: list[SseClient], count: int) -> None:
        """The last `count` events, once and in order, at every viewer."""
        for client in clients:
            got = client.read_until(lambda message: message.seq == self.lease.head)
            ids = [message.seq for message in got if message.id is not None]
            self.assertEqual(ids, list(range(self.lease.head - count + 1, self.lease.head + 1)))

    def test_viewers_of_two_webs_miss_nothing_while_redis_dies_and_comes_back(self) -> None:
        clients = self.watch(25)
        for change in (None, self.redis.kill, self.redis.start, None):
            if change is not None:
                change()
            self.print(5)
            self.arrived(clients, 5)
        began = time.monotonic()
        for web in self.webs:
            self.assertEqual(web.terminate(), 0, web.process.output())
        self.assertLess(time.monotonic() - began, 10)
        for client in clients:
            self.assertEqual(client.read_all(5)[-1].event, "restart")

    def test_writes_never_wait_for_redis_and_nothing_grows_while_it_is_away(self) -> None:
        clients = self.watch(5)
        self._lines_arrive(clients, 3)
        running = statistics.median(self.print(100))
        self.arrived(clients, 100)
        before = self._held()
        outages: list[tuple[str, Callable[[], None], Callable[[], None]]] = [
            ("paused", self.redis.pause, self.redis.resume),
            ("killed", self.redis.kill, self.redis.start),
            ("flushed and cut", self._cut, lambda: None),
        ]
        for name, begin, end in outages:
            with self.subTest(name):
                begin()
                took = self.print(100)
                self.arrived(clients, 100)
                self.assertLess(statistics.median(took), 3 * running + 0.01, "a write waited")
                self.assertLess(max(took), wakes.SEND_SECONDS, "a write waited")
                for _ in range(5):  # for longer than a sending, a joining and an echo are waited for
                    self._lines_arrive(clients, 1)
                    # Whoever comes meanwhile opens a topic that cannot be joined.
                    late = live.running()
                    with SseClient(
                        self.webs[0].port, f"/builds/{late.build_id}/events/", token=self.board.token("alice")
                    ) as one:
                        one.read_until(lambda message, head=late.head: message.seq == head)
                    time.sleep(0.5)
                end()
                self._lines_arrive(clients, 3)
        for web, (threads, files) in before.items():
            with self.subTest(web.server):
                eventually(lambda w=web, n=threads: live.threads(w.process.pid) <= n + 2, 15, "threads have grown")
                eventually(lambda w=web, n=files: live.files(w.process.pid) <= n + 6, 15, "connections have grown")
                lines = web.process.output().splitlines()
                self.assertLess(len(lines), 30, "the outage is said again and again:\n" + web.process.output()[-3000:])
                self.assertNotIn("Traceback", web.process.output())

    def _lines_arrive(self, clients: list[SseClient], count: int) -> None:
        """Each within the time that a look takes, and some more: a machine may do other things."""
        for _ in range(count):
            self.print(1)
            began = time.monotonic()
            self.arrived(clients, 1)
            self.assertLess(time.monotonic() - began, 4.0)

    def _held(self) -> dict:
        return {web: (live.threads(web.process.pid), live.files(web.process.pid)) for web in self.webs}

    def _cut(self) -> None:
        self.redis.command("FLUSHALL")
        for kind in ("normal", "pubsub"):
            self.redis.command("CLIENT", "KILL", "TYPE", kind)
