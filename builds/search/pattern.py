"""A query → what finds it in text of many lines. Pure.

RE2 runs in time linear in the text, whatever the expression: no query can hang its reader, as one of Python's `re` can.
What it needs for that is bounded, too: the size of an expression once its repeats are written out, and the memory that
it may take. While it scans it lets other threads run.
"""

import re
import time
from collections.abc import Iterator
from typing import NamedTuple

import re2

from buildboard.terminal.style import plain_lines

MAX_QUERY = 500
"""Characters."""
MAX_SPANS = 100
"""Of one line; the others are not told."""
MEMORY = 8 * 1024 * 1024
"""Bytes that RE2 may take for one expression."""
MAX_PROGRAM = 10_000
"""Instructions of an expression. With so many the worst text that there is costs about 20 ms a KiB."""
PROGRAM_MEMORY = 256 * 1024
"""Bytes in which so many have room. Tried first: with `MEMORY` a hopeless one holds all threads for 100 ms."""
LINE_SECONDS = 0.1
"""No further spans are looked for in a line that has taken so long: only a query that is meant to be slow does."""


class BadQuery(ValueError):
    """A sentence: what is wrong with the query, where, and what was expected."""


class Hit(NamedTuple):
    at: int
    """Which line of the text it is, from 0."""
    spans: list[tuple[int, int]]
    """Start and end of each match, in UTF-16 code units of `line`, as JavaScript counts."""
    line: str
    """Without colours and links."""


class Pattern:
    def __init__(self, regexp: "re2._Regexp") -> None:
        self._regexp = regexp

    def find(self, text: str) -> Iterator[Hit]:
        """The lines of `text` (joined by line feeds, colours and links not yet set aside) that have a match, in order.

        A match is never empty and never longer than its line.
        """
        data = _encode(text)
        at = before = index = 0
        found: list[tuple[int, int]] = []
        begin = stop = 0
        until = 0.0
        while at <= len(data) and (match := self._regexp.search(data, at)) is not None:
            start, end = match.span()
            if start == end:
                at = _next_character(data, end)
                continue
            if found and start < stop:
                found.append((start, end))
            else:
                if found:
                    yield _hit(data, index, begin, stop, found)
                found, until = [(start, end)], time.monotonic() + LINE_SECONDS
                begin, stop = _around(data, start, end)
                index, before = index + data.count(b"\n", before, begin), begin
            full = len(found) >= MAX_SPANS or time.monotonic() > until
            at = stop + 1 if full else end
        if found:
            yield _hit(data, index, begin, stop, found)

    def count(self, text: str) -> int:
        """How many lines `find` would find."""
        data = _encode(text)
        at = found = 0
        while at <= len(data) and (match := self._regexp.search(data, at)) is not None:
            start, end = match.span()
            if start == end:
                at = _next_character(data, end)
                continue
            found += 1
            at = _around(data, start, end)[1] + 1
        return found


def compile(query: str, regex: bool, case: bool) -> Pattern:
    """`BadQuery`. `regex`: it is an expression of RE2, else text as it stands. `case`: capitals differ from others."""
    if not query:
        raise BadQuery(f"q: expected 1 to {MAX_QUERY} characters to search for.")
    if len(query) > MAX_QUERY:
        raise BadQuery(f"q: expected at most {MAX_QUERY} characters, not {len(query):,}.")
    if "\n" in query:
        raise BadQuery("q: expected text without a line feed, since each line is searched by itself.")
    options = re2.Options()
    options.case_sensitive = case
    options.literal = not regex
    options.max_mem = PROGRAM_MEMORY
    options.never_capture = True  # where a group matched is not asked, and not asking is faster
    options.never_nl = True
    options.log_errors = False
    if _made(query, options).programsize > MAX_PROGRAM:
        raise BadQuery(TOO_LARGE)
    if regex:
        _refuse(query)
    options.max_mem = MEMORY
    regexp = _made(f"(?m){query}" if regex else query, options)
    if regexp.search(b"") is not None:
        raise BadQuery(
            "q: this expression matches an empty text, too, and so every line; expected one that needs a character "
            "(+ in place of *, for example)."
        )
    return Pattern(regexp)


def _made(query: str, options: re2.Options) -> "re2._Regexp":
    try:
        return re2.compile(query.encode("utf-8", "replace"), options)
    except re2.error as error:
        said = error.args[0] if error.args else b""
        raise BadQuery(_sentence(query, said.decode("utf-8", "replace") if isinstance(said, bytes) else said)) from None
    finally:
        re2.purge()  # it would keep the last 128 of them, each with its memory


def _encode(text: str) -> bytes:
    return plain_lines(text.encode("utf-8", "replace"))


def _around(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the line of the match begins and ends."""
    stop = data.find(b"\n", end)
    return data.rfind(b"\n", 0, start) + 1, len(data) if stop < 0 else stop


def _next_character(data: bytes, at: int) -> int:
    at += 1
    while at < len(data) and data[at] & 0xC0 == 0x80:
        at += 1
    return at


def _hit(data: bytes, index: int, begin: int, stop: int, found: list[tuple[int, int]]) -> Hit:
    line = data[begin:stop]
    if line.isascii():
        return Hit(index, [(start - begin, end - begin) for start, end in found], line.decode())
    spans = []
    at, units = begin, 0
    for start, end in found:
        first = units + _units(data[at:start])
        at, units = end, first + _units(data[start:end])
        spans.append((first, units))
    return Hit(index, spans, line.decode("utf-8", "replace"))


def _units(part: bytes) -> int:
    return len(part.decode("utf-8", "replace").encode("utf-16-le")) // 2


# --- What is wrong with an expression ---

TOO_LARGE = "q: this expression is too large; expected fewer, or smaller, repeats ({n,m}) and classes (\\pL)."
_NO_BACKREFERENCE = "backreferences are not supported"
_NO_LOOKAROUND = "lookaround is not supported"
_WORDS = {
    "missing ]": "a class is not closed; expected ]",
    "bad repetition operator": "repeats cannot follow each other",
    "no argument for repetition operator": "there is nothing to repeat",
    "invalid repetition size": "a repeat is at most 1000 times, the smaller number first",
    "invalid character class range": "there is no such class, or its ends are the wrong way round",
    "invalid character class": "there is no such class",
    "invalid escape sequence": "there is no such escape",
    "invalid perl operator": "there is no such group; expected (…), (?:…), (?P<name>…) or flags as in (?i)",
    "invalid named capture group": "a group's name is letters, digits and _, and is used once",
    "invalid UTF-8": "this is not text",
}
_TOKEN = re.compile(
    r"\\Q.*?(?:\\E|\Z)|\\(?P<escape>.)|\(\?(?P<flags>[a-zA-Z]*(?:-[a-zA-Z]*)?)[:)]"
    r"|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|(?P<round>[()])",
    re.DOTALL,
)


def _sentence(query: str, said: str) -> str:
    """Of what RE2 says: `kind: fragment`."""
    kind, _, part = said.partition(": ")
    if kind.startswith("pattern too large"):
        return TOO_LARGE
    if kind in ("missing )", "unexpected )"):
        place = _unpaired(query)
        what = "this parenthesis is not closed" if kind == "missing )" else "this parenthesis closes none"
        return f"q: {what}{_at(query, place, 1)}."
    if kind.startswith("trailing \\"):
        return f"q: a backslash cannot be the last character{_at(query, len(query) - 1, 1)}."
    place = query.find(part) if part else -1
    what = _WORDS.get(kind, kind)
    if kind == "invalid escape sequence" and part[1:2] in tuple("123456789kg"):
        what = _NO_BACKREFERENCE
    elif kind == "invalid perl operator" and query[place:].startswith(("(?=", "(?!", "(?<=", "(?<!")):
        what = _NO_LOOKAROUND
    elif kind == "invalid perl operator" and "(?P=" in query:
        what, place, part = _NO_BACKREFERENCE, query.find("(?P="), "(?P="
    elif kind == "invalid escape sequence" and part in ("\\Z", "\\G"):
        what = "expected $ for the end of a line, ^ for its beginning"
    return f"q: {what}{_at(query, place, len(part))}."


def _at(query: str, place: int, length: int) -> str:
    """`, at character 3: “(?=”`."""
    return "" if place < 0 else f", at character {place + 1}: “{query[place : place + length][:40]}”"


def _unpaired(query: str) -> int:
    """The place of a parenthesis that is not closed, or closes none; -1 where it is not known."""
    opened = []
    for token in _TOKEN.finditer(query):
        text = token[0]
        if token["flags"] is not None and text.endswith(":") or token["round"] == "(":
            opened.append(token.start())
        elif token["round"] == ")":
            if not opened:
                return token.start()
            opened.pop()
    return opened[-1] if opened else -1


def _refuse(query: str) -> None:
    """What RE2 knows, and would see the ends of a piece of the log with, in place of those of a line."""
    for token in _TOKEN.finditer(query):
        if token["escape"] in ("A", "z"):
            raise BadQuery(f"q: expected ^ or $: each line is searched by itself{_at(query, token.start(), 2)}.")
        if token["escape"] == "C":
            raise BadQuery(f"q: single bytes cannot be searched for{_at(query, token.start(), 2)}.")
        if "m" in (token["flags"] or ""):
            length = len(token[0])
            raise BadQuery(f"q: the flag m is always set, and cannot be changed{_at(query, token.start(), length)}.")
