"""What an answer comes to: the message is sent, it is tried again, or it is given up. Pure."""

import json
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple

from .exchange import Answer

_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOST_SAID = 200


class Outcome(NamedTuple):
    verdict: str
    """`sent`, `again` or `never`."""
    said: str
    """In a sentence, as the page shows it."""
    code: int | None = None
    """The HTTP status of the answer, if there was one."""
    wait: float | None = None
    """Seconds that the receiver asks for before the next attempt."""


def judge(answer: Answer, *, patient: bool = False, now: float | None = None) -> Outcome:
    """`patient`: what the receiver calls a mistake is tried again, too: it may be one of its own. `now`: seconds since
    1970."""
    said = said_by(answer)
    wait = _wait(answer, time.time() if now is None else now)
    if 200 <= answer.code < 300:
        return Outcome("sent", said, answer.code)
    if 300 <= answer.code < 400:
        where = "It answered with a redirect, which is not followed: give the address that it leads to."
        return Outcome("never", where, answer.code)
    limited = answer.code == 403 and (wait is not None or "rate limit" in said.lower())  # GitHub's way to say 429
    if answer.code in _LATER or answer.code >= 500 or limited or (patient and answer.code != 410):
        return Outcome("again", said, answer.code, wait)
    return Outcome("never", said, answer.code)


def said_by(answer: Answer) -> str:
    """The status, and what the receiver said to it, if it was a mistake."""
    name = f"HTTP {answer.code} {answer.reason or _name(answer.code)}".strip()
    if answer.code < 400:
        return f"{name}."
    return f"{name}: {text}" if (text := _text(answer.body)) else f"{name}."


def _name(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""


def _text(body: bytes) -> str:
    """What APIs say in an object of JSON, else the text itself."""
    text = body[:4_096].decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        for key in ("message", "error_description", "error", "detail"):
            if found.get(key):
                text = found[key] if isinstance(found[key], str) else json.dumps(found[key], ensure_ascii=False)
                break
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]}…"


def _wait(answer: Answer, now: float) -> float | None:
    """Seconds, by Retry-After, or by what GitHub says of a limit that is used up."""
    after = answer.headers.get("retry-after", "").strip()
    if after.isascii() and after.isdigit():
        return float(after[:9])
    if after:
        try:
            return max(parsedate_to_datetime(after).timestamp() - now, 0.0)
        except (ValueError, OverflowError):
            return None
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.headers.get("x-ratelimit-remaining") == "0" and reset.isascii() and reset.isdigit():
        return max(float(reset[:12]) - now, 0.0)
    return None
