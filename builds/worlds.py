"""What has to follow when the database is not the one that it was: restored from a backup, or replaced under a process.

`renew()` begins a new world. What the old one did after the backup was made is not known any more, and may not be
repeated or contradicted: so its cursors are void, whether they name their world or not; its running builds are `lost`;
its queued ones do not run by themselves; its workers' leases are gone; and no build gets a number that one of them
may have had.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, connections, transaction
from django.db.models import F, Max

from . import lifecycle, outbox, schedules
from .lifecycle import Refused
from .models import Board, Build, Event, FollowUp, Worker, new_world
from .states import Status

NUMBERS_SKIPPED = 10_000
"""Where nobody knows how many builds the old world has started since, at least so many numbers are left out."""
MOST_NUMBER = 10**12


@dataclass(frozen=True)
class Renewal:
    """What `renew` did. The builds are (number, slug of their project)."""

    world: str
    as_of: datetime | None
    lost: list[tuple[int, str]]
    cancelled: list[tuple[int, str]]
    kept: list[tuple[int, str]]
    next_build: int


def renew(*, keep_queued: bool = False, next_build: int | None = None) -> Renewal:
    """Begin a new world, in one transaction. No worker may be at work meanwhile.

    `keep_queued`: queued builds stay so, and are not cancelled. `next_build`: the number of the next build; None: one
    that the old world has not reached. `Refused` where it is not above every number that was given already.
    """
    first = _next_number(next_build)
    moment = as_of()
    named = f"a backup of {moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "a backup"
    lost, cancelled, kept = [], [], []
    with transaction.atomic():
        # All of them first, the board last: the order in which everyone takes these locks.
        unfinished = Build.objects.filter(status__in=(Status.QUEUED, Status.RUNNING)).order_by("pk")
        unfinished = unfinished.select_for_update(of=("self",)).select_related("project")
        builds = list(unfinished.defer("recipe"))
        world, base = new_world(), _base(builds)
        outbox.void(f"Not sent: the board was restored from {named}, and it may have been sent before.")
        for build in builds:
            _renumber(build, base)
        _void_revisions(world, base)
        for build in builds:
            one = (build.pk, build.project.slug)
            if build.status == Status.RUNNING:
                lifecycle.void(
                    build.pk,
                    f"The board was restored from {named}. This build was running then; how it ended is not known.",
                    at=moment,  # its log goes no further
                )
                lost.append(one)
            elif keep_queued:
                kept.append(one)
            else:
                lifecycle.void(
                    build.pk,
                    f"The board was restored from {named}. This build was queued then; whether it has run since is "
                    "not known. Start it again if it has not.",
                )
                cancelled.append(one)
        Worker.objects.all().delete()
        FollowUp.objects.all().delete()  # whether those builds have been followed since is not known either
        schedules.skip_missed()
        _give_next(first)
    return Renewal(world, moment, lost, cancelled, kept, first)


def as_of() -> datetime | None:
    """The newest moment that the database knows of. Workers give signs of life every second, so this is when it was
    backed up, or when its last change was. None: it has no build."""
    known = Build.objects.aggregate(a=Max("created_at"), b=Max("started_at"), c=Max("finished_at"))
    known |= Event.objects.filter(build__status=Status.RUNNING, seq=F("build__head")).aggregate(d=Max("at"))
    known |= Worker.objects.aggregate(e=Max("seen_at"))
    return max((moment for moment in known.values() if moment is not None), default=None)


def last_number() -> int:
    """The highest number that a build of this database ever had, also of those that are deleted. 0: none yet."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [Build._meta.db_table])
        else:
            cursor.execute(
                "SELECT last_value FROM pg_sequences WHERE format('%%I.%%I', schemaname, sequencename) = "
                "pg_get_serial_sequence(%s, 'id')",
                [Build._meta.db_table],
            )
        given = cursor.fetchone()
    return max(given[0] or 0 if given else 0, Build.objects.aggregate(most=Max("pk"))["most"] or 0)


# --- Inside: numbers ---


def _next_number(wanted: int | None) -> int:
    last = last_number()
    if wanted is None:
        return (last // 1_000 + 1) * 1_000 + NUMBERS_SKIPPED
    if not last < wanted <= MOST_NUMBER:
        raise Refused(f"The next build cannot be number {wanted}: expected {last + 1} to {MOST_NUMBER}.")
    return wanted


def _give_next(number: int) -> None:
    table = Build._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, number - 1])
        else:
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s, false)", [table, number])


def _base(builds: Iterable[Build]) -> int:
    """Above every number that any former world of this database has given, as seq or as revision: the time in
    milliseconds, since none gives a thousand of them a second for long."""
    board = Board.get()
    return max(int(time.time() * 1000), board.revision + 1, *(build.head + 1 for build in builds))


def _renumber(build: Build, base: int) -> None:
    """Its events get numbers from `base` + 1 on. What the old world stored under the numbers that would come next was
    something else; now a cursor of then is below the horizon, wherever it stood."""
    shift = base + 1 - build.horizon
    Event.objects.filter(build=build).update(seq=F("seq") + shift)
    Build.objects.filter(pk=build.pk).update(head=F("head") + shift, horizon=base + 1)


def _void_revisions(world: str, base: int) -> None:
    """The board's cursors of before are below its horizon."""
    Board.objects.filter(pk=1).update(world=world, revision=base, horizon=base)


# --- A file that was replaced ---


def leave_replaced() -> bool:
    """Close this thread's connections to an SQLite file that is not at its place any more, so that the next query
    finds the one that is: a connection goes on reading, and writing, the file that it has opened, whatever became of
    its name. Costs a microsecond; called about every second by whoever keeps connections. Whether there was one.
    """
    left = False
    for one in connections.all(initialized_only=True):
        opened = getattr(one, "opened_file", None)  # of SQLite's alone
        if opened is None or one.connection is None or one.in_atomic_block:
            continue
        # Nothing there yet: the next connection would make an empty one.
        if one.file() not in (opened, None):  # type: ignore[attr-defined]
            one.close()
            left = True
    return left
