"""A transport of daphne's on a real socket, and a reactor that the test plays."""

import socket
from typing import Any

from django.test import SimpleTestCase, tag


class Reactor:
    """Notes who wants to be told when they may write."""

    def __init__(self) -> None:
        self.writers: list[Any] = []
        self.armed = 0

    def addWriter(self, writer: Any) -> None:  # noqa: N802 - Twisted's name
        self.armed += writer not in self.writers
        self.writers = [writer]

    def removeWriter(self, writer: Any) -> None:  # noqa: N802
        self.writers = []

    def addReader(self, reader: Any) -> None:  # noqa: N802
        pass

    removeReader = addReader  # noqa: N815


@tag("fast")
class PromptTest(SimpleTestCase):
    def setUp(self) -> None:
        from twisted.internet.protocol import Protocol

        from buildboard.prompt import PromptServer

        ours, self.client = socket.socketpair()
        for one in (ours, self.client):
            one.setblocking(False)
            self.addCleanup(one.close)
        self.reactor = Reactor()
        self.server = PromptServer(ours, Protocol(), ("127.0.0.1", 1), None, 1, self.reactor)

    def turn(self) -> None:
        """What a reactor does for whoever wants to write."""
        for writer in list(self.reactor.writers):
            self.assertIsNone(writer.doWrite())

    def read(self) -> bytes:
        found = b""
        while True:
            try:
                found += self.client.recv(2**20)
            except BlockingIOError:
                return found

    def test_what_the_network_takes_is_there_at_once_and_the_reactor_is_not_asked(self) -> None:
        self.server.write_promptly(b"one")
        self.server.write_promptly(b"two")
        self.assertEqual((self.read(), self.reactor.armed), (b"onetwo", 0))

    def test_what_waits_already_goes_first(self) -> None:
        self.server.write(b"one")
        self.server.write_promptly(b"two")
        self.assertEqual(self.read(), b"")
        self.turn()
        self.assertEqual((self.read(), self.reactor.writers), (b"onetwo", []))

    def test_what_the_network_does_not_take_is_written_by_the_reactor_in_order(self) -> None:
        parts = [bytes([65 + number]) * 200_000 for number in range(20)]
        for part in parts:
            self.server.write_promptly(part)
        self.assertEqual(self.reactor.writers, [self.server])
        found = b""
        while self.reactor.writers:
            found += self.read()
            self.turn()
        self.assertEqual(found + self.read(), b"".join(parts))

    def test_a_producer_is_paused_by_a_full_buffer_and_resumed_by_an_empty_one(self) -> None:
        said: list[str] = []

        class Producer:
            pauseProducing = staticmethod(lambda: said.append("pause"))  # noqa: N815 - Twisted's names
            resumeProducing = staticmethod(lambda: said.append("resume"))  # noqa: N815
            stopProducing = staticmethod(lambda: None)  # noqa: N815

        self.server.registerProducer(Producer(), True)
        while "pause" not in said or said[-1] == "resume":
            self.server.write_promptly(b"x" * 100_000)
        while self.reactor.writers:
            self.read()
            self.turn()
        self.assertEqual(said[-1], "resume")

    def test_a_connection_that_broke_is_left_to_the_reactor_and_one_that_is_over_is_not_touched(self) -> None:
        self.client.close()
        self.server.write_promptly(b"one")
        self.assertEqual(self.reactor.writers, [self.server])
        self.assertIsInstance(self.server.doWrite(), Exception)
        self.reactor.removeWriter(self.server)
        self.server.connected = 0
        self.server.write_promptly(b"two")
        self.assertEqual(self.reactor.writers, [])
