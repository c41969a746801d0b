"""Which queued build a worker takes next, and what each of the others waits for.

A worker takes, of the builds whose labels it has and whose limits leave room, one of the project that runs the fewest,
and of those the oldest: so that a project with many builds does not hold up another's one. Within a project the order
is that of age.

The queued builds of one project that need the same labels are a *lane*: a worker takes all of it or none of it, so only
the oldest of each lane is ever looked at, and a long queue costs no more than a short one.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Count

from . import beats, labels
from .models import Build, Project, Worker
from .states import Status


class Busy(Exception):
    """Another worker is about to take a build of the same project, or just has: look at others first."""


class Full(Exception):
    """The board runs as many builds as it may."""


# --- For the worker that asks for a build ---


class Candidate(NamedTuple):
    """A project with a build for this worker, as it stood when it was looked at."""

    running: int
    """How many of its builds run: fewest first."""
    build_id: int
    """The oldest one for this worker: of equals, the project whose build is older."""
    project_id: int


def candidates(own: str) -> list[Candidate]:
    """Where a worker with the labels `own` may take a build, best first. Takes no locks, and so promises nothing."""
    oldest = _oldest(own, _lanes())
    if not oldest:
        return []
    running = _running()
    if 0 < settings.BUILDBOARD_MAX_RUNNING <= sum(running.values()):
        return []
    limited = Project.objects.filter(pk__in=oldest, max_running__isnull=False)
    limits = dict(limited.values_list("pk", "max_running"))
    found = [Candidate(running[project_id], build_id, project_id) for project_id, build_id in oldest.items()]
    return sorted(one for one in found if one.running < limits.get(one.project_id, one.running + 1))


def hold(candidate: Candidate, own: str, *, wait: bool) -> int | None:
    """Inside a transaction: lock the project, so that its limit holds, and look again; the build to take.

    None: there is none for this worker any more, or the project runs as many as it may. `Busy`: another worker has the
    project locked, or has taken one of its builds since it was looked at; told to `wait`, only where it has changed.

    Whoever waits for a project without a limit only sees to it that it has none, and locks the first build that
    nobody else has: a crowd that waited for one row would be let in one after the other, each with all that a claim
    writes, and the last of two hundred after longer than a lease.
    """
    if wait and _has_no_limit(candidate.project_id):
        return _first_free(candidate.project_id, own)
    project = Project.objects.select_for_update(no_key=True, skip_locked=not wait).filter(pk=candidate.project_id)
    limit = project.values_list("max_running").first()
    if limit is None:
        raise Busy
    running = Build.objects.on_workers().filter(project=candidate.project_id).count()
    if limit[0] is not None and running >= limit[0]:
        return None
    if running > candidate.running and not wait:
        raise Busy
    return _oldest(own, _lanes(candidate.project_id)).get(candidate.project_id)


def _has_no_limit(project_id: int) -> bool:
    """Nor gets one before this transaction ends, where others may say the same of it meanwhile. `Busy`: it just has."""
    if not Project.objects.filter(pk=project_id, max_running__isnull=True).exists():
        return False
    if connection.vendor == "postgresql":  # else a transaction is alone
        with connection.cursor() as cursor:
            cursor.execute("SELECT max_running FROM builds_project WHERE id = %s FOR SHARE", [project_id])
            if cursor.fetchone() != (None,):
                raise Busy  # to lock it now, as others would who have the same lock, could end with none of them
    return True


def _first_free(project_id: int, own: str) -> int | None:
    """The oldest build of that project for this worker that no other is about to take."""
    fitting = [lane.runs_on for lane in _lanes(project_id) if labels.fits(lane.runs_on, own)]
    queued = Build.objects.queued().filter(project=project_id)
    queued = queued.filter(runs_on=fitting[0]) if len(fitting) == 1 else queued.filter(runs_on__in=fitting)
    free = queued.select_for_update(no_key=True, skip_locked=True).order_by("pk")
    return free.values_list("pk", flat=True).first()


def check_total() -> None:
    """Inside a transaction that has claimed a build and holds the board's row: `Full` where it is one too many."""
    most = settings.BUILDBOARD_MAX_RUNNING
    if most and Build.objects.on_workers().count() > most:
        raise Full


class Lane(NamedTuple):
    build_id: int
    """The oldest of it."""
    project_id: int
    runs_on: str


_LANES = """
WITH RECURSIVE lane (build_id, project_id, runs_on) AS (
    SELECT {first}
    UNION ALL
    SELECT {next} FROM lane WHERE build_id IS NOT NULL
)
SELECT build_id, project_id, runs_on FROM lane WHERE build_id IS NOT NULL
"""
"""From each lane's first build straight to the next lane's: a few steps in the index build_lane for each."""
_OLDEST = "(SELECT {column} FROM builds_build WHERE status = 'queued' {where} ORDER BY project_id, runs_on, id LIMIT 1)"
_SAME_PROJECT = "AND project_id = lane.project_id AND runs_on > lane.runs_on"
_NEXT_PROJECT = "AND project_id > lane.project_id"


def _lanes(project_id: int | None = None) -> list[Lane]:
    """Of that project, or all."""
    if project_id is None:
        sql = _LANES.format(first=_columns(""), next=_columns(_SAME_PROJECT, _NEXT_PROJECT))
    else:
        sql = _LANES.format(first=_columns("AND project_id = %s"), next=_columns(_SAME_PROJECT))
    with connection.cursor() as cursor:
        cursor.execute(sql, [] if project_id is None else [project_id] * 3)
        return [Lane(*row) for row in cursor.fetchall()]


def _columns(*wheres: str) -> str:
    """Of the oldest build where the first of `wheres` finds one. Each column is looked up for itself, and no two are
    compared together: a database might read the whole lane or table for either."""
    columns = []
    for column in ("id", "project_id", "runs_on"):
        found = [_OLDEST.format(column=column, where=where) for where in wheres]
        columns.append(f"COALESCE({', '.join(found)})" if len(found) > 1 else found[0])
    return ", ".join(columns)


def _oldest(own: str, lanes: Iterable[Lane]) -> dict[int, int]:
    """By project: its oldest build that a worker with the labels `own` may take."""
    found: dict[int, int] = {}
    for lane in lanes:
        if labels.fits(lane.runs_on, own):
            found[lane.project_id] = min(lane.build_id, found.get(lane.project_id, lane.build_id))
    return found


def _running() -> Counter[int]:
    """How many builds run, by project."""
    rows = Build.objects.on_workers().order_by().values_list("project").annotate(Count("pk"))
    return Counter(dict(rows))


# --- For those who look at the queue ---


class Waiting(NamedTuple):
    """A queued build."""

    build_id: int
    project_id: int
    runs_on: str


class Place(NamedTuple):
    """Where a queued build stands."""

    position: int
    """From 1, in the order in which they are likely to be taken."""
    reason: str
    """What it waits for, in a few words."""
    stuck: bool
    """No worker will take it, however long it waits: someone has to do something."""


@dataclass(frozen=True)
class Outlook:
    """The workers and the queue, at one moment."""

    workers: list[Worker]
    """Those that live."""
    busy: int
    """How many of them run a build."""
    places: dict[int, Place]
    """Of every queued build."""
    waiting: Sequence[Waiting] = ()
    """Those builds, oldest first."""

    @property
    def draining(self) -> int:
        return sum(worker.draining for worker in self.workers)

    @property
    def noted(self) -> list[Worker]:
        """Those that take no builds just now, and say why."""
        return [worker for worker in self.workers if worker.note and not worker.draining]

    def of(self, project_id: int) -> list[int]:
        """The numbers of its builds that wait."""
        return [one.build_id for one in self.waiting if one.project_id == project_id]

    def why_stuck(self, runs_on: str) -> str:
        """Why no living worker takes what needs the labels `runs_on`; empty: one does."""
        return _Crew(self.workers, ()).stuck(runs_on)


def outlook() -> Outlook:
    """Four queries; reads the whole queue, which BUILDBOARD_MAX_QUEUED bounds."""
    alive = beats.living()
    runs = list(Build.objects.on_workers().values_list("project_id", "worker"))
    waiting = [Waiting(*row) for row in Build.objects.queued().values_list("pk", "project_id", "runs_on")]
    limits = dict(Project.objects.filter(max_running__isnull=False).values_list("pk", "max_running")) if waiting else {}
    busy = {worker for _, worker in runs} & {worker.name for worker in alive}
    running = Counter(project_id for project_id, _ in runs)
    return Outlook(alive, len(busy), places(waiting, running, limits, alive, busy), waiting)


def place(build: Build) -> Place | None:
    """None: it does not wait."""
    return outlook().places.get(build.pk) if build.status == Status.QUEUED else None


def places(
    waiting: Sequence[Waiting],
    running: Mapping[int, int],
    limits: Mapping[int, int | None],
    workers: Sequence[Worker],
    busy: Collection[str],
) -> dict[int, Place]:
    """Of each queued build; `waiting`: oldest first. `running`, `limits`: by project. `busy`: names of workers.

    First those that may start as soon as there is a worker, then those whose project runs as many as it may, then
    those that no worker takes.
    """
    crew = _Crew(workers, busy)
    ranks: Counter[tuple[int, bool]] = Counter()
    ordered = []
    for one in waiting:
        stuck = crew.stuck(one.runs_on)
        rank = ranks[one.project_id, not stuck]
        ranks[one.project_id, not stuck] += 1
        runs, limit = running.get(one.project_id, 0), limits.get(one.project_id)
        held = "" if limit is None or runs + rank < limit else _held("its project", runs, limit)
        # The greedy choice of the project that runs the fewest, over and over, is this order.
        ordered.append(((2 if stuck else 1 if held else 0), runs + rank, one.build_id, one.runs_on, stuck or held))
    total, most = sum(running.values()), settings.BUILDBOARD_MAX_RUNNING
    found = {}
    for position, (kind, _, build_id, runs_on, why) in enumerate(sorted(ordered), start=1):
        if not why and most and total + position > most:
            why = _held("the board", total, most)
        found[build_id] = Place(position, why or crew.turn(runs_on), kind == 2)
    return found


class _Crew:
    """The living workers, as those that wait see them."""

    def __init__(self, workers: Sequence[Worker], busy: Collection[str]) -> None:
        self._workers = workers
        self._taking = [worker for worker in workers if worker.takes_builds]
        self._free = [worker for worker in self._taking if worker.name not in busy]
        self._before: Counter[frozenset[str]] = Counter()
        """How many builds so far, by the workers that may take them."""
        self._starting: Counter[frozenset[str]] = Counter()
        """How many of those start now."""
        self._stuck: dict[str, str] = {}
        self._fitting: dict[str, frozenset[str]] = {}

    def stuck(self, runs_on: str) -> str:
        """Why no living worker takes what needs `runs_on`; empty: one does."""
        if runs_on not in self._stuck:
            self._stuck[runs_on] = self._why_stuck(runs_on)
        return self._stuck[runs_on]

    def turn(self, runs_on: str) -> str:
        """Of builds in the order in which they are taken: when it is this one's turn."""
        if runs_on not in self._fitting:
            fitting = (worker.name for worker in self._taking if labels.fits(runs_on, worker.labels))
            self._fitting[runs_on] = frozenset(fitting)
        mine = self._fitting[runs_on]
        before = sum(number for others, number in self._before.items() if others & mine)
        starting = sum(number for others, number in self._starting.items() if others & mine)
        self._before[mine] += 1
        free = next((worker for worker in self._free if worker.name in mine), None)
        if free is not None:
            self._free.remove(free)
            self._starting[mine] += 1
            return "starts now"
        if before == starting:
            return "next free worker"
        return f"{before:,} build{'' if before == 1 else 's'} before it"

    def _why_stuck(self, runs_on: str) -> str:
        if not self._workers:
            return "no worker is running"
        fitting = [worker for worker in self._workers if labels.fits(runs_on, worker.labels)]
        if not fitting:
            return self._who_lacks(runs_on)
        if any(worker.takes_builds for worker in fitting):
            return ""
        noted = [worker.note for worker in fitting if not worker.draining]
        one = len(fitting) == 1
        who = f"the worker{'' if one else 's'}"
        if len(fitting) < len(self._workers):
            who += f" with {labels.named(runs_on.split())}"
        if noted:
            return f"{who} take{'s' if one else ''} no builds: {noted[0].rstrip('.')}"
        return f"{who} {'is' if one else 'are'} draining"

    def _who_lacks(self, runs_on: str) -> str:
        known = {label for worker in self._workers for label in worker.labels.split()}
        needed = runs_on.split()
        missing = [label for label in needed if label not in known]
        count = len(self._workers)
        live = f"({count} worker{' lives' if count == 1 else 's live'})"
        return f"no living worker has {labels.named(missing or needed)} {'' if missing else 'together '}{live}"


def _held(who: str, running: int, limit: int) -> str:
    return f"{who} already runs {running} of {limit}" if running >= limit else f"{who} runs {limit} at a time"
