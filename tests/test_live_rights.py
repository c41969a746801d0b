"""Whoever may no longer see what they watch: every way to lose a right, on every kind of open answer, over HTTP."""

import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.test import Client, TransactionTestCase
from django.utils import timezone

from builds import lifecycle
from builds.access import new_token
from builds.models import ApiToken
from tests import live
from tests.support.board import Board
from tests.support.processes import eventually
from tests.support.sse import SseClient

SERVERS = ("daphne", "uvicorn")
HEARTBEAT = 15.0


def _set(user: User, **fields: object) -> None:
    User.objects.filter(pk=user.pk).update(**fields)


def _sign_out(user: User, session: str) -> None:
    Session.objects.filter(session_key=session).delete()


def _change_password(user: User, session: str) -> None:
    user.set_password("another")
    user.save()


def _expire(user: User, session: str) -> None:
    Session.objects.filter(session_key=session).update(expire_date=timezone.now())


SESSIONS: dict[str, Callable[[User, str], object]] = {
    "signed out": _sign_out,
    "password changed": _change_password,
    "session expired": _expire,
    "deactivated": lambda user, _: _set(user, is_active=False),
    "deleted": lambda user, _: user.delete(),
}
TOKENS: dict[str, Callable[[User], object]] = {
    "token revoked": lambda user: ApiToken.objects.filter(user=user).delete(),
    "token expired": lambda user: ApiToken.objects.filter(user=user).update(expires_at=timezone.now()),
    "scope taken": lambda user: ApiToken.objects.filter(user=user).update(scopes="start"),
    "its user deactivated": lambda user: _set(user, is_active=False),
}
GROUP = "taken from the project's group"


@dataclass
class Watcher:
    """Someone who watches by every kind of answer, on every server."""

    headers: dict[str, str]
    lose: Callable[[], object]
    streams: list[SseClient] = field(default_factory=list)
    boards: list[SseClient] = field(default_factory=list)
    texts: list[SseClient] = field(default_factory=list)


class RightsTest(TransactionTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board(BUILDBOARD_LEASE_SECONDS="3600")  # how often a right is asked about is as it comes
        cls.addClassCleanup(cls.board.close)
        cls.ports = [cls.board.web(server).port for server in SERVERS]

    def setUp(self) -> None:
        self.enterContext(self.board.database())
        name = self.id().rpartition(".")[2][5:40]
        self.group = Group.objects.create(name=name)
        live.project(name).groups.add(self.group)
        self.build = live.queued(name)

    def insider(self, name: str) -> User:
        user = User.objects.create_user(name, password="something")
        user.groups.add(self.group)
        return user

    def session(self, user: User) -> str:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client.cookies["sessionid"].value

    def open(self, port: int, path: str, headers: dict[str, str]) -> SseClient:
        client = SseClient(port, path, headers=headers)
        self.addCleanup(client.close)
        return client

    def watchers(self) -> dict[str, Watcher]:
        found = {}
        for name, lose in SESSIONS.items():
            user = self.insider(name)
            key = self.session(user)
            found[name] = Watcher({"Cookie": f"sessionid={key}"}, lambda u=user, k=key, f=lose: f(u, k))
        for name, lose in TOKENS.items():
            user = self.insider(name)
            found[name] = Watcher({"Authorization": f"Bearer {new_token(user)}"}, lambda u=user, f=lose: f(u))
        user = self.insider(GROUP)
        found[GROUP] = Watcher({"Authorization": f"Bearer {new_token(user)}"}, lambda: user.groups.remove(self.group))
        return found

    def test_every_open_answer_ends_within_a_heartbeat_of_its_right(self) -> None:
        paths = f"/builds/{self.build.pk}/"
        watchers = self.watchers()
        insider = {"Authorization": f"Bearer {new_token(self.insider('stays'))}"}
        staying = [self.open(port, path, insider) for port in self.ports for path in (f"{paths}events/", "/events/")]
        for each in watchers.values():
            for port in self.ports:
                each.streams.append(self.open(port, f"{paths}events/", each.headers))
                each.boards.append(self.open(port, "/events/", each.headers))
                each.texts.append(self.open(port, f"{paths}log.txt?follow=1", each.headers))
        for client in [*staying, *(client for each in watchers.values() for client in each.streams + each.boards)]:
            client.read_until(lambda message: message.event == "ping")
        polling = [self._poll(port, each) for each in watchers.values() for port in self.ports]
        for port in self.ports:
            eventually(lambda p=port: self._polls(p) == len(watchers), 10, "the polls have not begun")
        for each in watchers.values():
            each.lose()
        until = time.monotonic() + HEARTBEAT
        for name, each in watchers.items():
            boards = [] if name == GROUP else each.boards  # they still may see the board
            for client in each.streams + boards:
                with self.subTest(name):
                    last = client.read_all(max(until - time.monotonic(), 1))[-1]
                    self.assertEqual((last.event, client.ended), ("denied", True))
                    self.assertIn("no longer", last.json["detail"])
            for server, client in zip(SERVERS, each.texts, strict=True):
                with self.subTest(name, server=server):
                    client._seconds = max(until - time.monotonic(), 1)
                    self.assertEqual(client.body(), "")
                    self.assertFalse(client.ended, "a text that is cut short has to look cut short")
        for poll in polling:
            with self.subTest("poll"):
                answer = _whole(poll)
                self.assertIn(b'"denied": true', answer)
                self.assertIn(b'"events":[]', answer)
        self.assertLess(time.monotonic(), until + 2)
        for name, each in watchers.items():
            for port in self.ports:
                again = self.open(port, f"{paths}events/", each.headers)
                self.assertEqual(again.status, 404 if name in (GROUP, "scope taken") else 401, name)
        self._only_those_who_may_hear_of_it(staying, watchers[GROUP].boards)

    def _poll(self, port: int, each: Watcher) -> socket.socket:
        """A long poll that has no answer yet: its status comes with that."""
        one = socket.create_connection(("127.0.0.1", port), timeout=HEARTBEAT + 5)
        self.addCleanup(one.close)
        fields = "".join(f"{name}: {value}\r\n" for name, value in each.headers.items())
        path = f"/builds/{self.build.pk}/events.json?after={self.build.head or 1}&wait=25"
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{fields}\r\n".encode())
        return one

    def _polls(self, port: int) -> int:
        found = re.search(r'^buildboard_viewers{kind="poll"} (\d+)', self.board.get("/metrics", port=port).text, re.M)
        return int(found[1]) if found else 0

    def _only_those_who_may_hear_of_it(self, staying: list[SseClient], lost_it: list[SseClient]) -> None:
        """News of the closed project and then of an open one: whoever lost the closed one sees the second alone."""
        lifecycle.cancel(self.build.pk, by="alice")
        shown = live.queued("open")
        for client in lost_it:
            seen = client.read_until(lambda m: m.event == "build" and m.json["id"] == shown.pk)
            told = [(m.json["id"], m.json["status"]) for m in seen if m.event == "build"]
            self.assertNotIn((self.build.pk, "cancelled"), told)
        for client in staying:
            client.read_until(lambda m: m.event == "build" and m.json["status"] == "cancelled")

    def test_a_stranger_never_gets_an_event(self) -> None:
        stranger = {"Authorization": f"Bearer {self.board.token('stranger')}"}
        clients = [self.open(port, "/events/", stranger) for port in self.ports]
        for port in self.ports:
            for path in ("events/", "events.json?wait=5", "log.txt", "log.txt?follow=1", "log/?step=one"):
                self.assertEqual(self.open(port, f"/builds/{self.build.pk}/{path}", stranger).status, 404)
        lifecycle.cancel(self.build.pk, by="alice")
        shown = live.queued("open")
        for client in clients:
            seen = client.read_until(lambda m: m.event == "build" and m.json["id"] == shown.pk)
            self.assertNotIn(self.build.pk, [m.json["id"] for m in seen if m.event == "build"])

    def test_a_token_that_is_about_to_expire_ends_its_stream_by_itself(self) -> None:
        user = self.insider("leaver")
        headers = {"Authorization": f"Bearer {new_token(user)}"}
        ApiToken.objects.filter(user=user).update(expires_at=timezone.now() + timedelta(seconds=3))
        clients = [self.open(port, f"/builds/{self.build.pk}/events/", headers) for port in self.ports]
        for client in clients:
            self.assertEqual(client.read_all(HEARTBEAT + 3)[-1].event, "denied")


def _whole(one: socket.socket) -> bytes:
    answer = b""
    while data := one.recv(65536):
        answer += data
    return answer
