"""What is handed to a server past Django: only where it can be, and where the client takes what it is sent."""

import asyncio
import inspect
import re
from functools import partial
from types import SimpleNamespace
from unittest.mock import patch

from django.test import SimpleTestCase, tag

from buildboard import connections
from buildboard.inbox import Inbox
from builds.live import stream
from tests.test_asgi import START, Served, part


class Transport:
    closing = aborted = False

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.aborted = True

    def write(self, data: bytes) -> None:
        self.written.append(data)


class Flow:
    write_paused = False


class Cycle:
    """As uvicorn's of a response in parts, whose head was sent."""

    disconnected = response_complete = False
    chunked_encoding: bool | None = True

    def __init__(self) -> None:
        self.flow, self.transport = Flow(), Transport()

    async def send(self, message: dict) -> None:
        pass


Cycle.__module__ = connections._CHUNKED_BY_UVICORN


class Request:
    """As daphne's of a response that has begun."""

    finished = sentLength = 0  # noqa: N815 - Twisted's names
    startedWriting = chunked = 1  # noqa: N815

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.channel: SimpleNamespace | None = SimpleNamespace(transport=SimpleNamespace())

    def registerProducer(self, producer: object, streaming: bool) -> None:  # noqa: N802 - Twisted's name
        pass

    def write(self, data: bytes) -> None:
        self.written.append(data)


Request.__module__ = "daphne.http_protocol"


@tag("fast")
class UvicornTest(SimpleTestCase):
    def setUp(self) -> None:
        self.cycle = Cycle()
        self.connection = connections.behind(self.cycle.send)
        self.connection.first = b"first"

    def test_a_part_is_written_as_a_chunk_of_http_1_1(self) -> None:
        push = self.connection.direct(b"first")
        self.assertTrue(push(b"x" * 26))
        self.assertTrue(push(b"y"))
        self.assertEqual(self.cycle.transport.written, [b"1a\r\n" + b"x" * 26 + b"\r\n", b"1\r\ny\r\n"])

    def test_nothing_is_written_to_a_client_that_is_slow_or_gone_or_has_everything(self) -> None:
        push = self.connection.direct(b"first")
        for owner, name in (
            (self.cycle.flow, "write_paused"),
            (self.cycle, "disconnected"),
            (self.cycle, "response_complete"),
            (self.cycle.transport, "closing"),
        ):
            with self.subTest(name), patch.object(owner, name, True):
                self.assertFalse(push(b"x"))
        self.assertEqual(self.cycle.transport.written, [])

    def test_one_that_is_gone_is_known_to_be_and_can_still_be_aborted(self) -> None:
        """Of a transport that has closed even asking for its socket may fail."""
        self.assertFalse(self.connection.is_gone)
        self.cycle.transport.closing = True
        self.assertTrue(self.connection.is_gone)
        self.connection.abort()
        self.assertTrue(self.cycle.transport.aborted)

    def test_there_is_no_such_way_where_the_body_has_a_length_or_another_program_makes_the_chunks(self) -> None:
        with patch.object(self.cycle, "chunked_encoding", False):
            self.assertIsNone(self.connection.direct(b"first"))
        with patch.object(Cycle, "__module__", "uvicorn.protocols.http.h11_impl"):
            self.assertIsNone(connections.behind(self.cycle.send).direct(b"first"))

    def test_the_program_of_uvicorns_that_is_meant_is_there_and_has_what_is_looked_at(self) -> None:
        from uvicorn.protocols.http import httptools_impl

        self.assertEqual(httptools_impl.__name__, connections._CHUNKED_BY_UVICORN)
        names = httptools_impl.RequestResponseCycle.__init__.__code__.co_names
        for name in ("flow", "transport", "disconnected", "response_complete", "chunked_encoding"):
            self.assertIn(name, names)


@tag("fast")
class DaphneTest(SimpleTestCase):
    def setUp(self) -> None:
        async def reply(request: Request, message: dict) -> None:
            request.write(message.get("body", b""))

        self.request = Request()
        self.connection = connections.behind(partial(reply, self.request))
        self.connection.first = b"first"

    def test_a_part_is_written_while_the_brake_is_off(self) -> None:
        self.assertIsNone(self.connection.direct(b"first"), "there is no brake yet")
        self.connection.brake()
        push = self.connection.direct(b"first")
        self.assertTrue(push(b"one"))
        self.connection.pauseProducing()
        self.assertFalse(push(b"two"))
        self.connection.resumeProducing()
        self.assertTrue(push(b"three"))
        self.assertEqual(self.request.written, [b"one", b"three"])

    async def test_a_part_that_is_sent_waits_for_one_too_many_that_was_pushed(self) -> None:
        self.connection.brake()
        for _ in range(3):  # a client that takes a little, and no more
            self.connection.pauseProducing()
            sending = asyncio.create_task(self.connection.send(part(b"one")))
            await asyncio.sleep(0.01)
            self.assertEqual(self.request.written, [])
            self.connection.resumeProducing()
            self.connection.pauseProducing()
            await asyncio.sleep(0.01)
            self.assertEqual(self.request.written, [])
            self.connection.resumeProducing()
            await sending
            self.assertEqual(self.request.written.pop(), b"one")
        self.connection.pauseProducing()
        sending = asyncio.create_task(self.connection.send(part(b"one")))
        await asyncio.sleep(0)
        self.connection.stopProducing()
        await sending
        self.assertEqual(self.request.written, [b"one"])

    def test_nothing_is_written_to_a_client_that_is_gone_or_has_everything(self) -> None:
        self.connection.brake()
        push = self.connection.direct(b"first")
        with patch.object(self.request, "finished", 1):
            self.assertFalse(push(b"x"))
        with patch.object(self.request, "channel", None):
            self.assertFalse(push(b"x"))
        self.assertEqual(self.request.written, [])

    async def test_what_the_server_says_comes_from_a_smaller_place_of_its_own_and_nothing_is_lost(self) -> None:
        queue: asyncio.Queue = asyncio.Queue()
        self.request.application_queue = queue
        for number in range(3):
            queue.put_nowait({"type": "http.request", "body": b"%d" % number})
        receive = self.connection.listen(queue.get)
        self.assertIsInstance(self.request.application_queue, Inbox)
        self.request.application_queue.put_nowait({"type": "http.disconnect"})
        self.assertEqual([(await receive()).get("body") for _ in range(4)], [b"0", b"1", b"2", None])

    def test_a_queue_that_is_another_than_daphnes_is_left_as_it_is(self) -> None:
        for known in (None, asyncio.Queue()):
            self.request.application_queue = known
            receive = asyncio.Queue().get
            self.assertEqual(self.connection.listen(receive), receive)
            self.assertIs(self.request.application_queue, known)

    def test_daphne_says_what_it_has_to_say_by_nothing_that_the_smaller_place_has_not(self) -> None:
        from daphne import http_protocol

        source = inspect.getsource(http_protocol.WebRequest)
        used = set(re.findall(r"application_queue\.(\w+)", source))
        self.assertEqual(used, {"put_nowait"})
        self.assertTrue(Inbox(), "it is asked whether there is one")

    def test_the_heads_are_dropped_once_they_were_written(self) -> None:
        from twisted.web.http_headers import Headers

        for began in (0, 1):
            self.request.startedWriting = began
            self.request.requestHeaders = Headers({"cookie": ["x" * 500], "host": ["here"]})
            self.request.responseHeaders = Headers({"content-type": ["text/event-stream"]})
            self.connection.shed()
            left = [*self.request.requestHeaders.getAllRawHeaders(), *self.request.responseHeaders.getAllRawHeaders()]
            self.assertEqual(len(left), 0 if began else 3)

    def channel(self) -> list[bytes]:
        """From now on the request has Twisted's own of HTTP/1.1. What is written past it."""
        written: list[bytes] = []
        kind = type("HTTPChannel", (), {"__module__": "twisted.web.http"})
        self.request.channel = kind()
        self.request.channel.transport = SimpleNamespace(write_promptly=written.append)
        return written

    def test_a_stream_of_http_2_is_broken_off_alone(self) -> None:
        broken = []
        self.request.channel = SimpleNamespace(transport=None, abortConnection=lambda: broken.append("stream"))
        self.connection.abort()
        self.request.channel = SimpleNamespace(
            transport=SimpleNamespace(abortConnection=lambda: broken.append("connection"))
        )
        self.connection.abort()
        for gone in (None, SimpleNamespace(transport=None)):
            self.request.channel = gone
            self.connection.abort()
        self.assertEqual(broken, ["stream", "connection"])

    def test_a_transport_that_can_is_written_to_promptly_in_chunks_of_http_1_1(self) -> None:
        written = self.channel()
        self.connection.brake()
        push = self.connection.direct(b"first")
        self.assertTrue(push(b"x" * 26))
        self.assertEqual((written, self.request.written), ([b"1a\r\n" + b"x" * 26 + b"\r\n"], []))
        self.assertEqual(self.request.sentLength, 26)

    def test_one_that_knows_no_chunks_is_written_the_body_alone(self) -> None:
        written = self.channel()
        self.request.chunked = 0
        self.connection.brake()
        self.assertTrue(self.connection.direct(b"first")(b"one"))
        self.assertEqual(written, [b"one"])

    def test_what_is_not_http_1_1_or_has_not_begun_is_written_by_twisted(self) -> None:
        for what in ("another channel", "no head yet"):
            with self.subTest(what):
                written = self.channel()
                if what == "no head yet":
                    self.request.startedWriting = 0
                else:
                    type(self.request.channel).__name__ = "H2Stream"
                self.connection.brake()
                self.assertTrue(self.connection.direct(b"first")(what.encode()))
                self.assertEqual((written, self.request.written[-1]), ([], what.encode()))

    def test_the_channel_of_twisteds_that_is_meant_is_there_and_hands_on_what_it_is_given(self) -> None:
        from twisted.web.http import HTTPChannel, Request

        self.assertEqual(f"{HTTPChannel.__module__}.{HTTPChannel.__name__}", connections._CHUNKED_BY_TWISTED)
        names = {*Request.write.__code__.co_names, *Request.__init__.__code__.co_names}
        for name in ("finished", "chunked", "startedWriting", "sentLength"):
            self.assertIn(name, names)
        given: list = []
        channel = HTTPChannel()
        channel.transport = SimpleNamespace(writeSequence=given.extend)
        channel.writeSequence((b"1\r\n", b"x", b"\r\n"))
        self.assertEqual(b"".join(given), b"1\r\nx\r\n")


@tag("fast")
class DirectTest(SimpleTestCase):
    async def test_a_way_past_django_is_only_for_whose_first_part_arrived_as_it_was(self) -> None:
        found = {}

        async def application(scope, receive, send) -> None:
            await send(START)
            found["before"] = scope[stream.DIRECT](b"first")
            await send(part(b"first"))
            await send(part(b"second"))
            found["as it was"] = scope[stream.DIRECT](b"first")
            found["changed"] = scope[stream.DIRECT](b"FIRST")
            await send(part(b"", more=False))

        with patch.object(connections.Connection, "_can_push", lambda self: True):
            await Served().run(application)
        self.assertIsNone(found["before"])
        self.assertIsNotNone(found["as it was"])
        self.assertIsNone(found["changed"])

    async def test_a_server_that_is_not_known_has_no_such_way(self) -> None:
        async def application(scope, receive, send) -> None:
            await send(START)
            await send(part(b"first"))
            self.assertIsNone(scope[stream.DIRECT](b"first"))
            await send(part(b"", more=False))

        await Served().run(application)
