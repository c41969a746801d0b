"""Addresses of boards and of proxies: what is one, and what it says."""

import base64
import urllib.request
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from .talk import CouldNot


class Proxy(NamedTuple):
    host: str
    port: int
    headers: dict[str, str]


def proxy(scheme: str, host: str) -> Proxy | None:
    """As the environment names it. `CouldNot` where it names it badly."""
    named = urllib.request.getproxies().get(scheme)
    if not named or urllib.request.proxy_bypass(host):
        return None
    try:
        parts = urlsplit(named if "://" in named else f"http://{named}")
        found = Proxy(parts.hostname or "", parts.port or 80, {})
    except ValueError:
        found = Proxy("", 0, {})
    if not found.host:
        raise CouldNot(f"{scheme}_proxy: expected the address of a proxy, such as http://proxy.example:3128.")
    if parts.username is not None:
        who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        found.headers["Proxy-Authorization"] = f"Basic {base64.b64encode(who.encode()).decode()}"
    return found


def checked_url(text: str) -> str:
    """The address of a board without a slash at its end. `CouldNot`."""
    expected = "expected the address of a board, such as https://board.example"
    text = text.strip()
    if "://" not in text:
        raise CouldNot(f"{text[:200]!r}: {expected} (with http:// or https://).")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise CouldNot(f"{text[:200]!r}: {expected}.") from None
    if parts.username is not None or parts.password is not None:
        raise CouldNot(f"The address of a board has no user and no password in it; {expected}.")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or port == 0:
        raise CouldNot(f"{text[:200]!r}: {expected}.")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise CouldNot(f"{text[:200]!r}: {expected} (in ASCII).")
    return text.rstrip("/")


def is_open_to_others(url: str) -> bool:
    """Whether a token sent to `url` could be read on the way."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1")
