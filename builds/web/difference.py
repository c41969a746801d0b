"""Where the output of a step that failed first says something else than when it passed. Pure.

Numbers, times, durations, temporary folders, workspaces, hashes and padding are set aside, and so is the order of the
lines: what runs in parallel prints in another order every time.
"""

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from buildboard.terminal.style import plain

MOST_CHARACTERS = 1_000
"""Of each line; what is behind them counts as equal."""
MOST_SECONDS = 1.0
"""Of a processor: some 30,000 lines of 170 characters on either side, more where many of them are the same."""
_SLICE = 250
"""After so many lines other threads get a turn."""
_NEAR = 200
"""So many lines are gone back for one that both have."""

# Each begins with a class of characters or is asked for first: the engine then passes over what cannot match.
_DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+)?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_HAS_MONTH = re.compile(_MONTH)
_DATES = re.compile(
    rf"{_DAY}{_MONTH}[a-z]*\s+[0-9]{{1,2}}(?![0-9])|{_DAY}\b[0-9]{{1,2}}[\s/-]{_MONTH}[a-z]*",
)
_PATHS = re.compile(
    r"(?:/private)?/var/folders/[^\s/]+/[^\s/]+/T/[^\s/:'\"]+"
    r"|(?:/var)?/tmp/[^\s/:'\",;)]+"
    r"|(?i:[\\/]temp)\\[^\s\\:'\"]+"
    r"|\btmp[._-]?[A-Za-z0-9_]{6,}"
    r"|\bworkspaces?/[^\s/:'\",;)]+"
)
_HASHES = re.compile(
    r"[0-9a-fA-F](?<![0-9A-Za-z_].)(?:"
    r"[0-9a-fA-F]{7}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|(?<=0)[xX][0-9a-fA-F]+"
    r"|(?:(?<=[0-9])(?=[0-9]*[a-fA-F])|(?<=[a-fA-F])(?=[a-fA-F]*[0-9]))[0-9a-fA-F]{6,}\b)"
)
_CHECKSUMS = re.compile(r"\bsha[0-9]+[-:][A-Za-z0-9+/=]{16,}")
_NUMBER = r"[0-9][0-9]*(?:[.,][0-9]+)?"
_UNIT = (
    r"(?:m(?:illiseconds?|icroseconds?|inutes?|ins?|s)?|n(?:anoseconds?|s)|s(?:econds?|ecs?)?|h(?:ours?|rs?)?|d(?:ays?)?"
    r"|[µμu]s|[kKMGT]i?[Bb](?:/s|ps)?|[Bb]ytes?(?:/s)?|B(?:/s)?)(?![A-Za-z])"
)
_NUMBERS = re.compile(
    r"[0-9][0-9]*(?:"
    rf"(?:[.,][0-9]+)?\s?{_UNIT}(?:[ ,]{{0,2}}{_NUMBER}\s?{_UNIT})*"
    r"|(?:[.,:_/T-][0-9]+)*(?:[eE][+-]?[0-9]+|Z\b|\s?[AaPp][Mm]\b)?)"
)
_RUNS = ("---", "===", "...", "***", "###", "___", "~~~", "+++", "██", "━━")
_PADDING = re.compile(r"([-=.*#_~+█━])\1{2,}")


class TooLong(Exception):
    """Comparing would take longer than `MOST_SECONDS`."""


class Difference(NamedTuple):
    """By index, from 0, into the lines that were compared."""

    failed: int
    """The first line that says something else."""
    passed: int | None
    """What stood there when it passed, behind the nearest line before it that both have; None: that was the end of the
    output."""
    is_surplus: bool
    """The passed output has that line, too, but not as often, and nothing else differs."""


def normalise(text: str) -> str:
    """What a line says, without what is another in every build."""
    text = text[:MOST_CHARACTERS]
    if "\x1b" in text:
        text = plain(text)
    if "tmp" in text or "emp\\" in text or "workspace" in text or "/var/folders/" in text:
        text = _PATHS.sub("~", text)
    if any(run in text for run in _RUNS):
        text = _PADDING.sub(r"\1", text)
    if _HAS_MONTH.search(text):
        text = _DATES.sub("#", text)
    if "sha" in text:
        text = _CHECKSUMS.sub("#", text)
    text = _NUMBERS.sub("#", _HASHES.sub("#", text))
    return " ".join(text.split()).replace("[ ", "[").replace("( ", "(")


def first_difference(passed: Iterable[str], failed: Iterable[str]) -> Difference | None:
    """None: every line of `failed` is in `passed` as often, numbers and the like set aside.

    A line that `passed` does not have at all counts before one that it has less often, wherever they stand. `TooLong`.
    """
    forms: dict[str, str] = {}  # most lines come again just as they were
    until = time.thread_time() + MOST_SECONDS
    then = list(_forms(passed, forms, until))
    known = Counter(then)
    left = Counter(known)
    now: list[str] = []
    surplus: int | None = None
    for at, form in enumerate(_forms(failed, forms, until)):
        now.append(form)
        if not form:
            continue
        if form not in known:
            return _beside(then, now, at, is_surplus=False)
        left[form] -= 1
        if surplus is None and left[form] < 0:
            surplus = at
    return None if surplus is None else _beside(then, now, surplus, is_surplus=True)


def _forms(texts: Iterable[str], forms: dict[str, str], until: float) -> Iterator[str]:
    for at, text in enumerate(texts):
        if at % _SLICE == 0:
            time.sleep(0)  # whoever waits for the interpreter gets it
            if at and time.thread_time() > until:
                raise TooLong
        form = forms.get(text)
        if form is None:
            form = forms[text] = normalise(text)
        yield form


def _beside(then: Sequence[str], now: Sequence[str], at: int, *, is_surplus: bool) -> Difference:
    """With what stood there in `then`: behind the nearest line that both have, the same one of those that are equal."""
    known = set(then)
    for before in range(at - 1, max(at - _NEAR, 0) - 1, -1):
        form = now[before]
        if form and form in known:
            places = [place for place, one in enumerate(then) if one == form]
            same = places[min(now[: before + 1].count(form), len(places)) - 1]
            return Difference(at, _said_after(then, same + 1), is_surplus)
    return Difference(at, _said_after(then, 0), is_surplus)


def _said_after(forms: Sequence[str], start: int) -> int | None:
    return next((place for place in range(start, len(forms)) if forms[place]), None)


_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


def parts(text: str, other: str) -> list[tuple[str, bool]]:
    """`text` in pieces, and of each whether `other` has something else there; one piece where little is the same."""
    mine, theirs = _TOKEN.findall(text), _TOKEN.findall(other)
    most = min(len(mine), len(theirs))
    begin = next((at for at in range(most) if mine[at] != theirs[at]), most)
    end = next((at for at in range(most - begin) if mine[-1 - at] != theirs[-1 - at]), most - begin)
    middle = "".join(mine[begin : len(mine) - end])
    if (begin + end) * 3 < len(mine) or not middle:
        return [(text, False)]
    pieces = [("".join(mine[:begin]), False), (middle, True), ("".join(mine[len(mine) - end :]), False)]
    return [piece for piece in pieces if piece[0]]
