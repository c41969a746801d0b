"""`follow` against a real board: every line once, whatever is cut, killed, held back or compacted."""

import threading
from typing import Any
from unittest import mock

from django.test import SimpleTestCase

from buildboard.client import feed as feeds
from buildboard.client.board import Board as Client
from buildboard.client.board import Refused
from buildboard.client.environment import Login
from buildboard.client.feed import Event, Feed
from buildboard.client.talk import CouldNot
from buildboard.terminal.replay import Header, Replay
from builds import retention
from builds.models import Build
from builds.retention import Pace
from tests import live

from .support.board import Board
from .support.processes import eventually
from .support.stub import Request, Stub


class Follower(threading.Thread):
    """Follows a build as `buildboard follow` does, and keeps what it would print."""

    def __init__(self, url: str, token: str, build: int, **options: Any) -> None:
        super().__init__(daemon=True)
        self.told: list[str] = []
        self.events: list[Event] = []
        self.lines: list[str] = []
        self.failed: BaseException | None = None
        self.replay = Replay(colours=False)
        self._client = Client(Login(url, token))
        self._feed = Feed(self._client, build, self.told.append, **options)

    def run(self) -> None:
        try:
            self._follow()
        except BaseException as error:
            self.failed = error
        finally:
            self._client.close()

    def _follow(self) -> None:
        for event in self._feed:
            self.events.append(event)
            shown = self.replay.feed(event.kind, event.data)
            self.lines += [said for said in shown if not isinstance(said, Header)]

    def run_here(self) -> "Follower":
        self.start()
        return self.end()

    def end(self, seconds: float = 60) -> "Follower":
        self.join(seconds)
        if self.is_alive():
            raise AssertionError(f"it still follows; it has {len(self.lines)} lines and was told {self.told}")
        if self.failed is not None:
            raise self.failed
        return self


class FollowTests(SimpleTestCase):
    databases = "__all__"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board(BUILDBOARD_LEASE_SECONDS="3600")
        cls.addClassCleanup(cls.board.close)
        cls.web = cls.board.web()
        cls.token = cls.board.token("alice")

    def setUp(self) -> None:
        if not self.web.process.running:  # a test that failed has left it so
            self.web.start()
        with self.board.database():
            self.lease = live.running("hello")
        self.count = 0

    def print(self, lines: int, chunk: int = 7) -> None:
        with self.board.database():
            while lines > 0:
                texts = [f"line {self.count + number + 1}" for number in range(min(chunk, lines))]
                live.printed(self.lease, self.count + 1, *texts)
                self.count += len(texts)
                lines -= len(texts)

    def follow(self, url: str = "", **options: Any) -> Follower:
        follower = Follower(url or self.web.url, self.token, self.lease.build_id, **options)
        follower.start()
        return follower

    def end(self) -> None:
        with self.board.database():
            live.ended(self.lease)

    def assert_whole(self, follower: Follower) -> None:
        self.assertEqual(follower.lines, [f"line {number}" for number in range(1, self.count + 1)])
        self.assertEqual(follower.replay.final, "failed")

    def caught_up(self, follower: Follower) -> None:
        def has_all() -> bool:
            if follower.failed is not None:
                raise follower.failed
            return len(follower.lines) == self.count

        eventually(has_all, 30, lambda: f"it has {len(follower.lines)} lines and was told {follower.told}")

    def test_lines_as_they_come_and_the_numbers_without_a_gap(self) -> None:
        follower = self.follow()
        for _ in range(5):
            self.print(20)
            self.caught_up(follower)
        self.end()
        self.assert_whole(follower.end())
        self.assertEqual([event.id for event in follower.events], list(range(1, len(follower.events) + 1)))
        self.assertEqual(follower.told, [])

    def test_a_server_that_is_killed_and_started_again(self) -> None:
        follower = self.follow()
        for _ in range(3):
            self.print(50)
            self.caught_up(follower)
            self.web.kill()
            self.print(50)
            self.web.start()
        self.web.terminate()
        self.print(50)
        self.web.start()
        self.end()
        self.assert_whole(follower.end())
        self.assertEqual([event.id for event in follower.events], list(range(1, len(follower.events) + 1)))

    def test_an_outage_is_told_once_and_so_is_its_end(self) -> None:
        follower = self.follow()
        self.print(10)
        self.caught_up(follower)
        self.web.kill()
        self.print(10)
        eventually(lambda: follower.told, 30, "nothing was told")
        self.web.start()
        self.end()
        self.assert_whole(follower.end())
        self.assertEqual(len(follower.told), 2, follower.told)
        self.assertIn("Trying again", follower.told[0])
        self.assertIn("may go on meanwhile", follower.told[0])  # it cannot know: somebody may cancel the build
        self.assertEqual(follower.told[1], "── Connected again; nothing is missing.")

    def test_a_proxy_that_holds_streams_back(self) -> None:
        """It passes short answers on, and of a stream not even the headers."""
        end = threading.Event()
        self.addCleanup(end.set)

        def answering(request: Request) -> None:
            if "/events/" in request.path:
                end.wait(60)
                return
            answer = self.board.get(request.path)
            request.answer(answer.status, answer.content, answer.headers["content-type"])

        with Stub(answering) as proxy, mock.patch.object(feeds, "FIRST_BYTES_SECONDS", 0.5):
            follower = self.follow(proxy.url)
            self.print(30)
            self.caught_up(follower)
            self.print(30)
            self.end()
            self.assert_whole(follower.end())
        self.assertEqual(follower.told, ["── The stream does not come through; asking again and again instead."])

    def test_connections_that_are_cut_in_the_middle_of_anything(self) -> None:
        self.print(300, chunk=3)
        self.end()
        cuts = iter([0, 1, 60, 333, 1_000, 2_500, 4_000, 7_777, 9_999])

        def answering(request: Request) -> None:
            cursor = request.headers.get("Last-Event-ID")
            answer = self.board.get(request.path, headers={"Last-Event-ID": cursor} if cursor else {})
            if answer.status != 200:
                request.answer(answer.status, answer.content, "")
                return
            request.begin("text/event-stream")
            request.wfile.write(answer.content[: next(cuts, None)])

        with Stub(answering) as proxy, mock.patch.object(feeds, "FIRST_REST", 0.01):
            follower = self.follow(proxy.url).end()
        self.assert_whole(follower)
        self.assertEqual([event.id for event in follower.events], list(range(1, len(follower.events) + 1)))

    def test_a_log_that_was_compacted_is_read_by_its_lines(self) -> None:
        self.print(2_500, chunk=900)
        self.end()
        with self.board.database():
            retention.compact(self.lease.build_id, Pace())
            self.assertIsNotNone(Build.objects.get(pk=self.lease.build_id).compacted_at)
        self.assert_whole(self.follow().end())

    def test_compacted_while_the_client_was_away(self) -> None:
        follower = self.follow()
        self.print(40)
        self.caught_up(follower)
        self.web.kill()
        self.print(40)
        self.end()
        with self.board.database():
            retention.compact(self.lease.build_id, Pace())
        self.web.start()
        self.assert_whole(follower.end())

    def test_patience_has_an_end_where_one_is_asked_for(self) -> None:
        follower = self.follow(patience=0.5)
        self.print(1)
        self.caught_up(follower)
        self.web.kill()
        try:
            with self.assertRaisesRegex(CouldNot, "Gave up after 0.5 s"):
                follower.end()
        finally:
            self.web.start()

    def test_a_build_that_is_not_there_or_not_ones_to_see(self) -> None:
        with self.assertRaisesMessage(Refused, "There is no build 9999"):
            Follower(self.web.url, self.token, 9999).run_here()
        with self.assertRaisesMessage(Refused, "unknown or expired"):
            Follower(self.web.url, "bb_wrong", self.lease.build_id).run_here()
