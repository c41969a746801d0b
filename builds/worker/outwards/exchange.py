"""One HTTP request and its answer, within bounds of time and size, to nobody that it must not reach.

An address comes from people, and a name may lead anywhere, also to another place than a moment ago. So the address that
is connected to is looked at, and no other is used: what is not on the open internet (this machine, its network, the
metadata service of a cloud) is refused, unless the board's settings allow it. No redirect is followed: it would take
the token along. Proxies of the environment are not used.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MOST_BYTES = 64 * 1024
"""So much of an answer is read."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GIVEN_OUT = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("2000::/3"))
"""Of IPv6 only this stretch is the open internet's: the rest is of this machine or network, or not given to anybody."""
_NOBODYS = ipaddress.ip_network("192.0.0.0/24")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Unreachable(Exception):
    """There is no answer; a sentence that says why, without the path of the address."""


class Refused(Exception):
    """It is not sent at all: the address is none that may be reached, or none at all."""


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    code: int
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """With names in lower case."""
    body: bytes = b""


def exchange(request: Request, *, seconds: float, allowed: Collection[Network] = ()) -> Answer:
    """`seconds`: until the answer is there; what is missing of its body by then is left out. `allowed`: networks that
    may be reached besides the open internet.

    `Unreachable`, `Refused`.
    """
    until = time.monotonic() + seconds
    try:
        parts = urlsplit(request.url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError as error:
        raise Refused("The address is not one that can be reached.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise Refused("The address is not one that can be reached.")
    found = _resolve(host, port or (443 if parts.scheme == "https" else 80))
    good = [one for one in found if may_reach(one[0], allowed)]
    if not good:
        raise Refused(
            f"{host} leads to {found[0][0]}, which is not on the open internet. BUILDBOARD_OUTBOX_ALLOW_PRIVATE may "
            "allow it."
        )
    context = ssl.create_default_context() if parts.scheme == "https" else None
    call = _Call(host, parts.netloc.rpartition("@")[2], good, context, until)
    return call.answer(request, parts.path + (f"?{parts.query}" if parts.query else ""), seconds)


def may_reach(address: str, allowed: Collection[Network] = ()) -> bool:
    """Whether it is on the open internet, or in one of these networks."""
    found = _plain(ipaddress.ip_address(address.partition("%")[0]))
    if any(found in network for network in allowed):
        return True
    is_given_out = any(found in network for network in _GIVEN_OUT) and found not in _NOBODYS
    return is_given_out and found.is_global and not found.is_multicast


# --- Inside ---


def _plain(address: Address) -> Address:
    """IPv4 behind a form of IPv6 is what it is."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _resolve(host: str, port: int) -> list[tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{host} is not known: {_why(error)}.") from error
    return list(dict.fromkeys((str(entry[4][0]), port) for entry in found))


class _Call(http.client.HTTPConnection):
    """To an address that was looked at, under the name that was asked for, until a point in time."""

    def __init__(
        self, host: str, named: str, places: list[tuple[str, int]], context: ssl.SSLContext | None, until: float
    ) -> None:
        super().__init__(host)
        self._named, self._places, self._context, self._until = named, places, context, until
        self._socket: socket.socket | None = None  # `sock` is forgotten when the answer's head is there

    def connect(self) -> None:
        error: OSError = TimeoutError("timed out")
        for place in self._places:
            try:
                self.sock = self._socket = socket.create_connection(place, self._left())
                break
            except OSError as failed:
                error = failed
        else:
            raise error
        if self._context is not None:
            self.sock = self._socket = self._context.wrap_socket(self.sock, server_hostname=self.host)

    def answer(self, request: Request, path: str, seconds: float) -> Answer:
        ended = threading.Event()
        end = threading.Timer(max(self._left(), 0), self._end, [ended])  # also of one that sends a byte now and then
        end.daemon = True
        end.start()
        headers = {**request.headers, "Host": self._named, "Connection": "close", "Accept-Encoding": "identity"}
        try:
            self.request(request.method, path or "/", body=request.body or None, headers=headers)
            response = self.getresponse()
            body = response.read(MOST_BYTES)
            given = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, response.reason or "", given, body)
        except (OSError, http.client.HTTPException) as error:
            if ended.is_set() or isinstance(error, TimeoutError):
                raise Unreachable(f"{self.host} did not answer within {seconds:g} s.") from error
            raise Unreachable(f"{self.host} did not answer: {_why(error)}.") from error
        except ValueError as error:  # a header that cannot be one
            raise Refused(f"The request cannot be made: {_why(error)}.") from error
        finally:
            end.cancel()
            self.close()

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def _end(self, ended: threading.Event) -> None:
        ended.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        return "what it says is not HTTP"  # and may be what it was told
    return str(error)[:200] or type(error).__name__
