"""The ways in which a secret is written: as it is, and as programs quote and encode it. Pure.

What is looked for in output are patterns: these forms, each of one line, none shorter than `LEAST`, and a form longer
than `PIECE` in pieces of about half that and more. So a part of a long secret is found, too, and whoever looks for
patterns never has to wait for more than `PIECE` bytes.
"""

import html
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

LEAST = 4
"""Bytes of a pattern: what is shorter is in every other line of a log."""
PIECE = 64

_LINES = re.compile(r"[\r\n]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HEX = re.compile(r"%[0-9A-F]{2}")
_WRAPPED = (64, 76)
"""Where `openssl base64` and `base64` begin a new line."""


def patterns(secret: str) -> set[bytes]:
    """What to look for; empty: no line of it is long enough."""
    core = secret.strip("\r\n")
    lines = [line.strip() for line in _LINES.split(core)]
    texts = {core, core.replace("\r\n", "\n"), core.replace("\r\n", "\n").replace("\n", "\r\n"), core.strip()}
    texts |= {line for line in lines if len(line.encode(errors="replace")) >= LEAST}
    found: set[bytes] = set()
    for text in texts:
        if any(len(line.encode(errors="replace")) >= LEAST for line in lines):
            for form in _forms(text):
                for part in _LINES.split(form):
                    found.update(_pieces(part.strip().encode(errors="replace")))
    return found


def _pieces(form: bytes) -> Iterator[bytes]:
    size = len(form)
    count = 1 if size <= PIECE else -(-size // (PIECE - 3))  # an end may move by three bytes
    first = 0
    for number in range(1, count + 1):
        last = size * number // count
        while last < size and form[last] & 0xC0 == 0x80:  # never within a character
            last -= 1
        if last - first >= LEAST:
            yield form[first:last]
        first = last


def _forms(text: str) -> Iterator[str]:
    yield text
    yield _CONTROL.sub("", text)  # as a terminal shows it
    yield from _base64(text.encode(errors="replace"))
    yield from _quoted(text)
    for form in _percent(text):
        yield form
        yield _HEX.sub(lambda found: found[0].lower(), form)


def _base64(raw: bytes) -> Iterator[str]:
    """At each of its three places within what is encoded, without the characters that its neighbours have a part in;
    and at its end, with and without a line feed."""
    for before, mixed in ((0, 0), (1, 2), (2, 3)):
        size = before + len(raw)
        whole = b64encode(bytes(before) + raw).decode().rstrip("=")
        form = whole[mixed : len(whole) - (1 if size % 3 else 0)]
        ends = {form, whole[mixed:], b64encode(bytes(before) + raw + b"\n").decode().rstrip("=")[mixed:]}
        for one in ends if size % 3 else {form}:
            yield one
            yield one.translate({ord("+"): "-", ord("/"): "_"})
        if before == 0:
            for width in _WRAPPED:
                if len(form) > width:
                    yield "\n".join(form[at : at + width] for at in range(0, len(form), width))


def _percent(text: str) -> Iterator[str]:
    """As in addresses and forms: each character that has to be, or that some programs think has to be."""
    given = text.encode(errors="replace")
    yield quote(given, safe="")
    yield quote(given)
    yield quote_plus(given)
    yield quote(given, safe="!*'()")
    yield quote(given, safe="!*'();/?:@&=+$,#")
    told = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")  # the data of a workflow command
    yield told
    yield told.replace(":", "%3A").replace(",", "%2C")


def _quoted(text: str) -> Iterator[str]:
    for plain in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield plain
        yield plain.replace("/", "\\/")
        yield plain.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    yield repr(text)[1:-1]
    escaped = html.escape(text)
    yield escaped
    yield escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    # As shells quote: '…' in two ways, "…", printf %q, and $'…'.
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")
    yield re.sub(r'([\\"$`])', r"\\\1", text)
    yield re.sub(r"([\s'\"\\|&;()<>!{}*\[\]?^$`,])", r"\\\1", text)
    yield text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
