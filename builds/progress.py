"""How far a running build is, and how long it still takes: plain arithmetic on the durations of its steps.

Nothing here is stored: what follows from the clock alone is computed by the reader. `static/builds/progress.js` has
the same arithmetic for pages, and a test holds the two together.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from .states import FINAL, Status

CEILING = 0.99
"""A running build is never shown as done."""
_KNEE = 0.9


@dataclass(frozen=True)
class StepTime:
    status: Status
    expected: float | None
    """Seconds that it usually takes; None: no history."""
    elapsed: float = 0.0
    """Seconds since it began; 0 for one that has not."""
    own: float | None = None
    """The step's own word, 0–1 (the terminal progress sequence)."""


@dataclass(frozen=True)
class Estimate:
    fraction: float | None
    """0–1, below 1 while running; None where nothing is known."""
    remaining: float | None
    """Seconds; 0 means any moment now."""


def estimate(steps: Sequence[StepTime]) -> Estimate:
    """Of a running build. A step without history weighs as much as the mean of those that have one."""
    known = [step.expected for step in steps if step.expected is not None]
    if not known:
        return _without_history(steps)
    mean = sum(known) / len(known)
    total = done = remaining = 0.0
    for step in steps:
        weight = max(mean if step.expected is None else step.expected, 0.05)
        total += weight
        if step.status in FINAL:
            done += weight
        elif step.status == Status.RUNNING:
            part = step.own if step.own is not None else settle(step.elapsed / weight)
            done += weight * min(part, CEILING)
            remaining += _left(step, weight)
        else:
            remaining += weight
    return Estimate(min(done / total, CEILING), remaining)


def settle(ratio: float) -> float:
    """The share of a step that is done when `ratio` of its usual time has passed: straight to 0.9, then ever slower."""
    if ratio <= _KNEE:
        return max(ratio, 0.0)
    return 1 - (1 - _KNEE) * math.exp(-(ratio - _KNEE) / (1 - _KNEE) / 2)


def expected_seconds(durations: Iterable[float]) -> float | None:
    """The median of a step's durations in the last passed builds."""
    values = list(durations)
    return median(values) if values else None


def _left(step: StepTime, weight: float) -> float:
    elapsed = max(step.elapsed, 0.0)  # a clock that was set back
    if step.own is not None and step.own >= 0.05:
        return elapsed * (1 - step.own) / step.own
    return max(weight - elapsed, 0.0)


def _without_history(steps: Sequence[StepTime]) -> Estimate:
    """Only a step's own word is left: each step weighs the same, and no time can be told."""
    if not any(step.own is not None for step in steps):
        return Estimate(None, None)
    done = sum(1.0 if step.status in FINAL else (step.own or 0.0) for step in steps)
    return Estimate(min(done / len(steps), CEILING), None)
