"""Streams over TLS that a server speaks itself: what is handed to it past Django goes through its own encryption."""

import json
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.test import SimpleTestCase

from tests import live
from tests.serving import ids, is_event
from tests.support import ROOT, missing
from tests.support.board import Board
from tests.support.http2 import Http2Stream
from tests.support.processes import Process, eventually, free_port
from tests.support.sse import Message, SseClient

APPLICATION = "buildboard.asgi:application"


class TlsTest(SimpleTestCase):
    databases = {"default"}

    def setUp(self) -> None:
        if not shutil.which("openssl"):
            missing("openssl")
        folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="bb-tls-")))
        self.key, self.certificate = folder / "key.pem", folder / "certificate.pem"
        words = ["-nodes", "-subj", "/CN=localhost", "-keyout", self.key, "-out", self.certificate]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *words]
        subprocess.run(command, check=True, capture_output=True)
        self.tls = ssl.create_default_context(cafile=str(self.certificate))
        self.tls.check_hostname = False
        self.board = self.enterContext(Board(BUILDBOARD_LEASE_SECONDS="3600"))

    def command(self, server: str, port: int) -> list[str]:
        if server == "daphne":
            endpoint = f"ssl:{port}:interface=127.0.0.1:privateKey={self.key}:certKey={self.certificate}"
            return [sys.executable, "-m", "daphne", "-v", "0", "-e", endpoint, APPLICATION]
        keys = ["--ssl-keyfile", str(self.key), "--ssl-certfile", str(self.certificate)]
        quiet = ["--log-level", "warning", "--lifespan", "off", "--ws", "none"]
        return [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), *keys, *quiet, APPLICATION]

    @contextmanager
    def served(self, server: str) -> Iterator[int]:
        port = free_port()
        with Process(self.command(server, port), env=self.board.env, cwd=ROOT) as process:

            def answers() -> bool:
                self.assertTrue(process.running, process.output())
                with socket.socket() as one:
                    return one.connect_ex(("127.0.0.1", port)) == 0

            eventually(answers, 30, process.output)
            yield port

    def test_fast_and_slow_readers_get_each_event_whole_and_once(self) -> None:
        token = self.board.token("alice")
        for server in ("daphne", "uvicorn"):
            with self.subTest(server), self.served(server) as port, self.board.database():
                lease = live.running(f"tls-{server}")
                path, head = f"/builds/{lease.build_id}/events/", lease.head
                fast, slow = (
                    SseClient(port, path, token=token, tls=self.tls, receive_buffer=size) for size in (None, 4096)
                )
                for client in (fast, slow):
                    self.addCleanup(client.close)
                    client.read_until(lambda message, head=head: message.seq == head)
                got: list[Message] = []

                def read_slowly(slow: SseClient = slow, got: list[Message] = got) -> None:
                    for message in slow.events(20):
                        got.append(message)
                        time.sleep(0.004)

                reading = threading.Thread(target=read_slowly)
                reading.start()
                for number in range(200):
                    live.printed(lease, 1 + number, f"{number} ".ljust(14_000 if number % 20 < 10 else 100, "z"))
                    time.sleep(0.01 * (number % 20 == 0))
                live.ended(lease)
                messages = fast.read_until(is_event("end"), 30)
                reading.join(40)
                self.assertEqual(ids(messages), list(range(head + 1, lease.head + 1)))
                self.assertEqual([one.data for one in got if one.id], [one.data for one in messages if one.id])

    def test_http_2_has_each_event_whole_and_once_also_for_one_who_reads_slowly(self) -> None:
        """As daphne speaks it to whoever asks for it, which browsers do."""
        token = self.board.token("alice")
        with self.served("daphne") as port, self.board.database():
            lease = live.running("http-2")
            path = f"/builds/{lease.build_id}/events/"
            fast, slow = (Http2Stream(port, path, token, self.tls, window=size) for size in (65_535, 4_096))
            got: dict[Http2Stream, bytes] = {fast: b"", slow: b""}

            def read(one: Http2Stream, rest: float) -> None:
                for part in one.parts(rest):
                    got[one] += part

            reading = [threading.Thread(target=read, args=of) for of in ((fast, 0), (slow, 0.002))]
            for one in reading:
                one.start()
            eventually(lambda: all(f"id: {lease.head}\n".encode() in body for body in got.values()), 30)
            for number in range(120):
                live.printed(lease, 1 + number, f"{number} ".ljust(14_000 if number % 20 < 10 else 100, "z"))
                time.sleep(0.01 * (number % 20 == 0))
            live.ended(lease)
            for one in reading:
                one.join(60)
            for one in (fast, slow):
                one.close()
                self.assertEqual((one.headers[b":status"], one.reset), (b"200", False))
                events = [part for part in got[one].split(b"\n\n") if part.startswith(b"id: ")]
                self.assertEqual([int(part[4 : part.index(b"\n")]) for part in events], list(range(1, lease.head + 1)))
                whole = [line for part in events for line in part.split(b"\n")[2:]]
                self.assertTrue(all(json.loads(line.removeprefix(b"data: ")) for line in whole))
                self.assertIn(b"event: end\n", got[one])
