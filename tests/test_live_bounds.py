"""What streams may cost: threads, connections, memory, and how many and how long."""

import time

from builds.live.pages import PAGES_BYTES
from tests import live
from tests.support.processes import eventually
from tests.support.sse import Message

from .serving import SERVERS, ServersCase, ids, is_event, last_seq


class ResourcesTest(ServersCase):
    def test_two_hundred_idle_viewers_cost_few_threads_and_connections(self) -> None:
        lease = live.running()
        for server in SERVERS:
            with self.subTest(server):
                pid = self.pid(server)
                self.board.get("/events.json", port=self.webs[server].port)
                threads, connections = live.threads(pid), live.database_files(pid)
                path = f"/builds/{lease.build_id}/events/"
                clients = [self.open(server, path) for _ in range(200)]
                for client in clients:
                    client.read_until(lambda message, head=lease.head: message.seq == head)
                self.assertLessEqual(live.threads(pid), threads + 4)
                self.assertLessEqual(live.database_files(pid), connections + 2)
                live.printed(lease, lease.head, "for all of them")
                for client in clients:
                    client.read_until(lambda message, head=lease.head: message.seq == head)
                    client.abort()
                self._back_to(server, 0)

    def _back_to(self, server: str, wanted: int) -> None:
        eventually(lambda: self._open(server) == wanted, 10, lambda: f"{self._open(server)} streams are open")

    def _open(self, server: str) -> int:
        text = self.board.get("/metrics", port=self.webs[server].port).text
        return sum(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("buildboard_viewers{"))

    def test_a_viewer_that_reads_nothing_costs_little_memory_and_the_others_go_on(self) -> None:
        lease = live.running()
        path = f"/builds/{lease.build_id}/events/"
        stalled, readers, size = [], {}, {}
        for server in SERVERS:
            stalled += [self.open(server, path, receive_buffer=4096) for _ in range(4)]
            readers[server] = self.open(server, path)
            readers[server].read_until(lambda message, head=lease.head: message.seq == head)
            size[server] = live.memory(self.pid(server))
        for number in range(500):
            live.printed(lease, 1 + number * 4, *["z" * 16_000] * 4)
        for server in SERVERS:
            with self.subTest(server):
                readers[server].read_until(lambda message, head=lease.head: message.seq == head)
                # 32 MB were written for each of four; the tail, its slices, and what is kept for those who are behind
                # are allowed for.
                self.assertLess(live.memory(self.pid(server)) - size[server], PAGES_BYTES + 60 * 2**20)
        for client in stalled:
            client.abort()


class LimitsTest(ServersCase):
    servers = ("uvicorn",)
    env = {"BUILDBOARD_STREAMS_PER_USER": "3"}

    def test_too_many_streams_of_one_user_are_sent_away_for_long_and_others_are_not(self) -> None:
        build = live.queued()
        path = f"/builds/{build.pk}/events/"
        for server in self.servers:
            with self.subTest(server):
                kept = [self.open(server, path) for _ in range(3)]
                for client in kept:
                    client.read_until(is_event("build"))
                messages = self.open(server, path).read_all(5)
                self.assertGreaterEqual(messages[0].retry, 30_000)
                self.assertEqual(messages[-1].event, "problem")
                self.assertEqual(
                    self.board.get(f"/builds/{build.pk}/events.json", port=self.webs[server].port).status, 429
                )
                self.open(server, path, token=self.board.token("stranger")).read_until(is_event("build"))
                kept[0].close()
                eventually(
                    lambda p=path, s=server: self.open(s, p).read_until(is_event("ping"))[0].retry < 30_000, 5, ""
                )


class BoundsTest(ServersCase):
    env = {"BUILDBOARD_MAX_STREAM_SECONDS": "5", "BUILDBOARD_MAX_STREAM_MB": "1", "BUILDBOARD_TAIL_KB": "64"}

    def test_a_stream_that_has_sent_its_fill_says_restart_and_coming_back_gives_the_rest(self) -> None:
        lease = live.running()
        for number in range(60):
            live.printed(lease, 1 + number * 4, *["y" * 16_000] * 4)
        live.ended(lease)
        for server in SERVERS:
            with self.subTest(server):
                got: list[Message] = []
                endings = []
                while not endings or endings[-1] != "end":
                    client = self.open(server, f"/builds/{lease.build_id}/events/", last_event_id=last_seq(got))
                    got += client.read_all()
                    endings.append(got[-1].event)
                    self.assertLess(client.received, 2.5 * 2**20, "a page beyond its fill at most")
                self.assertEqual(ids(got), list(range(1, lease.head + 1)))
                self.assertEqual(set(endings[:-1]), {"restart"})
                self.assertGreaterEqual(len(endings), 3)

    def test_a_stream_that_is_old_enough_says_restart(self) -> None:
        lease = live.running()
        for server in SERVERS:
            with self.subTest(server):
                began = time.monotonic()
                client = self.open(server, f"/builds/{lease.build_id}/events/")
                self.assertEqual(client.read_all(12)[-1].event, "restart")
                self.assertGreater(time.monotonic() - began, 3.5)
                self.assertTrue(client.ended)
