"""Colours and links of a stored line → runs of text with classes. Pure.

Stored lines keep only colours (SGR) and links (OSC 8), so this is small enough to own: the same code runs here and in
`static/builds/ansi.js`, and a test feeds both the same bytes. (The parser library that was tried knows no OSC 8 and
has no twin in Python.) Whatever else looks like a control is dropped or shown as a picture of itself: what a program
prints never becomes markup, an attribute other than a class, or a link to anything but http and https.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from . import palette

_TOKEN = re.compile(
    r"\x1b\[([0-9;:]*)m"
    r"|\x1b\]8;[^;\x07\x1b]*;([^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b[()][0-9A-B]"
)
_LINK = re.compile(r"https?://[!-~]{1,2000}\Z", re.IGNORECASE)
_CONTROLS = {**{code: 0x2400 + code for code in range(32) if code != 9}, 127: 0x2421}
_STYLES = {1: "bo", 2: "di", 3: "it", 4: "un", 7: "iv", 9: "st"}
_ENDS = {21: ("bo",), 22: ("bo", "di"), 23: ("it",), 24: ("un",), 27: ("iv",), 29: ("st",)}


class Run(NamedTuple):
    classes: str
    """Class names separated by spaces: c0–c255 text, b0–b255 ground, bo di it un iv st."""
    href: str
    """Empty, or an http(s) address."""
    text: str


def runs(line: str) -> list[Run]:
    """The visible text of `line`, cut where its look changes. Joined, the texts are the line without its controls."""
    found: list[Run] = []
    fore = back = href = ""
    styles: set[str] = set()
    at = 0
    for token in _TOKEN.finditer(line):
        _add(found, _classes(fore, back, styles), href, line[at : token.start()])
        at = token.end()
        if token[1] is not None:
            fore, back = _select(token[1], fore, back, styles)
        elif token[2] is not None:
            href = token[2] if _LINK.match(token[2]) else ""
    _add(found, _classes(fore, back, styles), href, line[at:])
    return found


def to_html(line: str) -> SafeString:
    return mark_safe("".join(_markup(run) for run in runs(line)))  # noqa: S308 - escaped run by run


def _markup(run: Run) -> str:
    text: str = escape(run.text)
    if run.classes:
        text = f'<i class="{run.classes}">{text}</i>'
    if run.href:
        text = f'<a href="{escape(run.href)}" target="_blank" rel="noopener noreferrer nofollow">{text}</a>'
    return text


def _add(found: list[Run], classes: str, href: str, text: str) -> None:
    text = text.translate(_CONTROLS)
    if not text:
        return
    if found and found[-1][:2] == (classes, href):
        text = found.pop().text + text
    found.append(Run(classes, href, text))


def _classes(fore: str, back: str, styles: set[str]) -> str:
    return " ".join([name for name in _STYLES.values() if name in styles] + [name for name in (fore, back) if name])


def _select(parameters: str, fore: str, back: str, styles: set[str]) -> tuple[str, str]:
    """Apply one SGR sequence: `styles` in place; the new text and ground classes are returned."""
    codes = _codes(parameters)
    for code in codes:
        if code == 0:
            fore = back = ""
            styles.clear()
        elif code in _STYLES:
            styles.add(_STYLES[code])
        elif code in _ENDS:
            styles.difference_update(_ENDS[code])
        elif 30 <= code <= 37 or 90 <= code <= 97:
            fore = f"c{code - 30 if code < 90 else code - 82}"
        elif 40 <= code <= 47 or 100 <= code <= 107:
            back = f"b{code - 40 if code < 100 else code - 92}"
        elif code == 38:
            fore = _extended("c", codes, fore)
        elif code == 48:
            back = _extended("b", codes, back)
        elif code == 39:
            fore = ""
        elif code == 49:
            back = ""
    return fore, back


def _codes(parameters: str) -> Iterator[int]:
    """The numbers of a sequence, an empty one as 0. `4:3` is a kind of 4; `38:5:n` reads like `38;5;n`."""
    for part in parameters.split(";"):
        numbers = [min(int(text[-6:] or "0"), 999) for text in part.split(":")]
        if numbers[0] in (38, 48) and len(numbers) > 4 and numbers[1] == 2:
            numbers = [*numbers[:2], *numbers[-3:]]  # 38:2:<colour space>:r:g:b
        yield from numbers if numbers[0] in (38, 48) else numbers[:1]


def _extended(prefix: str, codes: Iterator[int], now: str) -> str:
    kind = next(codes, None)
    if kind == 5:
        number = next(codes, None)
        return now if number is None else f"{prefix}{min(number, 255)}"
    if kind == 2:
        red, green, blue = (min(next(codes, 0), 255) for _ in range(3))
        return f"{prefix}{palette.nearest(red, green, blue)}"
    return now
