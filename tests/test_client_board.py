"""One board over HTTP as the client sees it: what is an error, what is passing, and where the token goes."""

import json
import socket
import ssl
import subprocess
import tempfile
import threading
from http.server import HTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

from django.test import SimpleTestCase, tag

from buildboard.client.address import checked_url, is_open_to_others
from buildboard.client.board import Board, Refused, Silent, Unreachable
from buildboard.client.environment import Login
from buildboard.client.talk import CouldNot

from .support import missing
from .support.processes import free_port
from .support.stub import Request, Stub

TOKEN = "bb_not-a-secret"


def ask(answering: Any, method: str = "GET", path: str = "/api/v1/projects") -> Any:
    with Stub(answering) as stub, Board(Login(stub.url, TOKEN)) as board:
        return board.ask(method, path, seconds=5)


@tag("fast")
class AnswerTests(SimpleTestCase):
    def test_problem_details_are_told_as_they_are(self) -> None:
        problem = {"status": 409, "detail": "Build 7 has already ended: passed.", "errors": []}
        with self.assertRaisesMessage(Refused, "Build 7 has already ended: passed.") as caught:
            ask(lambda request: request.answer(409, json.dumps(problem).encode(), "application/problem+json"))
        self.assertEqual((caught.exception.status, caught.exception.problem), (409, problem))

    def test_what_passes_says_when_to_come_back(self) -> None:
        for status in (429, 502, 503, 504):
            with self.assertRaises(Unreachable) as caught:
                ask(lambda request, status=status: request.answer(status, b"<p>", "text/html", Retry_After="7"))
            self.assertEqual(caught.exception.after, 7.0)

    def test_what_is_no_board_is_told_so(self) -> None:
        for answering in (
            lambda request: request.answer(200, b"<html>", "text/html"),
            lambda request: request.answer(404, b"<html>", "text/html"),
        ):
            with self.assertRaisesRegex((CouldNot, Refused), "no Buildboard"):
                ask(answering)
        with self.assertRaises(Unreachable):
            ask(lambda request: request.answer(200, b'{"items": [', "application/json"))
        with self.assertRaises(Unreachable):
            ask(lambda request: request.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n"))

    def test_nobody_there_and_no_answer(self) -> None:
        with self.assertRaisesMessage(Unreachable, "connection refused"):
            Board(Login(f"http://127.0.0.1:{free_port()}", TOKEN)).ask("GET", "/")
        with self.assertRaises(Unreachable):
            ask(lambda request: request.connection.shutdown(socket.SHUT_RDWR))
        never = threading.Event()
        with Stub(lambda request: never.wait(10) and None) as stub, self.assertRaises(Silent):
            Board(Login(stub.url, TOKEN)).ask("GET", "/", seconds=0.2)
        never.set()

    def test_one_connection_serves_many_requests_and_a_stale_one_is_replaced(self) -> None:
        ports = set()

        def answering(request: Request) -> None:
            ports.add(request.client_address[1])
            request.answer(200, b"{}")
            if request.path == "/last":
                request.close_connection = True  # without a word: it is found closed by the next request

        with Stub(answering) as stub, Board(Login(stub.url, TOKEN)) as board:
            for path in ("/a", "/b", "/last", "/c", "/d"):
                self.assertEqual(board.ask("GET", path), {})
        self.assertEqual(len(ports), 2)
        self.assertEqual(len(stub.requests), 5)


@tag("fast")
class TokenTests(SimpleTestCase):
    def test_the_token_goes_to_no_other_host(self) -> None:
        with Stub(lambda request: request.answer(200, b"{}")) as other:
            for place in (f"{other.url}/api/v1/projects", "https://127.0.0.1/", "//evil.example/x"):
                with self.subTest(place), self.assertRaisesMessage(CouldNot, "the token is not sent"):
                    ask(lambda request, place=place: request.answer(302, Location=place))
        self.assertEqual(other.requests, [])

    def test_a_redirect_on_the_same_host_is_followed_for_reading_alone(self) -> None:
        def answering(request: Request) -> None:
            request.answer(200, b'{"here": true}') if request.path == "/there" else request.answer(
                302, Location="/there"
            )

        self.assertEqual(ask(answering), {"here": True})
        with self.assertRaisesMessage(CouldNot, "redirects POST"):
            ask(answering, "POST")
        with self.assertRaisesMessage(Unreachable, "circle"):
            ask(lambda request: request.answer(302, Location=request.path))

    def test_addresses(self) -> None:
        self.assertEqual(checked_url(" https://board.example/ci/ "), "https://board.example/ci")
        for text in ("board.example", "ftp://x", "https://", "https://me:secret@x", "http://x:99999", "https://x/?a=1",
                     "https://ex ample", "https://münchen.example", "http://[::1", "https://x:0"):  # fmt: skip
            with self.subTest(text), self.assertRaises(CouldNot) as caught:
                checked_url(text)
            self.assertNotIn("secret", str(caught.exception))

    def test_a_token_that_would_be_a_header_of_its_own_is_refused(self) -> None:
        for token in ("", "bb_x\r\nX: y", "bb x", "bb_é"):
            with self.subTest(token), self.assertRaises(CouldNot) as caught:
                Board(Login("https://board.example", token))
            self.assertNotIn(token or "nothing", str(caught.exception))

    def test_a_proxy_of_the_environment_is_asked_for_the_whole_address(self) -> None:
        seen = []

        def answering(request: Request) -> None:
            seen.append((request.path, request.headers.get("Proxy-Authorization")))
            request.answer(200, b"{}")

        with (
            Stub(answering) as proxy,
            mock.patch.dict(
                "os.environ", {"http_proxy": proxy.url.replace("//", "//me:word@"), "no_proxy": "", "NO_PROXY": ""}
            ),
            Board(Login("http://board.example", TOKEN)) as board,
        ):
            board.ask("GET", "/api/v1/projects")
        self.assertEqual(seen, [("http://board.example/api/v1/projects", "Basic bWU6d29yZA==")])


@tag("fast")
class CertificateTests(SimpleTestCase):
    def test_a_certificate_is_verified_and_one_of_its_own_may_be_named(self) -> None:
        folder = Path(tempfile.mkdtemp())
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        try:
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"],
                check=True, capture_output=True,
            )  # fmt: skip
        except FileNotFoundError:
            missing("openssl")
        handler = type("Handler", (Request,), {"answering": staticmethod(lambda request: request.answer(200, b"{}"))})
        server = HTTPServer(("127.0.0.1", free_port()), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"https://localhost:{server.server_port}"
        with mock.patch.dict("os.environ", {"no_proxy": "*"}):
            with Board(Login(url, TOKEN, str(certificate))) as board:
                self.assertEqual(board.ask("GET", "/"), {})
            with self.assertRaisesMessage(CouldNot, "cannot be verified"):
                Board(Login(url, TOKEN)).ask("GET", "/")
        with self.assertRaisesMessage(CouldNot, "cannot be used"):
            Board(Login(url, TOKEN, str(key) + "-nowhere"))

    def test_who_can_read_along(self) -> None:
        self.assertTrue(is_open_to_others("http://board.example"))
        for url in ("https://board.example", "http://127.0.0.1:8000", "http://localhost"):
            self.assertFalse(is_open_to_others(url))
