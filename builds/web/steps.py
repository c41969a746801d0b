"""The steps of a build with their bars, for its page."""

from dataclasses import dataclass

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

    @property
    def number(self) -> int:
        return self.step.position + 1


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
    lines = [
        StepLine(step, span, words.step_note(told, at))
        for at, (step, span) in enumerate(zip(steps, laid.spans, strict=True))
    ]
    runs = build.status == Status.RUNNING
    is_empty = began is None and not any(span.usual_width for span in laid.spans)
    return StepAxis(
        lines, [] if is_empty else laid.ticks, (build.duration or 0.0) / laid.seconds * 100 if runs else None
    )
