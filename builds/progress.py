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
FEW = 3
"""With fewer passed builds nothing is said about what is usual."""
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
    needs: Sequence[int] | None = None
    """Places of the steps that are over before it begins; None: the one before it."""


@dataclass(frozen=True)
class Estimate:
    fraction: float | None
    """0–1, below 1 while running; None where nothing is known."""
    remaining: float | None
    """Seconds; 0 means any moment now."""


@dataclass(frozen=True)
class Forecast:
    """When a running build ends: by its steps, and by how long the last passed builds took."""

    fraction: float | None
    remaining: float | None
    """As in `Estimate`."""
    low: float | None
    high: float | None
    """Seconds from now between which eight of ten builds would end; None: too little is known for that."""
    fill: float | None
    """0–1 of a bar whose end is where slow builds end: how much of it has passed. Below 1."""
    zone: float | None
    """0–1 of that bar: from there on builds usually end."""
    outlasted: int
    """How many of the last passed builds took less time than this one has by now."""


def forecast(
    steps: Sequence[StepTime], elapsed: float, durations: Sequence[float], lanes: int | None = None
) -> Forecast:
    """Of a running build that has run for `elapsed` seconds. `durations`: of the last passed builds, ascending.
    `lanes`: as `estimate` takes it.

    How far the end may lie from what the steps tell is how far those builds lie from their median, less what is over:
    it shrinks with the square root of the share that is still to come, as if each step were early or late by itself.
    """
    now = estimate(steps, lanes)
    elapsed = max(elapsed, 0.0)
    outlasted = sum(1 for one in durations if one < elapsed)
    if now.remaining is None or len(durations) < FEW:
        return Forecast(now.fraction, now.remaining, None, None, now.fraction, None, outlasted)
    low, usual, high = spread(durations)
    rest = whole = 0.0
    usually: list[float] = []  # what is left of each if it goes as usual, and none has taken too long already
    pending: list[float] = []
    for step, weight in zip(steps, _weights(steps) or (), strict=True):
        over = step.status in FINAL
        runs = step.status == Status.RUNNING
        whole += weight
        rest += 0.0 if over else weight
        pending.append(0.0 if over or runs else weight)
        if runs:
            usually.append(_left(step, weight) if _has_word(step) else weight - max(step.elapsed, 0.0))
        else:
            usually.append(pending[-1])
    needs = _needs(steps)
    ahead = _span(pending, needs, lanes)
    end = elapsed + _span(usually, needs, lanes)
    share = math.sqrt(rest / whole)
    soonest = max(end - (usual - low) * share, elapsed + ahead * (low / usual if usual else 1.0))
    latest = max(end + (high - usual) * share, elapsed + now.remaining)
    fill = min(elapsed / latest, CEILING) if latest else now.fraction
    zone = min(soonest / latest, 1.0) if latest else 1.0
    return Forecast(now.fraction, now.remaining, soonest - elapsed, latest - elapsed, fill, zone, outlasted)


def spread(durations: Sequence[float]) -> tuple[float, float, float]:
    """Of ascending durations, at least one: the second-lowest of ten, the median, and the second-highest."""
    tenth = len(durations) // 10
    return durations[tenth], median(durations), durations[-1 - tenth]


def estimate(steps: Sequence[StepTime], lanes: int | None = None) -> Estimate:
    """Of a running build. A step without history weighs as much as the mean of those that have one. What counts is the
    longest way through what the steps need; `lanes`: so many run at a time, None: as many as there are."""
    weights = _weights(steps)
    if weights is None:
        return _without_history(steps)
    undone: list[float] = []
    left: list[float] = []
    for step, weight in zip(steps, weights, strict=True):
        if step.status in FINAL:
            undone.append(0.0)
            left.append(0.0)
        elif step.status == Status.RUNNING:
            part = step.own if step.own is not None else settle(step.elapsed / weight)
            undone.append(weight * (1 - min(part, CEILING)))
            left.append(_left(step, weight))
        else:
            undone.append(weight)
            left.append(weight)
    needs = _needs(steps)
    total = _span(weights, needs, lanes)
    done = max(1 - _span(undone, needs, lanes) / total, 0.0)
    return Estimate(min(done, CEILING), _span(left, needs, lanes))


def settle(ratio: float) -> float:
    """The share of a step that is done when `ratio` of its usual time has passed: straight to 0.9, then ever slower."""
    if ratio <= _KNEE:
        return max(ratio, 0.0)
    return 1 - (1 - _KNEE) * math.exp(-(ratio - _KNEE) / (1 - _KNEE) / 2)


def expected_seconds(durations: Iterable[float]) -> float | None:
    """The median of a step's durations in the last passed builds."""
    values = list(durations)
    return median(values) if values else None


def _needs(steps: Sequence[StepTime]) -> list[Sequence[int]]:
    return [step.needs if step.needs is not None else range(max(at - 1, 0), at) for at, step in enumerate(steps)]


def _span(seconds: Sequence[float], needs: Sequence[Sequence[int]], lanes: int | None) -> float:
    """From the beginning to the end of steps that take so many seconds, each after those that it needs. Where `lanes`
    are fewer than could run, at least what all of them take in so many lanes."""
    waits = [len(own) for own in needs]
    followers: list[list[int]] = [[] for _ in needs]
    for at, own in enumerate(needs):
        for one in own:
            followers[one].append(at)
    ends = [0.0] * len(seconds)
    free = [at for at, count in enumerate(waits) if not count]
    longest = -math.inf
    while free:
        at = free.pop()
        ends[at] = max((ends[one] for one in needs[at]), default=0.0) + seconds[at]
        if not followers[at]:
            longest = max(longest, ends[at])
        for follower in followers[at]:
            waits[follower] -= 1
            if not waits[follower]:
                free.append(follower)
    return longest if lanes is None or longest <= 0 else max(longest, sum(seconds) / lanes)


def _weights(steps: Sequence[StepTime]) -> list[float] | None:
    """Seconds that each step usually takes; None: no step has history."""
    known = [step.expected for step in steps if step.expected is not None]
    if not known:
        return None
    mean = sum(known) / len(known)
    return [max(mean if step.expected is None else step.expected, 0.05) for step in steps]


def _has_word(step: StepTime) -> bool:
    """Whether its own word is enough to reckon with."""
    return step.own is not None and step.own >= 0.05


def _left(step: StepTime, weight: float) -> float:
    elapsed = max(step.elapsed, 0.0)  # a clock that was set back
    if step.own is not None and _has_word(step):
        return elapsed * (1 - step.own) / step.own
    return max(weight - elapsed, 0.0)


def _without_history(steps: Sequence[StepTime]) -> Estimate:
    """Only a step's own word is left: each step weighs the same, and no time can be told."""
    if not any(step.own is not None for step in steps):
        return Estimate(None, None)
    done = sum(1.0 if step.status in FINAL else (step.own or 0.0) for step in steps)
    return Estimate(min(done / len(steps), CEILING), None)
