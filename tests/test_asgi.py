"""The doorman: against a server and an application that the test plays, and then by SIGTERM to the real ones."""

import asyncio
import contextlib
import signal
import time
from functools import partial
from unittest.mock import patch

from django.test import SimpleTestCase, TransactionTestCase, override_settings, tag
from django.urls import get_resolver

from buildboard import asgi, connections
from builds.live import hub, stream
from tests import live
from tests.support.board import Board
from tests.support.sse import SseClient

SCOPE = {"type": "http", "path": "/events/", "method": "GET", "headers": []}
START = {"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"text/event-stream")]}


def part(body: bytes, *, more: bool = True) -> dict:
    return {"type": "http.response.body", "body": body, "more_body": more}


class Served:
    """A server of one request: what was sent to it, and a queue of what it will say."""

    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.says: asyncio.Queue[dict] = asyncio.Queue()
        self.says.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def send(self, message: dict) -> None:
        self.sent.append(message)

    def run(self, application, **scope) -> asyncio.Task:
        async def serve() -> None:
            with patch.object(asgi, "django", application), patch.object(asgi, "live", application):
                await asgi.application(SCOPE | scope, self.says.get, self.send)

        return asyncio.create_task(serve())

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


@tag("fast")
class LivePathsTest(SimpleTestCase):
    def test_only_the_live_wings_own_requests_share_a_thread(self) -> None:
        views = get_resolver().resolve
        for path in (
            "/events/",
            "/events.json",
            "/builds/7/events/",
            "/builds/7/events.json",
            "/builds/7/log/",
            "/builds/7/log.txt",
        ):
            self.assertTrue(views(path).func.__module__.startswith("builds.live."), path)
            self.assertIsNotNone(asgi.LIVE_PATHS.fullmatch(path), path)
        for path in ("/", "/builds/7/", "/projects/log/", "/projects/events/", "/admin/builds/build/7/events/"):
            self.assertFalse(views(path).func.__module__.startswith("builds.live."), path)
            self.assertIsNone(asgi.LIVE_PATHS.fullmatch(path), path)


@tag("fast")
@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=1000)
class BodyTest(SimpleTestCase):
    """What the application gets of a body, and the length that it is told."""

    async def got(self, *parts: bytes, headers: list | None = None) -> tuple[bytes, bytes, str]:
        server = Served()
        server.says.get_nowait()
        for number, body in enumerate(parts, 1):
            server.says.put_nowait({"type": "http.request", "body": body, "more_body": number < len(parts)})
        server.says.put_nowait({"type": "http.disconnect"})
        found: list = []

        async def application(scope, receive, send) -> None:
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message["body"], message["more_body"]
            found.extend([body, dict(scope["headers"]).get(b"content-length", b""), (await receive())["type"]])
            await send({"type": "http.response.start", "status": 413, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        await server.run(application, path="/x/", method="POST", headers=headers or [])
        return tuple(found)

    async def test_one_that_fits_is_passed_on(self) -> None:
        self.assertEqual(await self.got(b"x" * 500, b"y" * 500), (b"x" * 500 + b"y" * 500, b"", "http.disconnect"))

    async def test_one_that_is_announced_as_too_large_is_not_read(self) -> None:
        headers = [(b"content-length", b"1001")]
        self.assertEqual(await self.got(b"x" * 500, b"y" * 501, headers=headers), (b"", b"1001", "http.disconnect"))

    async def test_one_that_grows_too_large_ends_there_and_says_so(self) -> None:
        for headers in ([], [(b"content-length", b"10")]):
            body, length, after = await self.got(b"x" * 500, b"y" * 501, b"z" * 10**6, headers=headers)
            self.assertEqual((body, length, after), (b"x" * 500, b"1001", "http.disconnect"))


@tag("fast")
class DoormanTest(SimpleTestCase):
    def setUp(self) -> None:
        self.addCleanup(setattr, hub, "_draining", False)

    async def test_an_application_is_told_of_the_servers_cancellation_and_waited_for(self) -> None:
        story: list[str] = []

        async def application(scope, receive, send) -> None:
            await receive()
            await send(START)
            story.append((await receive())["type"])
            await asyncio.sleep(0.01)
            story.append("cleaned up")

        served = Served()
        task = served.run(application)
        await asyncio.sleep(0.01)
        with patch.object(asgi, "FAREWELL_SECONDS", 0.2):
            task.cancel()
            await task
        self.assertEqual(story, ["http.disconnect", "cleaned up"])
        self.assertFalse(hub.is_draining(), "one request's end is not the process's")

    async def test_a_stream_hears_of_its_cancellation_and_has_a_moment_to_say_so(self) -> None:
        async def application(scope, receive, send) -> None:
            await send(START)
            await scope[stream.FAREWELL]
            await send(part(b"event: restart\n\n"))
            await send(part(b"", more=False))

        served = Served()
        task = served.run(application)
        await asyncio.sleep(0.01)
        task.cancel()
        await task
        self.assertEqual(served.body, b"event: restart\n\n")

    async def test_who_has_no_answer_yet_is_told_to_ask_again_and_gets_no_other_one(self) -> None:
        async def application(scope, receive, send) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(5)  # a database that hangs
            await send(START | {"status": 500})
            await send(part(b"late", more=False))

        for path, status, body in (
            ("/builds/3/events/", 200, b"event: restart\n"),
            ("/events/", 200, b"retry: "),
            ("/events.json", 503, b"The server stops."),
            ("/builds/3/", 503, b"The server stops."),
        ):
            with self.subTest(path=path), patch.object(asgi, "FAREWELL_SECONDS", 0.1):
                served = Served()
                task = served.run(application, path=path)
                await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.sleep(0.01)
                task.cancel()  # as the end of its loop does
                await task
                self.assertEqual([message.get("status", status) for message in served.sent], [status, status])
                self.assertIn(body, served.body)
                self.assertNotIn(b"late", served.body)

    async def test_an_application_that_does_not_end_after_its_client_left_is_cancelled(self) -> None:
        async def application(scope, receive, send) -> None:
            await receive()
            await send(START)
            await receive()
            self.assertFalse(scope[stream.FAREWELL].done())
            await asyncio.sleep(5)

        served = Served()
        task = served.run(application)
        await asyncio.sleep(0.01)
        served.says.put_nowait({"type": "http.disconnect"})
        await asyncio.sleep(0.01)
        with patch.object(asgi, "FAREWELL_SECONDS", 0.1):
            task.cancel()
            await asyncio.wait_for(task, 3)

    async def test_a_stream_that_fails_ends_with_a_problem_and_nothing_is_raised(self) -> None:
        async def application(scope, receive, send) -> None:
            await send(START)
            await send(part(b"id: 1\ndata: {}\n\n"))
            raise ZeroDivisionError

        served = Served()
        with self.assertLogs("buildboard.asgi", "ERROR"):
            await served.run(application)
        self.assertIn(b"event: problem\n", served.body)
        self.assertEqual(served.sent[-1].get("more_body", False), False)

    async def test_what_fails_before_the_response_is_the_servers_to_answer(self) -> None:
        async def application(scope, receive, send) -> None:
            raise ZeroDivisionError

        with self.assertLogs("buildboard.asgi", "ERROR"), self.assertRaises(ZeroDivisionError):
            await Served().run(application)

    async def test_a_viewer_that_takes_nothing_is_cut_off(self) -> None:
        ended = asyncio.Event()

        async def application(scope, receive, send) -> None:
            await receive()
            await send(START)
            await send(part(b"too much"))
            if (await receive())["type"] == "http.disconnect":
                ended.set()

        class Stalled(Served):
            async def send(self, message: dict) -> None:
                await super().send(message)
                if message["type"] == "http.response.body":
                    await asyncio.sleep(60)

        with patch.object(asgi, "STALLED_SECONDS", 0.02), self.assertLogs("buildboard.asgi", "INFO"):
            await asyncio.wait_for(Stalled().run(application), 5)
        self.assertTrue(ended.is_set())

    async def test_where_no_brake_is_found_a_connection_ends_after_its_fill(self) -> None:
        class Transport:
            aborted = False

            def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
                self.aborted = True

        channel = type("HTTPChannel", (), {"transport": Transport()})()
        request = type("WebRequest", (), {"__module__": "daphne.http_protocol", "channel": channel})()
        sent = []

        async def reply(request, message) -> None:
            sent.append(message)

        connection = connections.behind(partial(reply, request))
        with self.assertLogs("buildboard.connections", "DEBUG"):
            connection.brake()
        for _ in range(9):
            await connection.send(part(b"x" * 1024 * 1024))
        self.assertTrue(channel.transport.aborted)

    async def test_the_lifespan_and_a_websocket_are_answered_politely(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        served = Served()
        served.says = asyncio.Queue()
        for message in ("lifespan.startup", "lifespan.shutdown"):
            served.says.put_nowait({"type": message})
        await asgi.application({"type": "lifespan"}, served.says.get, served.send)
        self.assertEqual(
            [message["type"] for message in served.sent], ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        )
        served = Served()
        await asgi.application({"type": "websocket", "path": "/"}, served.says.get, served.send)
        self.assertEqual(served.sent, [{"type": "websocket.close"}])


class DrainTest(TransactionTestCase):
    def test_fifty_streams_are_told_to_come_back_and_the_server_exits_with_0(self) -> None:
        with Board() as board:
            with board.database():
                lease = live.running()
            webs = [board.web("daphne"), board.web("uvicorn")]
            for web in webs:
                with self.subTest(web.server):
                    paths = [f"/builds/{lease.build_id}/events/", "/events/"]
                    token = board.token("alice")
                    clients = [SseClient(web.port, path, token=token) for path in paths * 25]
                    follow = SseClient(web.port, f"/builds/{lease.build_id}/log.txt?follow=1", token=token)
                    for client in (*clients, follow):
                        self.addCleanup(client.close)
                    for client in clients:
                        client.read_until(lambda message: message.event == "ping")
                    began = time.monotonic()
                    self.assertEqual(web.terminate(), 0, web.process.output())
                    self.assertLess(time.monotonic() - began, 5)
                    self.assertEqual({client.read_all(5)[-1].event for client in clients}, {"restart"})
                    self.assertTrue(all(client.ended for client in clients))
                    follow.body()
                    self.assertFalse(follow.ended, "a text that is cut short has to look cut short")
                    self.assertNotIn("Traceback", web.process.output())
