"""A tiny HTTP server that answers as a test says: for clients, and what they do where a board behaves badly."""

import contextlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .processes import free_port


class Request(BaseHTTPRequestHandler):
    """What a test's function gets: `path`, `headers`, `body`, and `answer` to be called once, or `wfile`."""

    protocol_version = "HTTP/1.1"
    answering: Callable[["Request"], None]
    body = b""

    def answer(self, status: int, body: bytes = b"", kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def begin(self, kind: str) -> None:
        """A body without an end; what follows is written to `wfile`."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with contextlib.suppress(ConnectionError):
            type(self).answering(self)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


class Stub:
    """A context manager. Every request is kept in `requests`, as method and path; `tokens` has what was sent."""

    def __init__(self, answering: Callable[[Request], None]) -> None:
        self.requests: list[str] = []
        self.tokens: set[str] = set()

        def noted(request: Request) -> None:
            self.requests.append(f"{request.command} {request.path}")
            self.tokens.add(request.headers.get("Authorization", ""))
            answering(request)

        handler = type("Handler", (Request,), {"answering": staticmethod(noted)})
        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> "Stub":
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
