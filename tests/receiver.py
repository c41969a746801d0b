"""Whoever is told: a real HTTP server and a real SMTP server on this machine, that misbehave as they are asked to."""

import contextlib
import http.server
import json
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_REASONS = {422: "Unprocessable Entity"}
"""As forges say it, and Python before 3.13."""


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    """With names in lower case."""
    body: bytes
    at: float = field(default_factory=time.monotonic)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0.0
    """Seconds before anything is answered."""
    drip: float = 0.0
    """Seconds between two bytes of the body."""
    cut: str = ""
    """`before` the answer, or in the `middle` of it, the connection ends."""


class Receiver:
    """Answers each request with the next reply of its script, and with the last one from then on."""

    def __init__(self, *script: Reply, tls: ssl.SSLContext | None = None) -> None:
        self.script = list(script) or [Reply()]
        self.received: list[Received] = []
        self.began: Callable[[Received], None] = lambda _: None
        """Called before a request is answered."""
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver._handle(self)

            do_PUT = do_GET = do_POST  # noqa: N815 - the server's own names

            def log_message(self, *_: Any) -> None:
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _handle(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        got = Received(handler.command, handler.path, headers, handler.rfile.read(length))
        with self._lock:
            self.received.append(got)
            reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self.began(got)
        time.sleep(reply.hang)
        handler.close_connection = True
        if reply.cut == "before":
            handler.connection.shutdown(2)
            return
        handler.send_response(reply.status, _REASONS.get(reply.status))
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        body = reply.body[: len(reply.body) // 2] if reply.cut else reply.body
        with contextlib.suppress(OSError):
            if not reply.drip:
                handler.wfile.write(body)
            for index in range(len(body) if reply.drip else 0):
                handler.wfile.write(body[index : index + 1])
                handler.wfile.flush()
                time.sleep(reply.drip)


class MailServer:
    """Takes letters by SMTP (RFC 5321, the part that clients need), and keeps them."""

    def __init__(self, refuse: dict[str, str] | None = None) -> None:
        """`refuse`: what it answers to a command, such as {"RCPT": "550 no such user"}."""
        self.letters: list[tuple[str, list[str], bytes]] = []
        server_self, refused = self, refuse or {}

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.say("220 test ESMTP")
                sender, to = "", []
                for line in self.rfile:
                    word = line[:4].decode().upper().strip()
                    if word in refused:
                        self.say(refused[word])
                    elif word == "EHLO":
                        self.say("250-test\r\n250 8BITMIME")
                    elif word == "MAIL":
                        sender, to = line.decode().partition(":")[2].strip().split(">")[0].strip("<"), []
                        self.say("250 ok")
                    elif word == "RCPT":
                        to.append(line.decode().partition(":")[2].strip().strip("<>"))
                        self.say("250 ok")
                    elif word == "DATA":
                        self.say("354 go on")
                        text = b""
                        while not text.endswith(b"\r\n.\r\n"):
                            text += self.rfile.readline()
                        server_self.letters.append((sender, to, text[:-3]))
                        self.say("250 taken")
                    elif word == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")

            def say(self, text: str) -> None:
                self.wfile.write(text.encode() + b"\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
