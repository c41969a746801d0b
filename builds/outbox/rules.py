"""Which news a target wants. Pure."""

import re
from collections.abc import Collection

from ..recipe.globs import any_of
from ..states import Status

CHANGES = ("broken", "fixed")
"""What a final status can be besides: the first that failed or was lost after one that passed; the first that passed
after one that failed or was lost. Of the same branch (tag, pull request); cancelled ones count as not there."""
NEWS = ("queued", "running", "passed", "failed", "cancelled", "lost", *CHANGES)
"""What a target may be told."""

MOST_PATTERNS = 20
MOST_LETTERS = 500
_SPLIT = re.compile(r"[,\s]+")


class RuleError(ValueError):
    """What was wrong and what was expected, as part of a sentence."""


def joined_branches(text: str) -> str:
    """Patterns as they are kept: separated by one space. `RuleError`."""
    found = [part for part in _SPLIT.split(text) if part]
    if len(found) > MOST_PATTERNS or len(text) > MOST_LETTERS:
        raise RuleError(f"expected at most {MOST_PATTERNS} patterns with {MOST_LETTERS} characters in all")
    for pattern in found:
        if "[" in pattern:
            raise RuleError(
                f"{pattern[:80]!r}: [ ] stand for nothing; expected * for any letters but /, ** for any, or ?"
            )
        if not pattern.isprintable() or pattern == "!":
            raise RuleError(
                f"{pattern[:80]!r}: expected a branch or a pattern such as release/*, or !wip/* to leave out"
            )
    return " ".join(found)


def matches(patterns: str, branch: str) -> bool:
    """Whether `branch` is one of those that the patterns name, as `recipe/globs.py` reads them: the last that fits
    counts. Those that only leave out leave out of all."""
    found = patterns.split()
    if all(pattern.startswith("!") for pattern in found):
        found.insert(0, "**")
    return any_of(found, branch)


def wants(tells: str, status: str, change: str) -> bool:
    """Whether `tells` (words of NEWS) has the status, or the change that it is."""
    words = tells.split()
    return status in words or (change != "" and change in words)


def change_of(status: str, before: str | None) -> str:
    """`broken`, `fixed` or nothing. `before`: how the newest build before it ended that was not cancelled; None: there
    is none."""
    bad: Collection[str] = (Status.FAILED, Status.LOST)
    if status in bad and before == Status.PASSED:
        return "broken"
    return "fixed" if status == Status.PASSED and before in bad else ""
