"""One board for the tests of streams, served by daphne and by uvicorn."""

import functools
import unittest

from django.test import TransactionTestCase

from tests.support.board import Board
from tests.support.sse import Message, SseClient

SERVERS = ("daphne", "uvicorn")


@functools.cache
def _board(module: str, servers: tuple[str, ...], **env: str) -> Board:
    """Kept for all classes of the test `module` that want the same one."""
    # Builds that tests leave running have no worker: a short lease would have a web process end them.
    board = Board(BUILDBOARD_RECHECK_SECONDS="1", BUILDBOARD_LEASE_SECONDS="3600", **env)
    unittest.addModuleCleanup(board.close)
    for server in servers:
        board.web(server)
    return board


class ServersCase(TransactionTestCase):
    """One board for the class, served by daphne and by uvicorn. Each test has a project and builds of its own."""

    servers = SERVERS
    env: dict[str, str] = {}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = _board(cls.__module__, cls.servers, **cls.env)
        cls.webs = dict(zip(cls.servers, cls.board.webs, strict=True))

    def setUp(self) -> None:
        database = self.board.database()
        database.__enter__()
        self.addCleanup(database.__exit__, None, None, None)

    def open(self, server: str, path: str, **options) -> SseClient:
        options.setdefault("token", self.board.token("alice"))
        client = SseClient(self.webs[server].port, path, **options)
        self.addCleanup(client.close)
        return client

    def pid(self, server: str) -> int:
        return self.webs[server].process.pid


def ids(messages: list[Message]) -> list[int]:
    return [message.seq for message in messages if message.seq is not None]


def is_event(kind: str):
    return lambda message: message.event == kind


def last_seq(messages: list[Message]) -> int | None:
    return next((message.seq for message in reversed(messages) if message.id is not None), None)
