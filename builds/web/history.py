"""How a project's builds went of late: results, durations, waits, steps. The page and the API say the same figures.

Two queries, whatever the number of builds: the newest LOOKED_AT finished ones, and the steps of the newest WINDOW. One
more where some ran outside, since those are in no figure. What is computed is pure. Times are seconds, shares 0–1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from ..models import Project, Step
from ..models.shared import seconds_between
from ..states import Status

LOOKED_AT = 200
"""Finished builds that any figure is of, at most."""
LOOKED_THROUGH = 1_000
"""Where some of those ran outside: so many are looked through for others."""
WINDOW = 50
"""Those that "the last builds" are; they are compared with as many before them."""
GROUP = 20
"""Builds of one bar of the pass rate."""
LEAST = 5
"""With fewer builds than this before them, the last ones are compared with nothing."""


class Run(NamedTuple):
    """One finished build."""

    number: int
    status: str
    ref: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime
    outside: bool = False

    @property
    def duration(self) -> float | None:
        """None: it never began."""
        return seconds_between(self.started_at, self.finished_at)

    @property
    def waited(self) -> float | None:
        """In the queue; None: it never left it."""
        return seconds_between(self.created_at, self.started_at) if self.started_at else None

    @property
    def counts(self) -> bool:
        """Whether it says something about the project: one that was cancelled does not."""
        return self.status != Status.CANCELLED


class StepRun(NamedTuple):
    """One step that passed or failed."""

    build: int
    name: str
    status: str
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class Spread:
    """Of so many values: the middle, where nine of ten are above, where nine of ten are below, and the largest."""

    count: int
    median: float
    low: float
    high: float
    most: float


class Rate(NamedTuple):
    passed: int
    counted: int
    """Those that passed, failed or were lost."""

    @property
    def share(self) -> float | None:
        return self.passed / self.counted if self.counted else None


class Group(NamedTuple):
    """Builds that follow each other, without those that were cancelled."""

    first: int
    last: int
    rate: Rate


@dataclass(frozen=True)
class StepFigures:
    name: str
    took: Spread | None
    """Of the runs in which it passed; None: it has not."""
    failed: int


class Failing(NamedTuple):
    """The step that fails most often."""

    name: str
    failed: int
    last: int
    """The newest build in which it failed."""


@dataclass(frozen=True)
class Figures:
    looked_at: list[Run] = field(default_factory=list)
    """Oldest first."""
    steps: list[StepFigures] = field(default_factory=list)
    """The slowest first; those that have not passed yet last, in the order of the recipe."""
    fails_most: Failing | None = None
    newest: str = ""
    """The status of the newest finished build, wherever it ran; empty: there is none."""
    outside: int = 0
    """So many of those that were looked through ran outside, and are in none of the figures."""

    @property
    def runs(self) -> list[Run]:
        return self.looked_at[-WINDOW:]

    @property
    def before(self) -> list[Run]:
        """As many builds before those, or fewer."""
        return self.looked_at[-2 * WINDOW : -WINDOW]

    @property
    def rate(self) -> Rate:
        return rate(self.runs)

    @property
    def rate_before(self) -> Rate | None:
        """None: too few to compare with."""
        found = rate(self.before)
        return found if found.counted >= LEAST else None

    @property
    def duration(self) -> Spread | None:
        """Of those that passed."""
        return spread(durations(self.runs))

    @property
    def duration_before(self) -> Spread | None:
        found = spread(durations(self.before))
        return found if found and found.count >= LEAST else None

    @property
    def waits(self) -> Spread | None:
        return spread([run.waited for run in self.runs if run.waited is not None])

    @property
    def groups(self) -> list[Group]:
        return groups(self.looked_at)


def figures(project: Project, names: Sequence[str] = ()) -> Figures:
    """`names`: the steps of its recipe, so that those that were not run yet are there, too."""
    everywhere = recent(project)
    found = [run for run in everywhere if not run.outside][-LOOKED_AT:]
    made = of_runs(found, steps_of(run.number for run in found[-WINDOW:]), names)
    newest = everywhere[-1].status if everywhere else ""
    return replace(made, newest=newest, outside=sum(run.outside for run in everywhere))


def recent(project: Project) -> list[Run]:
    """The newest finished builds, oldest first, with those that ran outside. `finished_at` and not `status` is asked
    for: no index has that, so both databases walk the project's builds from the newest on and stop."""
    newest = project.builds.filter(finished_at__isnull=False).order_by("-id")
    fields = ("pk", "status", "ref", "created_at", "started_at", "finished_at", "outside")
    found = [Run(*row) for row in newest.values_list(*fields)[:LOOKED_AT]]
    if any(run.outside for run in found):
        found = [Run(*row) for row in newest.values_list(*fields)[:LOOKED_THROUGH]]
    return found[::-1]


def steps_of(builds: Iterable[int]) -> list[StepRun]:
    ended = Step.objects.filter(build__in=list(builds), status__in=(Status.PASSED, Status.FAILED)).order_by()
    return [StepRun(*row) for row in ended.values_list("build_id", "name", "status", "started_at", "finished_at")]


# --- Pure ---


def of_runs(runs: Sequence[Run], ended: Iterable[StepRun], names: Sequence[str] = ()) -> Figures:
    """`runs`: oldest first."""
    took: dict[str, list[float]] = {name: [] for name in names}
    failed: dict[str, list[int]] = {}
    for step in ended:
        mine = took.setdefault(step.name, [])
        if step.status == Status.PASSED:
            mine.append(seconds_between(step.started_at, step.finished_at) or 0.0)
        else:
            failed.setdefault(step.name, []).append(step.build)
    steps = [StepFigures(name, spread(values), len(failed.get(name, ()))) for name, values in took.items()]
    steps.sort(key=lambda step: -(step.took.median if step.took else -1.0))
    worst = max(failed, key=lambda name: (len(failed[name]), max(failed[name])), default=None)
    most = Failing(worst, len(failed[worst]), max(failed[worst])) if worst is not None else None
    return Figures(list(runs), steps, most)


def rate(runs: Iterable[Run]) -> Rate:
    counted = [run.status == Status.PASSED for run in runs if run.counts]
    return Rate(sum(counted), len(counted))


def durations(runs: Iterable[Run]) -> list[float]:
    """Of those that passed: the others end early, and say nothing about how long it takes."""
    return [run.duration or 0.0 for run in runs if run.status == Status.PASSED]


def spread(values: Sequence[float]) -> Spread | None:
    """None: there are none."""
    if not values:
        return None
    ordered = sorted(values)
    middle, low, high = (percentile(ordered, share) for share in (0.5, 0.1, 0.9))
    return Spread(len(ordered), middle, low, high, ordered[-1])


def percentile(ordered: Sequence[float], share: float) -> float:
    """Between the two values that lie around it. `ordered`: at least one, the smallest first."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def groups(runs: Sequence[Run]) -> list[Group]:
    """GROUP builds each, counted from the newest on; the oldest group may have fewer. Oldest first."""
    counted = [run for run in runs if run.counts]
    found = []
    for end in range(len(counted), 0, -GROUP):
        part = counted[max(end - GROUP, 0) : end]
        found.append(Group(part[0].number, part[-1].number, rate(part)))
    return found[::-1]
