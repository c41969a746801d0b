"""One board over HTTP: JSON in and out, problem details as errors, streams.

The token goes to this board and nowhere else: a redirect is followed on the same origin alone. Certificates are
verified. Proxies are those of the environment (`https_proxy`, `no_proxy` …).
"""

import contextlib
import http.client
import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from . import __version__
from .address import checked_url, proxy
from .environment import Login
from .talk import CouldNot

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
MAX_ANSWER = 64 * 1024 * 1024
_REDIRECTS = 3
_TOKEN = re.compile(r"[\x21-\x7e]{1,500}\Z")
_PASSING = (429, 502, 503, 504)
"""Answers that say nothing about what was asked: try again later."""


class Unreachable(Exception):
    """The board did not answer, or just not now. `after`: it asked to be left alone for so many seconds."""

    def __init__(self, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


class Silent(Unreachable):
    """It was connected and did not say anything in time."""


class Refused(Exception):
    """The board said no, and why."""

    def __init__(self, status: int, text: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.problem = problem or {}


@dataclass
class Answer:
    status: int
    data: Any
    headers: http.client.HTTPMessage


class Board:
    """Keeps one connection for requests; each stream has one of its own. Not for several threads at once."""

    def __init__(self, login: Login) -> None:
        """`CouldNot` where address, token or certificates are of no use."""
        self.url = checked_url(login.url)
        if not _TOKEN.match(login.token):
            raise CouldNot("That is no API token: expected printable characters without spaces, such as bb_….")
        self._token = login.token
        parts = urlsplit(self.url)
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._prefix = parts.path
        self._context: ssl.SSLContext | None = None
        if self._tls:
            try:
                self._context = ssl.create_default_context()
                if login.ca:
                    self._context.load_verify_locations(login.ca)
            except (OSError, ssl.SSLError) as error:
                raise CouldNot(f"The certificates in {login.ca} cannot be used: {error}.") from error
        self._proxy = proxy("https" if self._tls else "http", self._host)
        self._kept: http.client.HTTPConnection | None = None

    def page(self, path: str) -> str:
        """The address of `path` for a browser."""
        return self.url + path

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
        seconds: float = ANSWER_SECONDS,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON that is answered. `path`: below the board's address, or a whole address of this board. `key`: a
        one-time key. `raw`: a body that is no JSON. `Refused`, `Unreachable`."""
        return self.answer(method, path, body, query=query, key=key, seconds=seconds, raw=raw, headers=headers).data

    def answer(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
        seconds: float = ANSWER_SECONDS,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        target = self._target(path, query)
        sent = self._headers("application/json") | dict(headers or {})
        data = raw
        if raw is not None:
            sent["Content-Type"] = "application/octet-stream"
        elif body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        if key is not None:
            sent["Idempotency-Key"] = key
        for _ in range(_REDIRECTS):
            status, fields, content = self._exchange(method, target, data, sent, seconds)
            if status not in (301, 302, 303, 307, 308):
                return self._read(status, fields, content)
            target = self._redirected(method, target, fields)
        raise Unreachable(f"{self.url} redirects in a circle.")

    @contextlib.contextmanager
    def stream(
        self,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: str = "*/*",
        seconds: float = ANSWER_SECONDS,
    ) -> Iterator["Stream"]:
        """The answer to a GET while it comes, on a connection of its own. 204 is an answer without a body; `Refused`,
        `Unreachable`. `seconds`: so long it may say nothing."""
        target = self._target(path, query)
        for _ in range(_REDIRECTS):
            connection = self._connect(seconds)
            try:
                with _errors(self.url):
                    self._send(connection, "GET", target, None, self._headers(accept) | dict(headers or {}))
                    answer = connection.getresponse()
                if answer.status in (301, 302, 303, 307, 308):
                    target = self._redirected("GET", target, answer.headers)
                    continue
                if answer.status not in (200, 204, 206):
                    with _errors(self.url):
                        content = answer.read(MAX_ANSWER)
                    self._read(answer.status, answer.headers, content)
                yield Stream(answer, connection, self.url)
                return
            finally:
                connection.close()
        raise Unreachable(f"{self.url} redirects in a circle.")

    def hide_token(self, line: str) -> str:
        """A line that somebody else will read."""
        return line.replace(self._token, "***") if self._token in line else line

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- Inside ---

    def _headers(self, accept: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._token}",
            "Accept": accept,
            "User-Agent": f"buildboard-client/{__version__}",
        }

    def _target(self, path: str, query: Mapping[str, Any] | None) -> str:
        path = self._own(path) if "://" in path else self._prefix + path
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return f"{path}?{urlencode(given)}" if given else path

    def _own(self, address: str) -> str:
        """The path and query of a whole address. `CouldNot` where it is another host's: that gets no token."""
        parts = urlsplit(address)
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            port = 0
        if (parts.scheme == "https", parts.hostname, port) != (self._tls, self._host, self._port):
            raise CouldNot(
                f"{self.url} points to {parts.scheme}://{parts.netloc[:200]}, where the token is not sent. "
                "If the board has moved, log in with its new address: buildboard login"
            )
        path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._") or "/"
        return f"{path}?{parts.query}" if parts.query else path

    def _redirected(self, method: str, target: str, headers: http.client.HTTPMessage) -> str:
        place = self._own(urljoin(self.url + "/", urljoin(target, headers.get("Location", ""))))
        if method not in ("GET", "HEAD"):
            raise CouldNot(f"{self.url} redirects {method} to {place}: log in with the address that it redirects to.")
        return place

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        """Not connected yet, but that its limit for connecting is short."""
        host, port = (self._proxy.host, self._proxy.port) if self._proxy else (self._host, self._port)
        connection: http.client.HTTPConnection
        if self._tls:
            connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=self._context)
            if self._proxy:
                connection.set_tunnel(self._host, self._port, headers=self._proxy.headers)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
        with _errors(self.url):
            connection.connect()
            connection.sock.settimeout(seconds)
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _send(self, connection: Any, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        fields = dict(headers)
        if self._proxy and not self._tls:  # it is asked for a whole address, and no tunnel
            target = f"http://{urlsplit(self.url).netloc}{target}"
            fields |= self._proxy.headers
        connection.request(method, target, body, fields)

    def _exchange(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """On the kept connection. That may have been closed meanwhile: then once more, on a new one."""
        if self._kept is not None:
            with contextlib.suppress(Unreachable):
                return self._once(self._kept, method, target, body, headers, seconds)
        self._kept = self._connect(seconds)
        return self._once(self._kept, method, target, body, headers, seconds)

    def _once(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        try:
            with _errors(self.url):
                connection.sock.settimeout(seconds)
                self._send(connection, method, target, body, headers)
                answer = connection.getresponse()
                content = answer.read(MAX_ANSWER)
        except BaseException:
            self.close()
            raise
        if answer.will_close:
            self.close()
        return answer.status, answer.headers, content

    def _read(self, status: int, headers: http.client.HTTPMessage, content: bytes) -> Answer:
        kind = headers.get_content_type()
        data: Any = None
        if kind in ("application/json", "application/problem+json"):
            try:
                data = json.loads(content)
            except ValueError as error:
                raise Unreachable(f"{self.url} answered with half an answer.") from error
        if 200 <= status < 300:
            if data is None and content:
                raise CouldNot(f"What answers at {self.url} is no Buildboard: it sends {kind}.")
            return Answer(status, data, headers)
        problem = data if isinstance(data, dict) else {}
        phrase = http.client.responses.get(status, "")
        detail = str(problem.get("detail", "")) or f"{self.url} answered {status} {phrase}".rstrip() + "."
        if status in _PASSING:
            after = headers.get("Retry-After", "")
            raise Unreachable(detail, float(after) if after.isascii() and after.isdigit() else None)
        if not problem and status in (404, 405):
            detail = f"What answers at {self.url} is no Buildboard: its {status} is another."
        raise Refused(status, detail, problem)


class Stream:
    """The body of an answer while it comes."""

    def __init__(self, answer: http.client.HTTPResponse, connection: http.client.HTTPConnection, url: str) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._answer = answer
        self._connection = connection
        self._url = url

    def limit(self, seconds: float) -> None:
        """From now on so long it may say nothing."""
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)

    def read(self, most: int = 65536) -> bytes:
        """What has come, at least a byte; empty at the end. `Unreachable` where it was cut short."""
        with _errors(self._url):
            return self._answer.read1(most)


@contextlib.contextmanager
def _errors(url: str) -> Iterator[None]:
    """What sockets raise, as what it means."""
    try:
        yield
    except TimeoutError as error:
        raise Silent(f"{url} does not answer in time.") from error
    except ssl.SSLCertVerificationError as error:
        raise CouldNot(
            f"The certificate of {url} cannot be verified: {error.verify_message}. "
            "A board with a certificate of its own: --ca FILE names the one to trust."
        ) from error
    except ssl.SSLError as error:
        raise Unreachable(f"{url} does not speak TLS as it should: {error.reason or error}.") from error
    except socket.gaierror as error:
        raise Unreachable(f"{url}: there is no such host ({error.strerror}).") from error
    except ConnectionRefusedError as error:
        raise Unreachable(f"{url}: nothing listens there (connection refused).") from error
    except http.client.RemoteDisconnected as error:
        raise Unreachable(f"{url} hung up without an answer.") from error
    except http.client.IncompleteRead as error:
        raise Unreachable(f"{url} hung up in the middle of its answer.") from error
    except (http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"What answers at {url} does not speak HTTP as it should: {error!r}.") from error
    except OSError as error:
        raise Unreachable(f"{url} cannot be reached: {error.strerror or error}.") from error
