"""What is said of a build, in words: one title and a few lines, for people. Pure; each kind escapes it as it needs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

MOST_LINE = 300
_MARKS = {"passed": "✓", "failed": "✗", "lost": "?", "cancelled": "–", "running": "›", "queued": "·"}
_MOST_NAMED = 5


@dataclass(frozen=True)
class Note:
    title: str
    lines: tuple[str, ...]
    link: str
    """To the page; empty where the board does not know its own address."""


def note(payload: dict[str, Any], board: str) -> Note:
    """`payload`: of `outbox.facts`; `board`: the board's address, without a slash at its end, or nothing."""
    name = _line(payload["project"]["name"])
    build = payload.get("build")
    if build is None:
        link = board and board + payload["project"]["path"]
        return Note(f"{name}: a test", ("Messages of this project arrive here.",), link)
    lines = [_source(build), _reason(build, payload.get("failed_steps", [])), _how(build)]
    title = f"{_MARKS[build['status']]} {name}: build {build['id']} {'; '.join(filter(None, _status(payload)))}"
    return Note(title, tuple(line for line in lines if line), board and board + build["path"])


def description(payload: dict[str, Any], most: int) -> str:
    """One line, for the status of a commit."""
    build = payload["build"]
    said, before = _status(payload)
    text, because, took = f"Build {build['id']} {said}", _reason(build, payload.get("failed_steps", [])), _took(build)
    if because.startswith(said):
        text = f"Build {build['id']} {because}"
    elif because:
        return _cut(_line(f"{text}: {because}"), most)
    elif took:
        text += f" after {took}"
    return _cut(_line(f"{text}; {before}" if before else text), most)


def _status(payload: dict[str, Any]) -> tuple[str, str]:
    """What it is, and how that differs from the build before it."""
    status, before = payload["build"]["status"], payload.get("before") or {}
    words = {"queued": "is queued", "running": "runs", "cancelled": "was cancelled", "lost": "was lost"}
    said = words.get(status, status)
    if payload.get("change") == "fixed":
        return f"{said} again", f"build {before['id']} {'was lost' if before['status'] == 'lost' else 'had failed'}"
    if payload.get("change") == "broken":
        return said, f"build {before['id']} had passed"
    return said, ""


def _source(build: dict[str, Any]) -> str:
    where = build["tag"] or build["branch"] or build["ref"]
    if build["pull_request"] is not None:
        where = f"pull request {build['pull_request']}" + (f" into {build['branch']}" if build["branch"] else "")
    commit = build["commit"][:10]
    title = _cut(_line(build["commit_title"]), 120)
    who = _line(build["commit_author"])
    said = " ".join(part for part in (commit, title) if part)
    parts = [_line(where), said, f"by {who}" if who else ""]
    return _cut(" · ".join(part for part in parts if part), MOST_LINE)


def _reason(build: dict[str, Any], steps: list[str]) -> str:
    if build["status"] == "failed" and steps:
        named = ", ".join(_line(step) for step in steps[:_MOST_NAMED])
        more = f" and {len(steps) - _MOST_NAMED} more" if len(steps) > _MOST_NAMED else ""
        return _cut(f"failed in {named}{more}", MOST_LINE)
    return _cut(_line(build["reason"]), MOST_LINE)


def _how(build: dict[str, Any]) -> str:
    took = _took(build)
    by = _line(build["started_by"])
    return " · ".join(part for part in (f"took {took}" if took else "", f"started by {by}" if by else "") if part)


def _took(build: dict[str, Any]) -> str:
    if not (build["started_at"] and build["finished_at"]):
        return ""
    began, ended = (datetime.fromisoformat(build[name]) for name in ("started_at", "finished_at"))
    seconds = round(max((ended - began).total_seconds(), 0.0))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def _line(text: str) -> str:
    """On one line, with nothing invisible in it: names and titles are anybody's."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
