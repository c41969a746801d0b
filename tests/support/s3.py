"""A small stand-in for an S3-compatible service: objects in memory, on loopback. It looks at no signature."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class S3:
    """As a context manager: it answers on `url`. `objects`: by `bucket/key`. `status`: what every request is answered
    with, where it is not 0."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[int, bytes] = {}
        self.status = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "S3":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def handle_any(self) -> None:
                parts = urlsplit(self.path)
                body = self._body()
                status, headers, content = service.answer(
                    self.command,
                    unquote(parts.path).strip("/"),
                    parse_qs(parts.query, keep_blank_values=True),
                    self.headers.get("Range", ""),
                    body,
                )
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815 - the base class's names

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") == "chunked":
                    found = b""
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        found += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                    return found
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        return Handler

    def answer(
        self, method: str, key: str, query: dict[str, list[str]], wanted: str, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if self.status:
            return self.status, {}, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        tag = {"ETag": '"x"'}
        if method == "POST" and "uploads" in query:
            self.parts.clear()
            return 200, {}, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        if method == "POST":
            self.objects[key] = b"".join(self.parts[number] for number in sorted(self.parts))
            return 200, {}, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
        if method == "PUT" and "partNumber" in query:
            self.parts[int(query["partNumber"][0])] = body
            return 200, tag, b""
        if method == "PUT":
            self.objects[key] = body
            return 200, tag, b""
        if method == "DELETE":
            self.objects.pop(key, None)
            return 204, {}, b""
        if key not in self.objects:
            return 404, {}, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>"
        content = self.objects[key]
        found = re.fullmatch(r"bytes=(\d+)-", wanted)
        if found:
            rest = content[int(found[1]) :]
            return 206, tag | {"Content-Range": f"bytes {found[1]}-{len(content) - 1}/{len(content)}"}, rest
        return 200, tag, content
