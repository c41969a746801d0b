"""Where the steps of a build lie on one shared axis of time. Pure; `static/builds/axis.js` is its twin."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

SMALLEST = 0.6
"""Percent: a step that took no time is still a bar."""


@dataclass(frozen=True)
class Span:
    """Percent of the axis: this build's bar, and the bar of what is usual. None: no such bar."""

    x: float | None = None
    width: float | None = None
    usual_x: float | None = None
    usual_width: float | None = None


@dataclass(frozen=True)
class Axis:
    seconds: float
    spans: list[Span] = field(default_factory=list)
    ticks: list[tuple[float, str]] = field(default_factory=list)
    """Percent and label."""


def lay_out(
    steps: Sequence[tuple[float | None, float | None, float | None]],
    now: float,
    needs: Sequence[Sequence[int]] | None = None,
) -> Axis:
    """`steps`: (begin, end, usual seconds) of each, in seconds since the build began; end None: it still runs.

    `now`: seconds since the build began. `needs`: of each, the places of those that are over before it begins; None:
    one follows the other. A step to come stands where it would begin if all went as usual.
    """
    needs = needs or [range(max(at - 1, 0), at) for at in range(len(steps))]
    bars: list[tuple[float | None, float | None, float, float | None]] = [(None, None, 0.0, None)] * len(steps)
    ends: dict[int, float] = {}
    waiting = list(range(len(steps)))
    while waiting:
        later = []
        for at in waiting:
            if any(one not in ends for one in needs[at]):
                later.append(at)
                continue
            begin, end, usual = steps[at]
            start = max((ends[one] for one in needs[at]), default=0.0) if begin is None else max(begin, 0.0)
            stop = None if begin is None else max(now if end is None else end, start)
            bars[at] = (None if begin is None else start, stop, start, usual)
            ends[at] = max(start + (usual or 0.0), stop or 0.0) if end is None else (stop or start)
        waiting = later
    longest = max([now, 1.0, *(stop for _, stop, _, _ in bars if stop), *(s + (u or 0.0) for _, _, s, u in bars)])
    step = tick(longest)
    scale = longest * 1.04
    return Axis(
        scale,
        [_span(bar, scale) for bar in bars],
        [
            (_round(at * step / scale * 100), label(at * step, first=not at))
            for at in range(int(scale * 0.94 // step) + 1)
        ],
    )


def tick(longest: float) -> float:
    """A round distance between ticks that gives three to six of them."""
    for step in (0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200):
        if longest / step <= 5:
            return float(step)
    return 86400.0 * math.ceil(longest / 86400 / 5)


def label(seconds: float, *, first: bool = False) -> str:
    if first:
        return "0 s"
    if seconds < 60:
        return f"{seconds:.10g}"
    if seconds < 3600:
        whole = math.floor(seconds)
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{seconds / 3600:.10g} h"


def _span(bar: tuple[float | None, float | None, float, float | None], scale: float) -> Span:
    begin, stop, start, usual = bar
    x = width = usual_x = usual_width = None
    if begin is not None and stop is not None:
        x, width = _round(begin / scale * 100), max(_round((stop - begin) / scale * 100), SMALLEST)
    if usual is not None:
        usual_x, usual_width = _round(start / scale * 100), max(_round(usual / scale * 100), SMALLEST)
    return Span(x, width, usual_x, usual_width)


def _round(value: float) -> float:
    return math.floor(value * 100 + 0.5) / 100
