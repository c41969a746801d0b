"""The steps of a build with their bars, for its page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from django.utils import timezone

from ..models import Build, Step
from ..states import Status
from . import words
from .axis import Span, lay_out


@dataclass(frozen=True)
class StepLine:
    step: Step
    span: Span
    note: str
    """What is to be said of it besides; empty: nothing."""
    matrix: str = ""
    """The name of the matrix that it is listed below; empty: it stands for itself."""
    heading: "Heading | None" = None
    """Of the matrix, above its first step."""

    @property
    def look(self) -> str:
        """Classes of its mark and its bar, besides its status."""
        return "allowed" if words.is_allowed(self.step.data()) else ""

    @property
    def label(self) -> str:
        """Its name, without what the heading has said: of `test (python=3.12, database=sqlite)` the values."""
        name = str(self.step.name)
        return " · ".join(value for _, value in _values(name, self.matrix)) if self.matrix else name

    @property
    def number(self) -> int:
        return self.step.position + 1


@dataclass(frozen=True)
class Heading:
    axes: str
    count: int
    note: str
    """After which steps all of them begin."""


@dataclass(frozen=True)
class StepAxis:
    lines: list[StepLine]
    ticks: list[tuple[float, str]]
    """Empty: nothing has begun, and nothing is known of how long it takes."""
    now: float | None
    """Percent of the axis; None: the build does not run."""

    @property
    def has_usual(self) -> bool:
        return any(line.span.usual_width is not None for line in self.lines)


def axis(build: Build, steps: list[Step]) -> StepAxis:
    began = build.started_at
    needs = [step.needed for step in steps]
    if began is None:
        laid = lay_out([(None, None, step.expected_seconds) for step in steps], 0.0, needs)
    else:
        end = build.finished_at or timezone.now()
        laid = lay_out(
            [
                (
                    (step.started_at - began).total_seconds() if step.started_at else None,
                    (step.finished_at - began).total_seconds() if step.started_at and step.finished_at else None,
                    step.expected_seconds,
                )
                for step in steps
            ],
            (end - began).total_seconds(),
            needs,
        )
    told = [step.data() for step in steps]
    lines = [_line(told, at, step, span) for at, (step, span) in enumerate(zip(steps, laid.spans, strict=True))]
    runs = build.status == Status.RUNNING
    is_empty = began is None and not any(span.usual_width for span in laid.spans)
    return StepAxis(
        lines, [] if is_empty else laid.ticks, (build.duration or 0.0) / laid.seconds * 100 if runs else None
    )


def _line(told: Sequence[Mapping[str, Any]], at: int, step: Step, span: Span) -> StepLine:
    matrix = words.matrix_of(step.name) if words.is_in_matrix(told, at) else ""
    heading = None
    if matrix and (at == 0 or words.matrix_of(told[at - 1]["name"]) != matrix):
        axes = ", ".join(axis for axis, _ in _values(step.name, matrix))
        others = takewhile(lambda other: words.matrix_of(other["name"]) == matrix, told[at:])
        heading = Heading(axes, sum(1 for _ in others), words.needs_note(told, at))
    return StepLine(step, span, words.step_note(told, at), matrix, heading)


_AXIS = re.compile(r"(?:^|, )([A-Za-z_][A-Za-z0-9_]*)=")


def _values(name: str, matrix: str) -> list[tuple[str, str]]:
    """Axis and value of each: a value that looks like another axis is taken for one."""
    _, *parts = _AXIS.split(name[len(matrix) + 2 : -1])
    return list(zip(parts[::2], parts[1::2], strict=True))
