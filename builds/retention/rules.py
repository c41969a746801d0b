"""Which builds' logs are due: to be compacted, and to be pruned, by age, by count and by the rules that keep them.

The log of a build that is over is pruned when it ended longer ago than `keep_days`, or stands beyond its project's
newest `keep_builds` builds. Never, whatever those say: of a build that someone marked as kept, of the project's newest
BUILDBOARD_KEEP_LEAST builds, and of its last passed one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from ..models import Build, Project
from ..states import Status


class Ended(NamedTuple):
    """What the rules ask of a build that is over."""

    id: int
    finished_at: datetime
    kept: bool = False


@dataclass(frozen=True)
class Rules:
    """What the rules come to for one project at one moment. Builds are compared by their numbers."""

    days: int
    """Logs are kept for so many days; 0: whatever their age."""
    builds: int
    """Logs of so many builds are kept; 0: of any number."""
    now: datetime
    beyond: int = 0
    """Numbers up to this one stand beyond the newest `builds`."""
    least: int = 0
    """Numbers above this one are of the newest few, and stay."""
    passed: int = 0
    """The number of the last passed build, which stays."""

    @property
    def old(self) -> datetime:
        """What ended no later goes by its age."""
        return self.now - timedelta(days=self.days)

    def why(self, build: Ended) -> str:
        """Why its log is to be pruned, as part of a sentence; empty: it stays."""
        if build.kept or build.id > self.least or build.id == self.passed:
            return ""
        if self.days and build.finished_at <= self.old:
            return "one day after it ended" if self.days == 1 else f"{self.days:,} days after it ended"
        if self.builds and build.id <= self.beyond:
            newer = "a newer build" if self.builds == 1 else f"{self.builds:,} newer builds"
            return f"since its project has {newer}"
        return ""


class Due(NamedTuple):
    build_id: int
    project: str
    """Its slug."""
    why: str
    """Prune it, for this reason; empty: compact it."""
    rest: bool = False
    """Only finish what was begun: delete the rows that nobody reads any more."""


def due(project: Project | None = None, *, compact_only: bool = False, again: bool = False) -> Iterator[Due]:
    """What there is to do, of one project or of all: first what was begun, then what goes, then what is compacted,
    each from the oldest on. `again`: also those that could not be compacted before.
    """
    builds = Build.objects.filter(project=project) if project else Build.objects.all()
    for build_id, slug in _numbered(builds.filter(log_rest=True)):
        yield Due(build_id, slug, "", rest=True)
    going = set()
    if not compact_only:
        for one in [project] if project else Project.objects.order_by("pk"):
            for each in to_prune(one):
                going.add(each.build_id)
                yield each
    ended = timezone.now() - timedelta(hours=settings.BUILDBOARD_COMPACT_HOURS)
    waiting = builds.filter(compacted_at__isnull=True, pruned_at__isnull=True, finished_at__lte=ended)
    for build_id, slug in _numbered(waiting if again else waiting.filter(log_note="")):
        if build_id not in going:
            yield Due(build_id, slug, "")


def to_prune(project: Project) -> Iterator[Due]:
    rules = rules_of(project)
    if not (rules.days or rules.beyond):
        return
    logs = project.builds.filter(pruned_at__isnull=True, finished_at__isnull=False, kept=False, pk__lte=rules.least)
    # Each rule for itself, by an index of its own: both at once would read all logs that are there.
    by_count: Any = logs.filter(pk__lte=rules.beyond).values_list("pk", "finished_at", "kept")
    by_age: Any = logs.filter(finished_at__lte=rules.old).values_list("pk", "finished_at", "kept") if rules.days else ()
    for row in sorted({*by_count, *by_age}):
        build = Ended(*row)
        why = rules.why(build)
        if why:
            yield Due(build.id, project.slug, why)


def with_old_files(project: Project | None = None) -> list[int]:
    """Numbers of the builds whose artifacts are due, before their logs are: those that ended
    BUILDBOARD_KEEP_ARTIFACT_DAYS ago or longer, without those that are kept."""
    days = settings.BUILDBOARD_KEEP_ARTIFACT_DAYS
    if not days:
        return []
    builds = Build.objects.filter(project=project) if project else Build.objects.all()
    ended = timezone.now() - timedelta(days=days)
    return [pk for pk, _ in _numbered(builds.filter(artifact_count__gt=0, kept=False, finished_at__lte=ended))]


def rules_of(project: Project) -> Rules:
    """As they stand now. A project's own numbers win over the board's."""
    days = settings.BUILDBOARD_KEEP_DAYS if project.keep_days is None else project.keep_days
    builds = settings.BUILDBOARD_KEEP_BUILDS if project.keep_builds is None else project.keep_builds
    passed = project.builds.filter(status=Status.PASSED).order_by("-pk").values_list("pk", flat=True).first()
    return Rules(
        days,
        builds,
        timezone.now(),
        beyond=_nth(project, builds) if builds else 0,
        least=_nth(project, settings.BUILDBOARD_KEEP_LEAST),
        passed=passed or 0,
    )


def _nth(project: Project, newer: int) -> int:
    """The number of the project's build that has so many newer ones beside it; 0: it has not so many builds."""
    found = project.builds.order_by("-pk").values_list("pk", flat=True)[newer : newer + 1]
    return next(iter(found), 0)


def _numbered(builds: QuerySet[Build]) -> list[tuple[int, str]]:
    # Sorted here: asked for that, SQLite would walk through all builds by their number.
    return sorted(builds.order_by().values_list("pk", "project__slug"))
