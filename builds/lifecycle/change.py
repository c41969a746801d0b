"""One change of a build: its row locked, an event, and the board's next revision, in one transaction."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import F

from .. import events, wakes
from ..events import Fact, Lease
from ..models import Board, Build
from ..models.board import new_world


def by_worker(lease: Lease, change: Callable[[Build], Fact]) -> bool:
    """Make a change that is one event, fenced by the lease, and take a revision: all or nothing.

    False: it had landed before.
    """
    with transaction.atomic():
        return store(lease, change)


def store(lease: Lease, change: Callable[[Build], Fact], *, at_once: bool = False) -> bool:
    """The same, inside a transaction. `at_once`: as `revise` takes it."""
    if not events.reserve(lease, 1):
        return False
    fact = change(Build.objects.select_related("project").get(pk=lease.build_id))  # its row is locked by now
    events.put(lease.build_id, lease.head, [fact])
    revise(lease.build_id, at_once=at_once)
    return True


def locked(build_id: int) -> Build:
    """Of anyone but the build's worker: what is decided by its row stays so until the transaction ends."""
    return Build.objects.select_for_update().get(pk=build_id)


def now_of(lease: Lease, build: Build) -> datetime:
    """The time by the worker's own clock: a wall clock that is set meanwhile moves no step, stretches no duration."""
    return (build.started_at or build.created_at) + timedelta(seconds=max(time.monotonic() - lease.since, 0.0))


def as_it_is(build: Build) -> Fact:
    return Fact("build", build.data())


def sentence(text: str, most: int) -> str:
    """`text` as every database takes it: cut, and without NUL and halves of surrogate pairs."""
    return text[:most].replace("\0", "").encode("utf-8", "replace").decode()


_REVISE = """
WITH next AS (
    INSERT INTO builds_board (id, world, revision, horizon) VALUES (1, %s, 1, 0)
    ON CONFLICT (id) DO UPDATE SET revision = builds_board.revision + 1 RETURNING revision
)
UPDATE builds_build SET revision = next.revision FROM next WHERE id = %s RETURNING next.revision
"""


def revise(build_id: int, *, at_once: bool = False) -> None:
    """Give the build the board's next revision. Last in its transaction: every change of any build waits for the
    board's row. On PostgreSQL it is said with the COMMIT, unless `at_once`: then the row is held when this returns.
    """
    if connection.vendor == "postgresql" and not (at_once or connection.savepoint_ids):
        given: list[int] = []
        connection.say_last(_REVISE, [new_world(), build_id], lambda row: given.extend(row or ()))  # type: ignore[attr-defined]
        transaction.on_commit(lambda: wakes.wake(wakes.BOARD, given[0] if given else None))
        return
    revision = next_revision()
    Build.objects.filter(pk=build_id).update(revision=revision)
    transaction.on_commit(partial(wakes.wake, wakes.BOARD, revision))


def next_revision() -> int:
    """The board's. Inside a transaction, which holds the board's row from here on."""
    raised = Board.objects.filter(pk=1).update(revision=F("revision") + 1)
    if not raised:
        Board.get()
        Board.objects.filter(pk=1).update(revision=F("revision") + 1)
    return Board.objects.values_list("revision", flat=True).get(pk=1)
