"""The tests' own tools: a client for streams that lost a byte would make every other test worthless."""

import os
import signal
import socket
import sys
import threading
from unittest import SkipTest, mock

import psutil
import psycopg
from django.test import SimpleTestCase, tag

from .support import missing
from .support.processes import Process, alive, eventually, free_port
from .support.servers import Postgres
from .support.sse import Message, SseClient, parse_block

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
BODY = b': hello\nretry: 1500\n\nid: 1\nevent: log\ndata: {"a":\ndata:  1}\n\nid: 2\nevent: log\ndata: \xc3\xa4\n\n'


def serve(answer: bytes, *, step: int = 0) -> int:
    """Answer one request with these bytes, in pieces of `step` bytes where given: the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with listener, listener.accept()[0] as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.recv(65536)
            for start in range(0, len(answer), step or len(answer)):
                try:
                    client.sendall(answer[start : start + (step or len(answer))])
                except OSError:
                    return

    threading.Thread(target=run, daemon=True).start()
    return int(listener.getsockname()[1])


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@tag("fast")
class SseClientTest(SimpleTestCase):
    expected = [
        Message(comment="hello", retry=1500),
        Message(id="1", event="log", data='{"a":\n 1}'),
        Message(id="2", event="log", data="ä"),
    ]

    def test_reads_a_stream_however_it_is_cut_into_chunks_and_packets(self) -> None:
        for size in (1, 2, 7, 1000):
            for step in (1, 3, 0):
                answer = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY, size)
                with self.subTest(size=size, step=step), SseClient(serve(answer, step=step), "/") as client:
                    self.assertEqual(client.read_all(), self.expected)
                    self.assertTrue(client.ended)
                    self.assertEqual(client.last_event_id, "2")

    def test_a_body_without_chunks_ends_with_the_connection(self) -> None:
        with SseClient(serve(HEAD + b"\r\n" + BODY), "/") as client:
            self.assertEqual(client.read_all(), self.expected)
            self.assertTrue(client.ended)

    def test_a_chunked_body_without_its_last_chunk_has_not_ended_in_order(self) -> None:
        answer = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY, 50)[:-5]
        with SseClient(serve(answer), "/") as client:
            client.read_all()
            self.assertFalse(client.ended)

    def test_cut_at_any_byte_it_keeps_whole_messages_only(self) -> None:
        for size in range(1, len(BODY) + 1):
            with SseClient(serve(HEAD + b"\r\n" + BODY), "/") as client:
                whole = BODY[:size].count(b"\n\n")
                self.assertEqual(client.cut_after(size), self.expected[:whole])
                self.assertEqual(client.received, size)

    def test_waiting_for_what_does_not_come_fails_with_what_came(self) -> None:
        with (
            SseClient(serve(HEAD + b"\r\n" + BODY), "/") as client,
            self.assertRaisesRegex(AssertionError, "3 messages, the last: .*log 2"),
        ):
            client.read_until(lambda message: message.event == "end")

    def test_an_empty_data_field_is_not_a_missing_one(self) -> None:
        self.assertEqual(parse_block("data"), Message(data=""))
        self.assertEqual(parse_block("event: x"), Message(event="x"))
        self.assertIsNone(parse_block(""))


class ProcessTest(SimpleTestCase):
    def test_closing_ends_what_it_started_too(self) -> None:
        sleeper = (
            "import subprocess, sys; p = subprocess.Popen(['sleep', '99']); print('pid', p.pid, flush=True); p.wait()"
        )
        process = Process([sys.executable, "-c", sleeper])
        pid = int(process.wait_for("\n").split()[1])
        self.assertTrue(alive(pid))
        process.close()
        eventually(lambda: not alive(pid), 5, "its child lives on")

    def test_a_stubborn_one_is_killed(self) -> None:
        stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(99)"
        process = Process([sys.executable, "-c", stubborn])
        process.wait_for("ready")
        with mock.patch("tests.support.processes.ORDERLY_SECONDS", 0.2):
            process.close()
        self.assertEqual(process.wait(), -signal.SIGKILL)

    def test_waiting_for_text_fails_when_it_ends_without(self) -> None:
        process = Process([sys.executable, "-c", "print('other')"])
        with self.assertRaisesRegex(AssertionError, "other"):
            process.wait_for("never")

    def test_this_process_lives_and_a_free_port_is_free(self) -> None:
        self.assertTrue(alive(os.getpid()))
        with socket.create_server(("127.0.0.1", free_port())):
            pass


@tag("fast")
class MissingTest(SimpleTestCase):
    def test_what_is_missing_skips_at_home_and_fails_in_ci(self) -> None:
        with mock.patch.dict(os.environ, CI=""), self.assertRaises(SkipTest):
            missing("a thing")
        with mock.patch.dict(os.environ, CI="true"), self.assertRaisesRegex(AssertionError, "a thing"):
            missing("a thing")


class PostgresTest(SimpleTestCase):
    def setUp(self) -> None:
        self.postgres = Postgres(durable=True)
        self.addCleanup(self.postgres.close)
        self.enterContext(psycopg.connect(self.postgres.url()))

    def processes(self) -> list[psutil.Process]:
        server = psutil.Process(self.postgres._process.pid)
        return [server, *self.postgres._process.children()]

    def test_killed_it_is_gone_with_every_process_and_recovers(self) -> None:
        """One that lived on would still write to what the next server recovers."""
        before = self.processes()
        self.assertGreater(len(before), 3)
        self.postgres.kill()
        self.assertEqual([process for process in before if alive(process.pid)], [])
        self.postgres.start()
        self.postgres.execute("SELECT 1")

    def test_paused_nothing_of_it_goes_on_until_it_is_resumed(self) -> None:
        self.postgres.pause()
        states = {process.status() for process in self.processes()}
        self.assertEqual(states, {psutil.STATUS_STOPPED})
        with self.assertRaises(psycopg.OperationalError):
            self.postgres.execute("SELECT 1")
        self.postgres.resume()
        self.postgres.execute("SELECT 1")


@tag("fast")
class PortTest(SimpleTestCase):
    def test_each_port_is_given_once(self) -> None:
        self.assertEqual(len({free_port() for _ in range(50)}), 50)
