"""What the board shows: a row for each build, a card for each project."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from django.utils import timezone

from .. import events
from ..models import Build, Project
from ..progress import FEW, spread
from ..queue import Place
from ..states import FINAL, Status
from . import words

SPARK = 12
_SLOT, _FLOOR, _TALLEST, _SHORTEST = 7, 19, 18, 5

_RESTORED = re.compile(r"The board was restored from a backup.*? then; (how it ended|whether it has run since) is not")
"""As `worlds.renew` says it."""


@dataclass(frozen=True)
class Row:
    """One build on a list, in the words of its status."""

    build: Build
    data: dict[str, Any]
    """As in a `build` event."""
    place: Place | None = None
    """Queued: where it stands, and what it waits for."""

    @property
    def json(self) -> str:
        return events.compact(self.data)

    @property
    def step(self) -> str:
        return words.current_step(self.data)

    @property
    def percent(self) -> str:
        return words.percent(self.data["progress"])

    @property
    def fill(self) -> str:
        return f"{(self.data['progress'] or 0) * 100:.2f}%"

    @property
    def left(self) -> str:
        return words.left(self.data["eta_seconds"])

    @property
    def said(self) -> str:
        """What is worth saying beside the project's name."""
        if self.build.reason:
            return self.build.reason
        if self.build.retry_of_id:
            return f"retry of build {self.build.retry_of_id}"
        return self.build.commit_title

    @property
    def ref(self) -> str:
        """What it is of, as people call it."""
        if self.build.pull_request is not None:
            return f"pull request {self.build.pull_request}"
        return self.build.branch or self.build.tag or self.build.ref

    @property
    def whole(self) -> str:
        """What its row may have cut: the whole of it, for who points at it."""
        return " · ".join(filter(None, (self.said, self.ref, self.build.started_by)))

    @property
    def brief(self) -> str:
        """`said` with what became of it first: without the name of the worker, or the time of a backup, which leave no
        room for that."""
        if restored := _RESTORED.match(self.said):
            return f"{restored[1].capitalize()} is not known: the board was restored."
        worker = self.build.worker
        return self.said.replace(f"The worker {worker} ", "Its worker ") if worker else self.said

    @property
    def waits(self) -> str:
        return waits(self.place)

    @property
    def seconds(self) -> float | None:
        """How long it ran; waiting: since when it waits."""
        if self.build.status == Status.QUEUED:
            return (timezone.now() - self.build.created_at).total_seconds()
        return self.build.duration

    @property
    def since(self) -> datetime:
        """From when its figure on the right counts while it goes on."""
        return self.build.started_at or self.build.created_at


def rows(builds: Iterable[Build], places: Mapping[int, Place] | None = None) -> list[Row]:
    """`builds` come with their project and steps fetched."""
    return [Row(build, build.data(list(build.steps.all())), (places or {}).get(build.pk)) for build in builds]


def waits(place: Place | None) -> str:
    """`3rd · 2 builds before it`; empty for a build that does not wait."""
    return f"{words.ordinal(place.position)} · {place.reason}" if place else ""


@dataclass(frozen=True)
class Spark:
    """Bars of the last builds, as SVG paths: those that passed (or go on), and the others, each with a foot."""

    good: str
    bad: str
    running: str
    said: str


@dataclass(frozen=True)
class Card:
    """One project: how it stands, its last builds as bars, its median."""

    project: Project
    newest: Build | None
    """Of its builds: the newest that runs, else the newest."""
    spark: Spark
    median: float | None

    @property
    def status(self) -> str:
        return self.newest.status if self.newest else "pending"


_NEWEST = """SELECT * FROM (
    SELECT id, project_id, status, started_at, finished_at, outside FROM builds_build
    WHERE project_id = %s ORDER BY id DESC LIMIT %s
) AS newest"""
"""A few steps in the index build_project, however long the history is; a part of one query for all projects."""


def card(project: Project) -> Card:
    return cards([project])[0]


def cards(projects: Sequence[Project]) -> list[Card]:
    """In the order of `projects`, 400 at most; one query for all of them."""
    newest: dict[int, list[Build]] = {project.pk: [] for project in projects}
    if newest:
        sql = " UNION ALL ".join([_NEWEST] * len(newest))
        for build in Build.objects.raw(sql, [value for project_id in newest for value in (project_id, SPARK)]):
            newest[build.project_id].append(build)
    return [_card(project, sorted(newest[project.pk], key=_number, reverse=True)) for project in projects]


def _card(project: Project, newest: Sequence[Build]) -> Card:
    passed = [build.duration or 0.0 for build in newest if build.status == Status.PASSED and not build.outside]
    shown = next((build for build in newest if build.status == Status.RUNNING), newest[0] if newest else None)
    return Card(project, shown, spark(newest[::-1]), median(passed) if passed else None)


def _number(build: Build) -> int:
    return build.pk


def spark(builds: Sequence[Build]) -> Spark:
    """`builds`: oldest first, twelve at most; the newest stands at the right."""
    longest = max((build.duration or 0.0 for build in builds), default=0.0) or 1.0
    paths: dict[str, list[str]] = {"good": [], "bad": [], "running": []}
    for slot, build in enumerate(builds, start=SPARK - len(builds)):
        x = 3 + _SLOT * slot
        height = _SHORTEST + round((_TALLEST - _SHORTEST) * (build.duration or 0.0) / longest)
        if build.status == Status.PASSED:
            paths["good"].append(f"M{x} {_FLOOR}v-{height}")
        elif build.status in FINAL:
            paths["bad"].append(f"M{x} {_FLOOR}v-{height}m0 {height + 2}v3")
        else:
            paths["running"].append(f"M{x} {_FLOOR}v-{height}")
    ended = [build.status for build in builds if build.status in FINAL]
    passed = ended.count(Status.PASSED)
    if len(ended) > 1:
        said = f"{passed} of the last {len(ended)} builds passed"
    elif ended:
        said = "its one finished build passed" if passed else "its one finished build did not pass"
    else:
        said = "no finished builds yet" if builds else "no builds yet"
    good, bad, running = ("".join(paths[kind]) for kind in ("good", "bad", "running"))
    return Spark(good, bad, running, said)


def last_durations(build: Build, history: int = 10) -> list[float]:
    """Seconds that the last passed builds of its project before it took, ascending. Builds here and those that ran
    outside say nothing about each other; where one kind hides the other, no more is looked through than this."""
    builds = Build.objects.filter(project=build.project_id, status=Status.PASSED, pk__lt=build.pk).order_by("-id")
    rows = builds.values_list("started_at", "finished_at", "outside")[: 10 * history]
    times = [(begin, end) for begin, end, outside in rows if outside == build.outside][:history]
    return sorted(round(max((end - begin).total_seconds(), 0.0), 3) for begin, end in times)


def usual_range(took: Sequence[float]) -> str:
    """`usually 42–49 s`, from ascending durations; empty where there are fewer than three."""
    if len(took) < FEW:
        return ""
    low, _, high = spread(took)
    if high < 100:
        return f"usually {low:.0f}–{high:.0f} s" if round(low) != round(high) else f"usually {high:.0f} s"
    return f"usually {words.duration(low)} – {words.duration(high)}"
