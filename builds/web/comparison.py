"""Why a build failed, as far as its output tells: its first error, and where it first differs from when it passed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.urls import reverse

from buildboard.terminal.style import plain

from .. import landmarks, printed
from ..blocks import Line
from ..models import Build, Step
from ..states import Status
from . import difference, errorlines
from .once import Once

MOST_LINES = 50_000
"""Of the step that failed, the last so many are compared."""
MOST_BYTES = 8 * 1024 * 1024
ERROR_LINES = 5_000
"""In the last so many the first error is looked for, in fewer where they are long (`errorlines.py`)."""
PASSED_BUILDS = 500
"""So far back a passed build of the same ref is looked for."""
CONTEXT = 2
"""Lines before the first that differs."""
_BITE = 2_000
_FIRST_BITE = 600
"""Of lines that are long no more are looked at for errors."""


class Spot(NamedTuple):
    """A line of a step, by the step's position."""

    step: int
    line: int

    @property
    def anchor(self) -> str:
        """As it is in addresses."""
        return f"{self.step + 1}:{self.line}"


# --- The first error ---


def first_error(build: Build, steps: Sequence[Step]) -> Spot | None:
    """Where a failed build's page opens: at what the failed step has called an error, else at what looks like one.

    `Busy` where others have it looked for just now.
    """
    step = failed_step(build, steps)
    if step is None or build.pruned_at:
        return None
    if build.annotations_told["error"]:
        for one in landmarks.annotations(build.pk):
            if (one.said.level, one.step) == ("error", step.position):
                return Spot(one.step, one.line)
    return _first_error(build.pk, build.finished_at, step.position)


def _look_for_error(build_id: int, finished_at: datetime | None, step: int) -> Spot | None:
    """Once for a build: when it is over, its log changes no more. `finished_at` tells worlds apart."""
    numbers: list[int] = []

    def texts() -> Iterator[str]:
        for line in _from_the_end(build_id, step):
            numbers.append(line.number)
            yield line.text

    at = errorlines.earliest(texts())
    return None if at is None else Spot(step, numbers[at])


def _from_the_end(build_id: int, step: int) -> Iterator[Line]:
    """The last lines of a step, the newest first, read as they are asked for."""
    last, bite = printed.total_lines(build_id, step), _FIRST_BITE
    least = max(last - ERROR_LINES + 1, 1)
    while last >= least:
        first = max(last - bite + 1, least)
        yield from reversed(printed.lines(build_id, step, first, last))
        last, bite = first - 1, _BITE


_first_error = Once(_look_for_error, keep=1_000, seconds=0.5, waiting=7)


def failed_step(build: Build, steps: Sequence[Step]) -> Step | None:
    """The first in time, which its reason names: others may stand above it in the recipe."""
    if build.status != Status.FAILED:
        return None
    failed = [step for step in steps if step.status == Status.FAILED and not step.allow_failure]
    return min(failed, key=lambda step: (step.finished_at is None, step.finished_at or build.created_at), default=None)


# --- The first difference ---


@dataclass(frozen=True)
class Row:
    """One line of what is shown: `kind` is `both`, `was` (as it passed) or `is` (as it failed)."""

    kind: str
    build: int
    spot: Spot
    text: str
    parts: tuple[tuple[str, bool], ...] = ()
    """The text in pieces, and of each whether the other build has something else there."""

    @property
    def href(self) -> str:
        return f"{reverse('build', args=[self.build])}#{self.spot.anchor}"

    @property
    def label(self) -> str:
        return {"both": "both", "was": f"{self.build} passed", "is": f"{self.build} failed"}[self.kind]


@dataclass(frozen=True)
class Comparison:
    build: int
    step: str
    passed: int
    """The number of the passed build that it is compared with."""
    rows: list[Row] = field(default_factory=list)
    said: str = ""
    """Where there are no rows: what was found instead."""
    note: str = ""
    """What has to be known beside the rows."""

    @property
    def line(self) -> int:
        """Of the failed build: the number of the line that differs."""
        return self.rows[-1].spot.line

    @property
    def json(self) -> dict[str, Any]:
        names = {"both": "before", "was": "was", "is": "is"}
        lines = [
            {"which": names[row.kind], "build": row.build, "line": row.spot.line, "text": row.text} for row in self.rows
        ]
        return {"passed_build": self.passed, "step": self.step, "lines": lines, "detail": self.said or self.note}


def last_passed(build: Build) -> Build | None:
    """The newest passed build before it: of the same ref, where there is one of late. What ran outside is another
    machine's, another folder's, often another command's: none of it is compared."""
    if build.outside:
        return None
    before = Build.objects.filter(project=build.project_id, status=Status.PASSED, pk__lt=build.pk).order_by("-id")
    rows = before.values_list("pk", "ref", "outside")[:PASSED_BUILDS]
    found = [(pk, ref) for pk, ref, outside in rows if not outside]
    chosen = next((pk for pk, ref in found if ref == build.ref), found[0][0] if found else None)
    return None if chosen is None else Build.objects.filter(pk=chosen).first()


def compare(build: Build, steps: Sequence[Step]) -> Comparison | None:
    """None: it did not fail in a step, or no build passed before it. `Busy` where others have theirs compared.

    Done once for a build. Reading takes most of a second where both logs are as long as they may be, and comparing
    `difference.MOST_SECONDS` at most.
    """
    step = failed_step(build, steps)
    passed = last_passed(build) if step is not None else None
    if step is None or passed is None:
        return None
    found = Comparison(build.pk, step.name, passed.pk)
    for one, whose in ((build, "This build's log"), (passed, f"The log of build {passed.pk}")):
        if one.pruned_at:
            return replace(found, said=f"{whose} was pruned: there is nothing to compare.")
    then = passed.steps.filter(name=step.name).values_list("position", flat=True).first()
    if then is None:
        return replace(found, said=f"Build {passed.pk} had no step {step.name}.")
    ended = (build.finished_at, passed.finished_at)
    rows, said, note = _compared(build.pk, step.position, passed.pk, then, ended)
    return replace(found, rows=list(rows), said=said, note=note)


def _lay_beside(
    build_id: int, step: int, passed_id: int, step_then: int, ended: tuple[datetime | None, ...]
) -> tuple[tuple[Row, ...], str, str]:
    """Rows, and what is said without or beside them. `ended`: when both did; with that they are no other world's."""
    then, cut_then = _tail(passed_id, step_then, MOST_LINES)
    now, cut_now = _tail(build_id, step, MOST_LINES)
    try:
        found = difference.first_difference((line.text for line in then), (line.text for line in now))
    except difference.TooLong:
        return (), f"The logs are too long to be compared here: {len(then):,} and {len(now):,} lines.", ""
    note = f"Only the last {max(len(then), len(now)):,} lines were compared." if cut_then or cut_now else ""
    if found is None:
        same = "It printed nothing." if not now else "No difference in substance found: it failed with the same output."
        return (), f"{same} {note}".strip(), note

    def row(kind: str, line: Line, other: Line | None = None) -> Row:
        number, position = (passed_id, step_then) if kind == "was" else (build_id, step)
        text = _shown(line)
        parts = difference.parts(text, _shown(other)) if other else [(text, False)]
        return Row(kind, number, Spot(position, line.number), text, tuple(parts))

    first = found.failed
    rows = [row("both", line) for line in now[max(first - CONTEXT, 0) : first]]
    was = None if found.passed is None else then[found.passed]
    if was:
        rows.append(row("was", was, now[first]))
    rows.append(row("is", now[first], was))
    if found.is_surplus:
        note = f"Build {passed_id} printed this line, too, but not as often. {note}".strip()
    elif found.passed is None:
        note = f"There the output of build {passed_id} had come to its end. {note}".strip()
    return tuple(rows), "", note


_compared = Once(_lay_beside, keep=200, seconds=1, waiting=3)
"""Comparing keeps the interpreter busy; streams have to go on beside it, and other pages."""


def _shown(line: Line) -> str:
    return plain(line.text[: difference.MOST_CHARACTERS])


def _tail(build_id: int, step: int, most: int) -> tuple[list[Line], bool]:
    """The last `most` lines of a step, fewer where they are huge; and whether there are others before them."""
    total = printed.total_lines(build_id, step)
    least = max(total - most + 1, 1)
    parts: list[list[Line]] = []
    size, last = 0, total
    while last >= least and size < MOST_BYTES:
        first = max(last - _BITE + 1, least)
        parts.append(printed.lines(build_id, step, first, last))
        size += sum(len(line.text) for line in parts[-1])
        last = first - 1
    return [line for part in reversed(parts) for line in part], last >= 1
