"""What is known of the outside: the board's own address there, a mail server, and networks that it may reach."""

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from .environment import refused

_MAIL = {"smtp": 25, "submission": 587, "smtps": 465}
_MAIL_EXPECTED = (
    "smtp://host:port (nothing encrypted), submission://user:password@host:port (STARTTLS) or "
    "smtps://user:password@host:port (TLS)"
)


class Mail(NamedTuple):
    """As Django's settings have it. Without a host there is no mail."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    starttls: bool = False
    tls: bool = False


def board_url(text: str, origins: Sequence[str]) -> str:
    """Without a slash at its end; empty where neither it nor an origin of the board without a `*` is given."""
    found = text.rstrip("/") or next((origin for origin in origins if "*" not in origin), "").rstrip("/")
    parts = _split(found)
    if found and (parts is None or parts.scheme not in ("http", "https") or parts.query or parts.fragment):
        raise refused("BUILDBOARD_URL", text, "the board's address as people open it, such as https://board.example")
    return found


def networks(items: Sequence[str]) -> list[str]:
    """`1`: all of them."""
    if list(items) == ["1"]:
        return ["0.0.0.0/0", "::/0"]
    for item in items:
        try:
            ipaddress.ip_network(item)
        except ValueError as error:
            expected = "networks separated by commas, such as 10.0.0.0/8, or 1 for all"
            raise refused("BUILDBOARD_OUTBOX_ALLOW_PRIVATE", item, expected) from error
    return list(items)


def mail(url: str) -> Mail:
    if not url:
        return Mail()
    parts = _split(url)
    if parts is None or parts.scheme not in _MAIL or parts.path.strip("/") or parts.query or parts.fragment:
        raise refused("EMAIL_URL", "", _MAIL_EXPECTED)  # not shown: it may hold a password
    return Mail(
        parts.hostname or "",
        parts.port or _MAIL[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        parts.scheme == "submission",
        parts.scheme == "smtps",
    )


def sender(text: str, board: str) -> str:
    """Whom letters are from."""
    if text and ("@" not in text or not text.isprintable()):
        raise refused("EMAIL_FROM", text, "an address, such as Buildboard <builds@example.org>")
    return text or f"Buildboard <buildboard@{urlsplit(board).hostname or 'localhost'}>"


def _split(url: str) -> SplitResult | None:
    """None: it is no address of a host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return parts if parts.hostname and port != 0 and url.isprintable() and " " not in url else None
