"""Where the points of a project's plots lie, and what each says. Pure: figures in, numbers for SVG attributes out.

Across, a place is percent of the drawing; down, pixels from its top. Time goes from left to right by builds, not by
the clock: a night without builds leaves no gap. The page draws them without script; `static/builds/plot.js` only
points at them.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..states import Status
from . import words
from .axis import tick
from .history import Figures, Group, Run, Spread, durations, spread

HEIGHT = 192
"""Of the plot of durations with the waits below it."""
TOP, FLOOR = 18, 126
"""Durations lie between these: the axis ends at the one, and zero is the other."""
WAIT_TOP, WAIT_FLOOR = 156, 186
RATE_HEIGHT, RATE_TOP, RATE_FLOOR = 168, 20, 160
SLOTS = 12
"""A plot has at least so many places; the newest build has the last."""
USUAL_OF = 20
"""The line and the band at a build are of so many passed builds up to it."""
USUAL_LEAST = 3
BEYOND = 3.0
"""A value so many times as high as all but the highest twentieth would make the rest flat: it lies beyond the axis."""
RATE_SLOTS = 10
_BAR = 0.7


@dataclass(frozen=True)
class Scale:
    """An axis from zero up."""

    most: float
    """What its upper end stands for."""
    ticks: list[tuple[float, str]]
    """Value and label."""
    beyond: list[float]
    """The values that lie above its end."""

    def down(self, value: float, top: float, floor: float) -> float:
        """Pixels from the top of the drawing; what lies beyond the axis stands at its end."""
        return _round(floor - (floor - top) * min(value / self.most, 1.0))


@dataclass(frozen=True)
class Point:
    """One build."""

    run: Run
    x: float
    left: float
    """Where its bar begins, below."""
    y: float | None
    """None: it never began."""
    is_beyond: bool
    wait_y: float | None
    """The top of its bar below; None: it never left the queue."""
    said: str

    @property
    def passed(self) -> bool:
        return self.run.status == Status.PASSED

    @property
    def wait_height(self) -> float:
        return 0.0 if self.wait_y is None else _round(WAIT_FLOOR - self.wait_y)


@dataclass(frozen=True)
class Durations:
    """The last builds: how long each ran, and below it how long it waited."""

    points: list[Point] = field(default_factory=list)
    line: str = ""
    """The median, as the points of a polyline; empty where there are too few builds."""
    band: str = ""
    """Where eight of ten lie, as a polygon."""
    ticks: list[tuple[float, str]] = field(default_factory=list)
    """Pixels down, and label."""
    wait_ticks: list[tuple[float, str]] = field(default_factory=list)
    beyond: str = ""
    """What lies beyond an axis, in words."""
    bar: float = 0.0
    """Width of a bar of the waits."""


@dataclass(frozen=True)
class RateBar:
    group: Group
    x: float
    """Its middle."""
    left: float
    width: float
    split: float
    """Pixels down: above it what passed, below it what did not."""
    percent: str
    said: str

    @property
    def number(self) -> str:
        """The percent without its sign: there is little room above a bar."""
        return self.percent.removesuffix(" %")

    @property
    def before(self) -> int:
        """The history before this number begins with its newest build."""
        return self.group.last + 1

    @property
    def passed_height(self) -> float:
        return _round(self.split - RATE_TOP)

    @property
    def failed_height(self) -> float:
        return _round(RATE_FLOOR - self.split)


def draw_durations(figures: Figures) -> Durations:
    runs = figures.runs
    if not runs:
        return Durations()
    axis = scale([run.duration for run in runs if run.duration is not None])
    waits = scale([run.waited for run in runs if run.waited is not None], most_ticks=2)
    slots = max(len(runs), SLOTS)
    bar = _round(100 / slots * _BAR)
    points = [_point(run, _middle(slots - len(runs) + at, slots), bar, axis, waits) for at, run in enumerate(runs)]
    usual = _usual(figures.looked_at, len(runs))
    known = [(point.x, found) for point, found in zip(points, usual, strict=True) if found is not None]
    if len(known) < 2:
        known = []
    return Durations(
        points,
        _path((x, axis.down(found.median, TOP, FLOOR)) for x, found in known),
        _path(
            [
                *((x, axis.down(found.high, TOP, FLOOR)) for x, found in known),
                *((x, axis.down(found.low, TOP, FLOOR)) for x, found in reversed(known)),
            ]
        ),
        [(axis.down(value, TOP, FLOOR), text) for value, text in axis.ticks],
        [(waits.down(value, WAIT_TOP, WAIT_FLOOR), text) for value, text in waits.ticks if value],
        _beyond(axis, waits),
        bar,
    )


def draw_rates(groups: Sequence[Group]) -> list[RateBar]:
    slots = max(len(groups), RATE_SLOTS)
    bars = []
    for at, group in enumerate(groups, start=slots - len(groups)):
        share = group.rate.share or 0.0
        width = 100 / slots
        bars.append(
            RateBar(
                group,
                _middle(at, slots),
                _round((at + (1 - _BAR) / 2) * width),
                _round(width * _BAR),
                _round(RATE_TOP + (RATE_FLOOR - RATE_TOP) * share),
                words.percent(share),
                f"{_named(group)} · {group.rate.passed} of {group.rate.counted} passed · {words.percent(share)}",
            )
        )
    return bars


def scale(values: Sequence[float], most_ticks: int = 4) -> Scale:
    """From zero to the largest of `values`, unless that is an extreme: see BEYOND."""
    ordered = sorted(values)
    kept = ordered[: len(ordered) - max(len(ordered) // 20, 1)] or ordered
    limit = kept[-1] * BEYOND if kept and kept[-1] > 0 else math.inf
    most = max([value for value in ordered if value <= limit], default=0.0) or 1.0
    step = tick(most)
    while math.ceil(most / step) > most_ticks:
        step = tick(step * 5.01)
    end = max(math.ceil(most / step), 1)
    beyond = [value for value in ordered if value > limit and value > end * step]  # the last tick may reach as far
    return Scale(end * step, [(at * step, label(at * step, step)) for at in range(end + 1)], beyond)


def label(seconds: float, step: float) -> str:
    """In the largest unit that the distance between two ticks is a whole number of."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if step % size == 0:
            return f"{seconds / size:.10g} {unit}"
    return f"{seconds:.10g} s"


# --- In words ---


def said(run: Run) -> str:
    """`Build 42 · passed · 44 s · waited 3 s · 24 Nov 2026 12:40 UTC`."""
    parts = [f"Build {run.number}", run.status]
    if run.duration is not None:
        parts.append(words.duration(run.duration, fine=True))
    if run.waited is not None:
        parts.append(f"waited {words.duration(run.waited)}")
    return " · ".join([*parts, moment(run.finished_at)])


def moment(at: datetime) -> str:
    return f"{at.day} {at:%b %Y %H:%M} UTC"


def between(found: Spread) -> str:
    """`42–49 s`: where eight of ten lie."""
    low, high = found.low, found.high
    if high < 100:
        return f"{low:.0f}–{high:.0f} s" if round(low) != round(high) else f"{high:.0f} s"
    texts = words.duration(low), words.duration(high)
    return " – ".join(texts) if texts[0] != texts[1] else texts[0]


def longer(figures: Figures) -> str:
    """`3 s longer than the 50 before`; empty where there is nothing to compare with."""
    now, before = figures.duration, figures.duration_before
    if now is None or before is None:
        return ""
    by = now.median - before.median
    than = f"the {before.count} before"
    if abs(by) < max(1.0, 0.02 * before.median):
        return f"as {than}"
    return f"{words.duration(abs(by))} {'longer' if by > 0 else 'shorter'} than {than}"


def more(figures: Figures) -> str:
    """`6 points more than the 50 before`; empty where there is nothing to compare with."""
    now, before = figures.rate.share, figures.rate_before
    if now is None or before is None:
        return ""
    by = round(100 * (now - (before.share or 0.0)))
    than = f"the {before.counted} before"
    return f"{words.count(abs(by), 'point')} {'more' if by > 0 else 'less'} than {than}" if by else f"as {than}"


def counted(figures: Figures) -> str:
    """`47 of 50`, and how many are left out."""
    rate, cancelled = figures.rate, len(figures.runs) - figures.rate.counted
    text = f"{rate.passed} of {rate.counted}"
    return f"{text}, {cancelled} cancelled left out" if cancelled else text


# --- Inside ---


def _point(run: Run, x: float, bar: float, axis: Scale, waits: Scale) -> Point:
    took, waited = run.duration, run.waited
    return Point(
        run,
        x,
        _round(x - bar / 2),
        None if took is None else axis.down(took, TOP, FLOOR),
        took is not None and took > axis.most,
        None if waited is None else min(waits.down(waited, WAIT_TOP, WAIT_FLOOR), WAIT_FLOOR - 1),
        said(run),
    )


def _usual(looked_at: Sequence[Run], shown: int) -> list[Spread | None]:
    """At each of the last `shown` builds: of the passed ones up to it."""
    newest: deque[float] = deque(maxlen=USUAL_OF)
    found: list[Spread | None] = []
    for at, run in enumerate(looked_at):
        newest.extend(durations([run]))
        if at >= len(looked_at) - shown:
            found.append(spread(newest) if len(newest) >= USUAL_LEAST else None)
    return found


def _beyond(axis: Scale, waits: Scale) -> str:
    return "; ".join(filter(None, (_how_far(axis), _how_far(waits, "wait"))))


def _how_far(axis: Scale, what: str = "") -> str:
    """In few words: it stands in one line with the numbers of the first and the last build."""
    many = len(axis.beyond)
    if not many:
        return ""
    who = words.count(many, what) if what else f"{many}"
    return f"{who} beyond{', up to' if many > 1 else ':'} {words.duration(axis.beyond[-1])}"


def _named(group: Group) -> str:
    return f"Builds {group.first}–{group.last}" if group.first != group.last else f"Build {group.first}"


def _middle(at: int, slots: int) -> float:
    return _round((at + 0.5) * 100 / slots)


def _path(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _round(value: float) -> float:
    return math.floor(value * 100 + 0.5) / 100
