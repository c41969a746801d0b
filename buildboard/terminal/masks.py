"""The secrets of one build, and what becomes of its output: masked as bytes, and once more as lines. Pure.

Bytes first: a secret is gone before a terminal cuts it, or writes over a part of it. Then the lines as a terminal shows
them: colours in its middle, or a cursor that moved, may have put one together. Steps add secrets of their own by the
command `::add-mask::VALUE`, on a line of its own.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence

from .forms import LEAST
from .mask import MASK, Masker, Patterns
from .style import STYLING, plain

MAX_ADDED = 100
"""Secrets that the steps of one build may add …"""
MAX_ADDED_BYTES = 8 * 1024
"""… each up to this length."""

_COMMANDS = ("::add-mask::", "##[add-mask]")
_SIGN = b"add-mask"
_COMMAND = re.compile(rb"(?:\x1b\[[0-9;:]*m)*(?:::add-mask::|##\[add-mask\])([^\n]*)")
_SHORT = 64
"""Bytes of an open line that may still become a command."""
_LONGEST = 3 * MAX_ADDED_BYTES + _SHORT
"""So much of a command is looked at: a byte may be written in three."""
_CUT_SIGN = "more characters were cut]"
_CUT = re.compile(r"… \[[\d,]+ more characters were cut\]\Z")
_ESCAPED = re.compile(r"%(?:0A|0D|25)")
_ESCAPES = {"%0A": "\n", "%0D": "\r", "%25": "%"}


class Masks:
    """What all steps of a build have in common."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self.patterns = Patterns(secrets)
        self._added = 0

    def add(self, secret: str) -> None:
        """From now on it is in no output. One without a line of `LEAST` bytes is not looked for."""
        self.patterns.add(secret)

    def told(self, value: str) -> str:
        """A step says that `value` is a secret. Empty: it is from now on; else why it is not."""
        if self._added >= MAX_ADDED:
            return f"not masked: a build may add {MAX_ADDED} secrets"
        if len(value.encode()) > MAX_ADDED_BYTES:
            return f"not masked: longer than {MAX_ADDED_BYTES:,} bytes"
        if not self.patterns.add(value):
            return f"not masked: no line of it has {LEAST} bytes"
        self._added += 1
        return ""

    def text(self, text: str) -> str:
        """`text` without the secrets in it; colours and links stay."""
        if not self.patterns:
            return text
        text = _without(text, self.patterns.find(text.encode(errors="replace")))
        return self._styled(text) if "\x1b" in text else text

    def _styled(self, text: str) -> str:
        """Secrets with colours in their middle."""
        shown = plain(text)
        runs = _characters(shown, self.patterns.find(shown.encode(errors="replace")))
        if not runs:
            return text
        begins = {first for first, _ in runs}
        gone = {at for first, last in runs for at in range(first, last)}
        parts: list[str] = []
        at = 0  # in what is shown
        for piece in _pieces(text):
            if piece.startswith("\x1b"):
                parts.append(piece)
                continue
            for character in piece:
                parts.append((MASK if at in begins else "") if at in gone else character)
                at += 1
        return "".join(parts)

    def open_line(self, text: str) -> str:
        """A line that is not ended yet, without its end where that may be the beginning of a secret."""
        if not self.patterns:
            return text
        told = _shortened(text, self.patterns.beginning(plain(text).encode(errors="replace")))
        return told if plain(told) else ""

    def cut_line(self, text: str) -> str:
        """A line that may have been cut, without the beginning of a secret before the cut."""
        found = _CUT.search(text)
        if not found or not self.patterns:
            return text
        kept = text[: found.start()]
        size = self.patterns.beginning(plain(kept).encode(errors="replace"))
        return f"{_shortened(kept, size)}{MASK}{found[0]}" if size else text


class Masked:
    """The output of one step. Feed it bytes, give the rest to a terminal, and its lines to `lines` and `open_line`."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._masker = Masker(masks.patterns)
        self._commands = _Commands()
        self._answers: deque[str] = deque()
        """To commands whose lines have not come back from the terminal yet."""

    def feed(self, data: bytes) -> bytes:
        told = []
        for piece, value in self._commands.split(data):
            told.append(self._masker.feed(piece))
            if value is not None:
                self._answers.append(self._masks.told(value))
        return b"".join(told)

    def close(self) -> bytes:
        """No more comes, or a new line begins: the rest of it."""
        value = self._commands.close()
        if value is not None:
            self._answers.append(self._masks.told(value))
        return self._masker.close()

    def lines(self, lines: list[str]) -> list[str]:
        """Whole lines, in order."""
        if not self._commands.seen and (not self._masks.patterns or self._are_clean("\n".join(lines))):
            return lines
        return [self._command(line) or self._masks.cut_line(self._masks.text(line)) for line in lines]

    def open_line(self, text: str) -> str:
        """The line that is not ended yet, as it may be shown."""
        if self._commands.seen and plain(text).startswith(_COMMANDS):
            return _COMMANDS[0] + MASK
        return self._masks.open_line(self._masks.text(text))

    def _are_clean(self, text: str) -> bool:
        """Most of the time nothing is in so many lines, which is known sooner of all of them."""
        find = self._masks.patterns.find
        return not (
            _CUT_SIGN in text
            or find(text.encode(errors="replace"))
            or ("\x1b" in text and find(plain(text).encode(errors="replace")))
        )

    def _command(self, line: str) -> str:
        """What is shown of a line that is a command; empty: it is none."""
        if _SIGN.decode() not in line or not plain(line).startswith(_COMMANDS):
            return ""
        answer = self._answers.popleft() if self._answers else ""
        return _COMMANDS[0] + MASK + (f" ({answer})" if answer else "")


class _Commands:
    """Finds `::add-mask::` in bytes as they come, however they are cut: of the lines it may be unreadable."""

    def __init__(self) -> None:
        self.seen = False
        """There has been something like one."""
        self._line: bytes | None = b""
        """The line that is not ended, if it may be one."""

    def split(self, data: bytes) -> Iterator[tuple[bytes, str | None]]:
        """All of `data` in pieces, and what is a secret from the end of each on, if something is."""
        whole = data if self._line is None else self._line + data
        if _SIGN not in whole:
            last = data.rfind(b"\n")
            if last >= 0 or self._line is not None:
                line = data[last + 1 :] if last >= 0 else whole
                self._line = line if len(line) <= _SHORT else None
            yield data, None
            return
        self.seen = True
        first = at = 0
        while (end := data.find(b"\n", at)) >= 0:
            value = self._value(data[at:end])
            at = end + 1
            self._line = b""
            if value is not None:
                yield data[first:at], value
                first = at
        if self._line is not None:
            line = self._line + data[at:]
            self._line = line[:_LONGEST] if len(line) <= _SHORT or _COMMAND.match(line) else None
        yield data[first:], None

    def close(self) -> str | None:
        """The line ends: what it says is a secret."""
        value = self._value(b"") if self._line else None
        self._line = b""
        return value

    def _value(self, rest: bytes) -> str | None:
        """Of the command that ends with `rest`; None: the line is none."""
        found = None if self._line is None else _COMMAND.match(self._line + rest)
        if found is None:
            return None
        value = found[1].decode("utf-8", "replace").rstrip("\r")
        return _ESCAPED.sub(lambda escape: _ESCAPES[escape[0]], value)


def _characters(text: str, runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches of bytes as stretches of characters."""
    if text.isascii():
        return list(runs)
    data = text.encode(errors="replace")
    found = []
    at = character = 0
    for first, last in runs:
        begin = character + len(data[at:first].decode(errors="ignore"))
        character = begin + len(data[first:last].decode(errors="ignore"))
        found.append((begin, character))
        at = last
    return found


def _without(text: str, runs: Sequence[tuple[int, int]]) -> str:
    parts: list[str] = []
    at = 0
    for first, last in _characters(text, runs) if runs else ():
        parts += [text[at:first], MASK]
        at = last
    return "".join([*parts, text[at:]]) if parts else text


def _pieces(text: str) -> Iterator[str]:
    """Its colours and links, and the texts between them."""
    at = 0
    for found in STYLING.finditer(text):
        yield text[at : found.start()]
        yield found[0]
        at = found.end()
    yield text[at:]


def _shortened(text: str, size: int) -> str:
    """Without its last so many bytes; colours and links stay."""
    if not size:
        return text
    shown = plain(text)
    left = len(shown.encode(errors="replace")[:-size].decode(errors="ignore"))
    parts = []
    for piece in _pieces(text):
        if not piece.startswith("\x1b"):
            piece = piece[:left]
            left -= len(piece)
        parts.append(piece)
    return "".join(parts)
