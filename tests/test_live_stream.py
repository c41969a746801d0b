"""Streams as clients get them, from the real servers: both of them, on one database."""

import asyncio
import json
import socket
import threading
import time
from unittest.mock import patch

from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import AsyncClient, TransactionTestCase

from builds import events, lifecycle
from builds.access import new_token
from builds.events import Chunk
from builds.live import reading
from builds.live.hub import hub
from builds.models import Build, Project
from builds.states import Status
from tests import live
from tests.support.sse import Message, SseClient

from .serving import SERVERS, ServersCase, ids, is_event, last_seq


class InProcessTest(TransactionTestCase):
    def setUp(self) -> None:
        self.addCleanup(setattr, reading._readers, "failed_at", -reading.AWAY_SECONDS)
        self.headers = {"authorization": f"Bearer {new_token(User.objects.create_user('alice'))}"}
        self.build = live.queued()

    async def test_a_database_that_is_away_is_no_error_but_a_stream_that_says_so_and_ends(self) -> None:
        with patch("builds.live.opening.known_caller", side_effect=OperationalError("away")):
            response = await AsyncClient().get(f"/builds/{self.build.pk}/events/", headers=self.headers)
        self.assertEqual(response.status_code, 200)
        text = b"".join([part async for part in response.streaming_content]).decode()
        self.assertRegex(text, r"\nretry: [2-6][0-9]{3}\n\nevent: problem\ndata: {.*}\n\n\Z")

    async def test_compression_leaves_a_stream_as_it_is(self) -> None:
        gzip = {"prepend": "django.middleware.gzip.GZipMiddleware"}
        with self.modify_settings(MIDDLEWARE=gzip):
            headers = self.headers | {"accept-encoding": "gzip"}
            response = await AsyncClient().get(f"/builds/{self.build.pk}/events/", headers=headers)
            first = await anext(aiter(response.streaming_content))
        self.assertEqual(response.headers["Content-Encoding"], "identity")
        self.assertTrue(first.startswith(b": Buildboard\n"))

    async def test_a_body_that_is_never_read_holds_nothing(self) -> None:
        response = await AsyncClient().get(f"/builds/{self.build.pk}/events/", headers=self.headers)
        self.assertEqual(len(hub().viewers), 0)
        response.close()
        response = await AsyncClient().get(f"/builds/{self.build.pk}/events/", headers=self.headers)
        await anext(aiter(response.streaming_content))
        self.assertEqual(len(hub().viewers), 1)
        response.close()
        await asyncio.sleep(0.01)
        self.assertEqual(len(hub().viewers), 0)


class AnswerTest(ServersCase):
    def test_headers_and_first_bytes_leave_at_once(self) -> None:
        build = live.queued()
        for server in SERVERS:
            for path in (f"/builds/{build.pk}/events/?after={build.head or 1}", "/events/"):
                with self.subTest(server=server, path=path):
                    client = self.open(server, path)
                    self.assertEqual(client.status, 200)
                    self.assertEqual(client.headers["content-type"], "text/event-stream; charset=utf-8")
                    self.assertEqual(client.headers["cache-control"], "no-cache, no-transform")
                    self.assertEqual(client.headers["x-accel-buffering"], "no")
                    self.assertEqual(client.headers["content-encoding"], "identity")
                    for absent in ("content-length", "etag", "set-cookie", "connection"):
                        self.assertNotIn(absent, client.headers)
                    first, second = client.read_until(is_event("ping"), 5)
                    self.assertTrue(first.comment)
                    self.assertGreaterEqual(first.retry, 1000)
                    self.assertEqual((second.id, second.event), (None, "ping"))
                    self.assertIsInstance(second.json, dict)

    def test_head_answers_headers_and_anything_else_than_get_is_405(self) -> None:
        build = live.queued()
        for server in SERVERS:
            for path in (f"/builds/{build.pk}/events/", "/events/"):
                with self.subTest(server=server, path=path):
                    answer = self.board.request("HEAD", path, port=self.webs[server].port, seconds=5)
                    self.assertEqual((answer.status, answer.content), (200, b""))
                    self.assertEqual(answer.headers["content-type"], "text/event-stream; charset=utf-8")
                    for method in ("POST", "PUT", "DELETE"):
                        answer = self.board.request(method, path, port=self.webs[server].port)
                        self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD"))

    def test_nobody_gets_401_and_no_redirect_and_an_unknown_build_404(self) -> None:
        build = live.queued()
        for server in SERVERS:
            port = self.webs[server].port
            for path in (f"/builds/{build.pk}/events/", "/events/", f"/builds/{build.pk}/log.txt"):
                with self.subTest(server=server, path=path):
                    self.assertEqual(self.board.get(path, token=None, port=port).status, 401)
                    bad = {"Authorization": "Bearer bb_no-such-token"}
                    self.assertEqual(self.board.get(path, token=None, headers=bad, port=port).status, 401)
            for unknown in (build.pk + 1_000_000, 10**30):
                answer = self.board.get(f"/builds/{unknown}/events/", port=port)
                self.assertEqual((answer.status, answer.headers["content-type"]), (404, "application/problem+json"))

    def test_a_stranger_to_a_project_sees_neither_its_builds_nor_their_changes(self) -> None:
        from django.contrib.auth.models import Group

        group, _ = Group.objects.get_or_create(name="insiders")
        group.user_set.add(User.objects.get(username="alice"))
        closed = Project.objects.create(slug="closed", name="closed", recipe=live.RECIPE)
        closed.groups.add(group)
        hidden, shown = live.queued("closed"), live.queued()
        for server in SERVERS:
            with self.subTest(server):
                path = f"/builds/{hidden.pk}/events/"
                self.assertEqual(self.open(server, path, token=self.board.token("stranger")).status, 404)
                self.assertEqual(self.open(server, path).status, 200)
                board = self.open(server, "/events/", token=self.board.token("stranger"))
                seen = board.read_until(lambda message: message.event == "build" and message.json["id"] == shown.pk)
                self.assertNotIn(hidden.pk, [message.json["id"] for message in seen if message.event == "build"])

    def test_void_cursors_get_a_reset_and_no_error(self) -> None:
        build = live.queued()
        cursors = ["-1", "99999", "9" * 40, "1.5", "x" * 10_000, "%C3%A9", "", "1e3", "0x1", "%00", "١"]
        for server in SERVERS:
            for cursor in cursors[:-1]:
                with self.subTest(server=server, cursor=cursor[:20]):
                    client = self.open(server, f"/builds/{build.pk}/events/?after={cursor}")
                    self.assertEqual([client.status, client.read_all(5)[-1].event], [200, "reset"])
            for header in ("-1", "abc", "99999999999999999999", "x" * 10_000, "é"):
                with self.subTest(server=server, header=header[:20]):
                    client = self.open(server, f"/builds/{build.pk}/events/?after=1", last_event_id=header)
                    self.assertEqual([client.status, client.read_all(5)[-1].event], [200, "reset"])
            client = self.open(server, f"/builds/{build.pk}/events/?after=1&world=another")
            self.assertEqual(client.read_all(5)[-1].event, "reset")

    def test_the_header_wins_over_the_query_and_the_end_is_said_once(self) -> None:
        lease = live.running()
        live.printed(lease, 1, "a", "b\N{LINE SEPARATOR}c", "\N{GRINNING FACE}")
        live.ended(lease)
        path = f"/builds/{lease.build_id}/events/"
        for server in SERVERS:
            with self.subTest(server):
                messages = self.open(server, path).read_all()
                self.assertEqual(ids(messages), list(range(1, 7)))
                self.assertEqual(messages[-1].event, "end")
                self.assertEqual(messages[-2].json["status"], "failed")
                self.assertEqual(messages[5].json["text"], "a\nb\N{LINE SEPARATOR}c\n\N{GRINNING FACE}")
                self.assertEqual(ids(self.open(server, f"{path}?after=1", last_event_id=4).read_all()), [5, 6])
                self.assertEqual(self.open(server, f"{path}?after=6").status, 204)


class ResumeTest(ServersCase):
    def test_a_stream_that_is_cut_again_and_again_under_a_storm_of_writes_misses_and_doubles_nothing(self) -> None:
        for server in SERVERS:
            with self.subTest(server):
                lease = live.running()
                writer = threading.Thread(target=self._storm, args=(lease, 400))
                writer.start()
                got: list[Message] = []
                cuts = 0
                while not got or got[-1].event != "end":
                    client = self.open(server, f"/builds/{lease.build_id}/events/", last_event_id=last_seq(got))
                    got += client.cut_after(3_000 + 977 * cuts % 9_000) if cuts < 20 else client.read_all()
                    cuts += 1
                    if client.status == 204:
                        break
                writer.join()
                with self.board.database():
                    stored = self.board.stored(lease.build_id)
                events_got = [message for message in got if message.id is not None]
                self.assertEqual([m.seq for m in events_got], [record.seq for record in stored])
                self.assertEqual([m.data for m in events_got], [record.data for record in stored])
                self.assertGreaterEqual(cuts, 20)

    def _storm(self, lease, count: int) -> None:
        with self.board.database():
            for number in range(count):
                events.append(lease, [Chunk(0, 1 + number * 3, [f"{number} " + "x" * 80] * 3)])
                if number % 50 == 0:
                    time.sleep(0.02)
            live.ended(lease)

    def test_a_long_replay_and_a_huge_event_arrive_whole_and_in_order(self) -> None:
        lease = live.running()
        for first in range(1, 3_000, 100):
            events.append(lease, [Chunk(0, first + place, [f"line {first + place}"]) for place in range(100)])
        live.printed(lease, 3_001, *["y" * 16_000] * 20)
        live.ended(lease)
        for server in SERVERS:
            with self.subTest(server):
                messages = self.open(server, f"/builds/{lease.build_id}/events/").read_all()
                self.assertEqual(ids(messages), list(range(1, 3_007)))
                self.assertEqual(len(max((m.data for m in messages if m.data), key=len)) > 320_000, True)

    def test_fast_and_slow_readers_of_the_same_news_get_each_event_whole_and_once(self) -> None:
        """What is handed to a server at once, and what waits for its turn, cannot pass each other."""
        for server in SERVERS:
            with self.subTest(server):
                lease = live.running()
                path = f"/builds/{lease.build_id}/events/"
                fast, slow = self.open(server, path), self.open(server, path, receive_buffer=4096)
                for client in (fast, slow):
                    client.read_until(lambda message, head=lease.head: message.seq == head)
                got: list[Message] = []

                def read_slowly(slow: SseClient = slow, got: list[Message] = got) -> None:
                    for message in slow.events(20):
                        got.append(message)
                        if message.event == "end":
                            return
                        time.sleep(0.005)

                first = lease.head + 1
                reading = threading.Thread(target=read_slowly)
                reading.start()
                for number in range(300):
                    # In turns news for a buffer that is full, and such that come one by one.
                    live.printed(lease, 1 + number, f"{number} ".ljust(14_000 if number % 20 < 10 else 100, "z"))
                    time.sleep(0.01 * (number % 20 == 0))
                live.ended(lease)
                messages = fast.read_until(is_event("end"))
                reading.join(30)
                self.assertEqual(ids(messages), list(range(first, lease.head + 1)))
                self.assertEqual(ids(got), ids(messages))
                self.assertEqual([one.data for one in got if one.id], [one.data for one in messages if one.id])

    def test_the_board_tells_newest_states_once_and_resets_whoever_missed_too_much(self) -> None:
        start = lifecycle_revision()
        first, second = live.queued(), live.queued()
        lifecycle.cancel(first.pk, by="alice")
        for server in SERVERS:
            with self.subTest(server):
                client = self.open(server, f"/events/?after={start}")
                last = client.read_until(lambda m: m.event == "build" and m.json["status"] == "cancelled")
                told = [(m.json["id"], m.json["status"]) for m in last if m.event == "build"]
                self.assertEqual(told, [(second.pk, "queued"), (first.pk, "cancelled")])
                third = live.queued()
                told = client.read_until(lambda m, pk=third.pk: m.event == "build" and m.json["id"] == pk)[-1]
                self.assertEqual(told.seq, Build.objects.get(pk=third.pk).revision)
        Build.objects.filter(pk=second.pk).delete()
        lifecycle.deleted()
        self.assertEqual(client.read_until(is_event("reset"))[-1].event, "reset")


def lifecycle_revision() -> int:
    return events.board_extent().head


class JsonDataTest(ServersCase):
    def test_every_event_has_an_object_as_data(self) -> None:
        lease = live.running()
        live.printed(lease, 1, "half", is_open=True)
        lifecycle.report_progress(lease, 0, 0.5)
        lifecycle.end_step(lease, 0, Status.PASSED, exit_code=0)
        lifecycle.finish(lease, Status.FAILED, "No.")
        for message in self.open("uvicorn", f"/builds/{lease.build_id}/events/").read_all():
            if message.event is not None:
                self.assertIsInstance(json.loads(message.data), dict)

    def test_a_pipelined_request_and_a_half_close_do_no_harm(self) -> None:
        build = live.queued()
        for server in SERVERS:
            with self.subTest(server), http_connection(self.webs[server].port) as one:
                one.sendall(
                    f"GET /builds/{build.pk}/events/ HTTP/1.1\r\nHost: localhost\r\n"
                    f"Authorization: Bearer {self.board.token('alice')}\r\n\r\nGET /x HTTP/1.1\r\n".encode()
                )
                self.assertIn(b"200", one.recv(20))
                one.shutdown(socket.SHUT_WR)


def http_connection(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)
