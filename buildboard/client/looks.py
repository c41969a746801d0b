"""Tables, colours and times as a terminal shows them."""

import json
import re
import sys
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ..terminal.canvas import width
from .environment import wants_no_colour
from .talk import show

_COLOURS = {"passed": "32", "failed": "31", "lost": "31", "running": "36", "queued": "33", "cancelled": "90"}
_MARKS = {"passed": "✓", "failed": "✗", "lost": "✗", "running": "●", "queued": "○", "cancelled": "–"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def is_colourful() -> bool:
    """Whether stdout is a terminal that is to be given colours."""
    return sys.stdout.isatty() and not wants_no_colour()


def plain(text: Any) -> str:
    """As one line of a terminal that it commands nothing: names and titles are what people typed."""
    found = _CONTROL.sub(" ", "" if text is None else str(text))
    return "".join("�" if unicodedata.category(char) in ("Cf", "Cs") and char != "\u200d" else char for char in found)


def coloured(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if code and is_colourful() else text


def status(name: str) -> str:
    """With its mark, so that it is told apart without colours as well."""
    mark = _MARKS.get(name, " ")
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return f"{mark} {name}" if encoding == "utf8" else name


def status_colour(name: str) -> str:
    return _COLOURS.get(name, "")


def as_json(data: Any) -> None:
    show(json.dumps(data, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], colours: dict[int, Sequence[str]] | None = None) -> None:
    """`colours`: by column, a colour for each row."""
    rows = [[plain(cell) for cell in row] for row in rows]
    widths = [max(_width(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    show(coloured(_line(heads, widths), "1"))
    for number, row in enumerate(rows):
        cells = [_padded(cell, wide) for cell, wide in zip(row, widths, strict=True)]
        cells[-1] = row[-1]
        for column, codes in (colours or {}).items():
            cells[column] = coloured(cells[column], codes[number])
        show("  ".join(cells).rstrip())


def ago(moment: str | None, now: datetime | None = None) -> str:
    """`3 min ago`, of a time as the API gives it."""
    if not moment:
        return ""
    then = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    seconds = max(((now or datetime.now(UTC)) - then).total_seconds(), 0)
    return "just now" if seconds < 5 else f"{_long(seconds)} ago"


def took(began: str | None, ended: str | None) -> str:
    """How long it ran, up to now while it runs."""
    if not began:
        return ""
    first = datetime.fromisoformat(began.replace("Z", "+00:00"))
    last = datetime.fromisoformat(ended.replace("Z", "+00:00")) if ended else datetime.now(UTC)
    seconds = max((last - first).total_seconds(), 0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def size(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    units = ["kB", "MB", "GB", "TB"]
    value = count / 1000
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{value:.1f} {units[0]}" if value < 9.95 else f"{value:.0f} {units[0]}"


def _long(seconds: float) -> str:
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds)} s"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_padded(cell, wide) for cell, wide in zip(cells, widths, strict=True)).rstrip()


def _padded(cell: str, wide: int) -> str:
    return cell + " " * (wide - _width(cell))


def _width(text: str) -> int:
    return sum(width(char) for char in text)
