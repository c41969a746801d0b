"""A build's log as a terminal shows it: events in, whole lines and headers out. Pure.

A line that is still open is withheld until it is whole, or its step or the build is over: a terminal cannot take back
what it has printed.
"""

import json
from typing import Any, NamedTuple

from .style import plain

OVER = frozenset({"passed", "failed", "cancelled", "lost", "skipped"})
"""Statuses of a build or a step that is over, as `builds.states` has them."""


class Header(NamedTuple):
    """What is said about the log."""

    text: str


Said = Header | str
"""A `str` is one whole line that a step printed, without its line feed."""


class Replay:
    """Feed it every event of one build, in order."""

    def __init__(self, *, colours: bool) -> None:
        self.status = "queued"
        self.reason = ""
        self._colours = colours
        self._current = ""
        self._printed: dict[str, int] = {}
        self._statuses: dict[str, str] = {}
        self._held: dict[str, tuple[int, str]] = {}

    @property
    def final(self) -> str | None:
        """What the build has become, once it is over."""
        return self.status if self.status in OVER else None

    def feed(self, kind: str, data: str) -> list[Said]:
        """What there is to be shown for this event; `data` is its JSON."""
        facts = json.loads(data)
        if kind == "log":
            return self._log(facts)
        if kind == "step":
            return self._step(facts)
        if kind == "build":
            return self._build(facts)
        if kind == "cut":
            return self._cut(facts["step"], facts["line"], facts["lines"], facts.get("reason", ""))
        return []

    def _build(self, facts: dict[str, Any]) -> list[Said]:
        self.status, self.reason = facts["status"], facts["reason"]
        if self.final is None:
            return []
        return [said for step in list(self._held) for said in self._release(step)]

    def _step(self, facts: dict[str, Any]) -> list[Said]:
        name, status = facts["name"], facts["status"]
        if self._statuses.get(name) == status:
            return []
        self._statuses[name] = status
        if status == "running":
            self._current = name
            return [Header(f"── {name}")]
        if status not in OVER:
            return []
        exit_code = f", exit code {facts['exit_code']}" if facts["exit_code"] else ""
        why = facts.get("reason") or ""
        reason = f": {why}" if why and why.lower() != f"{exit_code[2:]}." else ""  # it may say that once more
        return [*self._release(name), Header(f"── {name} {status}{exit_code}{reason}")]

    def _log(self, facts: dict[str, Any]) -> list[Said]:
        step, first, texts = facts["step"], facts["line"], facts["text"].split("\n")
        said: list[Said] = []
        held = self._held.get(step)
        if held is not None and held[0] < first:
            said += self._release(step)
        last = first + len(texts) - 1
        for number, text in enumerate(texts, start=first):
            if number == last and facts.get("open"):
                self._held[step] = (number, text)
            else:
                said += self._line(step, number, text)
        return said

    def _cut(self, step: str, line: int, lines: int, reason: str) -> list[Said]:
        """What is missing, or of that what has not been printed already."""
        end = line + lines - 1
        missing = end - max(line - 1, self._printed.get(step, 0))
        if missing <= 0:
            return []
        self._held.pop(step, None)
        self._printed[step] = end
        return [Header(f"── {missing:,} line{'s' * (missing > 1)} of {step} left out{reason and f': {reason}'}")]

    def _release(self, step: str) -> list[Said]:
        held = self._held.pop(step, None)
        return self._line(step, *held) if held else []

    def _line(self, step: str, number: int, text: str) -> list[Said]:
        """The line, once: a chunk that is repeated has nothing new."""
        held = self._held.get(step)
        if held is not None and held[0] <= number:
            del self._held[step]
        if number <= self._printed.get(step, 0):
            return []
        self._printed[step] = number
        shown = text if self._colours else plain(text)
        if step == self._current:
            return [shown]
        self._current = step
        return [Header(f"── {step}, once more"), shown]
