"""A page of a build's event log, to be read by people, and whether any of its numbers is missing."""

import json
from datetime import datetime
from typing import Any, NamedTuple

from buildboard.terminal.style import plain

from .. import events, retention
from ..models import Build

PAGE = 200
_MOST = 160
"""Characters of a summary."""


class Row(NamedTuple):
    seq: int
    kind: str
    at: datetime | None
    summary: str


def log_page(build: Build, after: str, *, check: bool) -> dict[str, Any]:
    """The template's context. `after`: the cursor as it was asked for; anything but a number: the newest page.

    `check`: read all of the build's numbers, too. Without it only those of this page are compared.
    """
    last_page = max(build.head - PAGE, build.horizon - 1)
    cursor = min(int(after), build.head) if after.isascii() and after.isdigit() and len(after) < 19 else last_page
    records = events.read(build.pk, cursor, PAGE)
    moments = events.moments(build.pk, cursor, PAGE)
    rows = [Row(each.seq, each.kind, moments.get(each.seq), summary(each.kind, each.data)) for each in records]
    first, last = (rows[0].seq, rows[-1].seq) if rows else (0, 0)
    return {
        "rows": rows[::-1],
        "first": first,
        "last": last,
        "older": max(cursor - PAGE, build.horizon - 1) if cursor >= build.horizon else None,
        "newer": last if rows and last < build.head else None,
        "page_is_whole": all(
            later.seq == earlier.seq + 1 or later.kind == "cut" for earlier, later in zip(rows, rows[1:], strict=False)
        ),
        "became": retention.became(build),
        "checked": check,
        "gaps": events.gaps(build.pk)[:20] if check else [],
    }


def summary(kind: str, data: str) -> str:
    """One line of text for an event; `data` is its JSON."""
    facts = json.loads(data)
    if kind == "log":
        text = plain(facts["text"])
        lines = text.split("\n")
        first, last = facts["line"], facts["line"] + len(lines) - 1
        numbers = f"line {first}" if first == last else f"lines {first}–{last}"
        said = f"{facts['step']}, {numbers}: {lines[0]}"
    elif kind == "build":
        said = facts["status"] + (", cancel requested" if facts["cancel_requested"] else "")
        said += f": {facts['reason']}" if facts["reason"] else ""
    elif kind == "step":
        said = f"{facts['name']}: {facts['status']}"
        said += f", exit code {facts['exit_code']}" if facts["exit_code"] is not None else ""
    elif kind == "cut":
        said = f"{facts['step']}, from line {facts['line']} on: "
        said += f"{facts['lines']:,} lines, {facts['bytes']:,} bytes left out"
    elif kind == "group":
        where = f"line {facts['line']} on" if facts["last"] is None else f"lines {facts['line']}–{facts['last']}"
        said = f"{facts['step']}, {where}: {facts['name']}"
    elif kind == "annotation":
        said = f"{facts['step']}, line {facts['line']}: {facts['level']}: {facts['message'] or facts['title']}"
    else:
        said = ", ".join(f"{name} {value}" for name, value in facts.items())
    return said if len(said) <= _MOST else said[: _MOST - 1] + "…"
