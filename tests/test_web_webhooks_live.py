"""Webhooks at a real board: what docs/webhooks.md tells to type, and bodies that are larger than the board takes."""

import re
import socket
import subprocess
import time
from typing import Any

from django.test import SimpleTestCase

from builds import deliveries
from builds.models import Delivery, Project

from . import forges
from .support import ROOT, missing
from .support.board import Answer, Board

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


class LiveCase(SimpleTestCase):
    databases = {"default"}
    board: Board

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board(BUILDBOARD_MAX_HOOK_KB="1024")
        cls.addClassCleanup(cls.board.close)
        cls.board.project("lantern", "steps: [{name: one, run: 'true'}]")
        cls.webs = [cls.board.web(server) for server in ("daphne", "uvicorn")]
        with cls.board.database():
            cls.secret = deliveries.make_secret(Project.objects.get(), by="alice")

    def send(self, delivery: forges.Delivery, web: Any, slug: str = "lantern") -> Answer:
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
        try:
            connection.request("POST", f"/hooks/{slug}/", delivery.body, delivery.headers)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()


class DocumentTest(LiveCase):
    def test_what_the_page_tells_to_type_works(self) -> None:
        blocks = BLOCK.findall((ROOT / "docs/webhooks.md").read_text())
        self.assertEqual(len(blocks), 2)
        said = []
        for block in blocks:
            done = subprocess.run(
                ["sh", "-euc", block],
                env={"PATH": "/usr/bin:/bin", "SECRET": self.secret, "HOOK": f"{self.webs[0].url}/hooks/lantern/"},
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            if done.returncode == 127:
                missing("curl and openssl")
            self.assertEqual(done.returncode, 0, done.stderr)
            said.append(done.stdout)
        self.assertIn('"outcome": "started"', said[0])
        self.assertIn('"why": "A ping: the hook works."', said[1])
        with self.board.database():
            build = Delivery.objects.get(outcome="started").build
        assert build is not None
        self.assertEqual(
            (build.branch, build.commit_title, build.started_by), ("main", "Nightly import", "importer (webhook)")
        )


class BodyTest(LiveCase):
    def test_a_body_of_25_megabytes_is_refused_before_it_has_arrived(self) -> None:
        head = (
            "POST /hooks/lantern/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "X-GitHub-Event: push\r\nX-GitHub-Delivery: 1\r\nContent-Length: 26214400\r\n\r\n"
        )
        for web in self.webs:
            with self.subTest(web.server), socket.create_connection(("127.0.0.1", web.port), 10) as connection:
                connection.sendall(head.encode() + b"{" * 1000)
                connection.settimeout(10)
                answer = connection.recv(4096)
                self.assertRegex(answer, rb"\AHTTP/1.1 413 ")

    def test_nor_does_anything_else_take_one_from_strangers(self) -> None:
        """Daphne would have all of it in its memory before anybody asks who sends it."""
        for path in ("/accounts/login/", "/", "/api/v1/projects", "/api/v1/runs/1/artifacts/1?offset=0"):
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 209715200\r\n\r\n"
            for web in self.webs:
                with (
                    self.subTest(web.server, path=path),
                    socket.create_connection(("127.0.0.1", web.port), 10) as connection,
                ):
                    connection.sendall(head.encode() + b"x" * 1000)
                    connection.settimeout(20)
                    self.assertRegex(connection.recv(4096), rb"\AHTTP/1.1 4[01][0-9] ")

    def test_so_is_one_whose_length_nobody_said(self) -> None:
        head = (
            "POST /hooks/lantern/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "X-GitHub-Event: push\r\nX-GitHub-Delivery: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        for web in self.webs:
            with self.subTest(web.server), socket.create_connection(("127.0.0.1", web.port), 10) as connection:
                connection.sendall(head.encode())
                sent, began = 0, time.monotonic()
                connection.settimeout(0.05)
                answer = b""
                while not answer and time.monotonic() < began + 20:
                    try:
                        connection.settimeout(10)
                        connection.sendall(chunk)
                        sent += 1
                        connection.settimeout(0.05)
                        answer = connection.recv(4096)
                    except TimeoutError:
                        continue
                    except OSError:
                        break
                self.assertRegex(answer, rb"\AHTTP/1.1 413 ")
                self.assertLess(sent, 400, "25 MB")

    def test_a_large_delivery_within_the_bound_is_taken(self) -> None:
        for web in self.webs:
            payload = forges.github_push(message="x" * 400_000)
            answer = self.send(forges.github(payload, self.secret, number=web.server), web)
            self.assertEqual(answer.status, 201, answer.text)
