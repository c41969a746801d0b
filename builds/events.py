"""The log of each build: the only reader and writer of `Event` (with `cuts.py`, for what is not kept, `silences.py`,
which looks at its times, `printed.py` and `search/`, which read text), until `retention/` deletes what is old.

Numbers are taken under the build's row lock, in the transaction that inserts the rows, so commit order is number order
and no number is missing. While a build is leased, every write names the lease's token and the head it expects: a worker
that lost its lease writes nothing more, and one whose commit landed while its answer was lost learns just that.
"""

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from . import cuts, landmarks, logrows, telling, wakes
from .landmarks import Landmark
from .models import Board, Build, Event, Step
from .states import FINAL, Status
from .telling import Around

MAX_CHUNK_LINES = 1_000
"""At most so many lines in one `log` event: `printed.lines` looks no further back for the chunk that holds a line."""
PAGE = 1_000


class LeaseLost(Exception):
    """The build is not this worker's any more: stop its processes and write nothing."""

    def __init__(self, build_id: int, why: str = "is leased to another, or to nobody") -> None:
        super().__init__(f"build {build_id} {why}")


@dataclass
class Lease:
    """A worker's claim on a build. `head` is the seq of the last event that this worker knows to be stored."""

    build_id: int
    token: str
    head: int
    cancel_requested: bool = False
    """As the last write or renewal found it."""
    since: float = field(default_factory=time.monotonic)
    """When the build was begun, by this process's own clock, which nobody sets."""


class Chunk(NamedTuple):
    """A `log` event to be: `lines` of the step at `step` from number `line` on; `open`: the last one is unfinished."""

    step: int
    line: int
    lines: Sequence[str]
    open: bool = False


class Fact(NamedTuple):
    """Any other event to be. `data` is its JSON object."""

    kind: str
    data: dict[str, Any]


class Record(NamedTuple):
    """A stored event as readers get it: `data` is compact JSON text, without raw line breaks."""

    seq: int
    kind: str
    data: str


def compact(data: Any) -> str:
    """JSON without raw line breaks. Half of a surrogate pair, which UTF-8 cannot carry, becomes a question mark."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


# --- Writing ---


def append(lease: Lease, drafts: Sequence[Chunk | Landmark], counts: Mapping[str, int] | None = None) -> None:
    """Store log chunks and their landmarks, in one transaction, and raise `lease.head` with them. `LeaseLost` where the
    lease is gone. `counts`: as `landmarks.store` takes it.

    After a database error it may be called again with the same arguments: what had landed is not stored twice.
    """
    if not drafts:
        return
    found = [draft for draft in drafts if not isinstance(draft, Chunk)]
    if not found and not counts and logrows.can_take():
        rows = [_row(seq, draft) for seq, draft in enumerate(drafts, lease.head + 1) if isinstance(draft, Chunk)]
        cancelled = logrows.take_and_insert(lease.build_id, lease.token, lease.head, rows, timezone.now())
        if cancelled is not None:
            _raise_head(lease, rows[-1].seq, cancelled)
            return
    with transaction.atomic():
        if reserve(lease, len(drafts)):
            names = step_names(lease.build_id) if found else ()
            put(lease.build_id, lease.head, [_told(draft, names) for draft in drafts])
            landmarks.store(lease.build_id, found, counts or {})


def reserve(lease: Lease, count: int) -> bool:
    """Inside a transaction: take the next `count` numbers, fenced by the lease; from then on the row is locked.

    True: they are taken; the caller puts `count` events above `lease.head`. False: an earlier call with the same
    lease and count had landed, and only its answer was lost; there is nothing to do. `LeaseLost`: anything else.
    When the transaction commits, `lease.head` is raised and the topic's readers are woken.
    """
    expected = lease.head + count
    taken = Build.objects.filter(pk=lease.build_id, lease_token=lease.token, head=lease.head).update(
        head=expected, renewal=F("renewal") + 1
    )
    found = Build.objects.filter(pk=lease.build_id).values_list("lease_token", "head", "cancel_requested_at").first()
    if not taken and (found is None or found[:2] != (lease.token, expected)):
        raise LeaseLost(lease.build_id)
    _raise_head(lease, expected, found is not None and found[2] is not None)
    return bool(taken)


def _raise_head(lease: Lease, head: int, cancel_requested: bool) -> None:
    """Once it is committed, which may be now."""

    def committed() -> None:
        lease.head = head
        lease.cancel_requested = cancel_requested
        wakes.wake(wakes.build_topic(lease.build_id), head)

    transaction.on_commit(committed)


def hold(lease: Lease) -> None:
    """A sign of life, and inside a transaction the lock on the build's row: what else its worker stores of it is fenced
    as well. `LeaseLost`: the lease is gone."""
    if not Build.objects.filter(pk=lease.build_id, lease_token=lease.token).update(renewal=F("renewal") + 1):
        raise LeaseLost(lease.build_id)


def put(build_id: int, head: int, drafts: Sequence[Chunk | Fact]) -> None:
    """Inside the transaction that has taken the numbers above `head`: store the events."""
    now = timezone.now()
    numbered = list(enumerate(drafts, start=head + 1))
    facts = [
        Event(build_id=build_id, seq=seq, kind=draft.kind, at=now, body=compact(draft.data))
        for seq, draft in numbered
        if isinstance(draft, Fact)
    ]
    if facts:
        Event.objects.bulk_create(facts, batch_size=100)
    if len(facts) < len(drafts):
        logrows.insert(build_id, [_row(seq, draft) for seq, draft in numbered if isinstance(draft, Chunk)], now)


def put_unleased(build_id: int, drafts: Sequence[Fact]) -> None:
    """Inside a transaction that holds the row lock of a build that nobody leases (any more): number and store."""
    Build.objects.filter(pk=build_id).update(head=F("head") + len(drafts))
    head = Build.objects.values_list("head", flat=True).get(pk=build_id)
    put(build_id, head - len(drafts), drafts)
    transaction.on_commit(partial(wakes.wake, wakes.build_topic(build_id), head))


def _told(draft: Chunk | Landmark, names: Sequence[str]) -> Chunk | Fact:
    return draft if isinstance(draft, Chunk) else Fact(draft.kind, draft.data(names[draft.step]))


def _row(seq: int, chunk: Chunk) -> logrows.Row:
    count = len(chunk.lines)
    if not 1 <= count <= MAX_CHUNK_LINES:
        raise ValueError(f"a chunk has 1 to {MAX_CHUNK_LINES} lines, not {count}")
    body = "\n".join(chunk.lines)
    if body.count("\n") != count - 1:
        raise ValueError("a line has a line feed in it: the lines behind it would be shown under wrong numbers")
    return logrows.Row(chunk.open, seq, chunk.step, chunk.line, count, body)


def cut(lease: Lease, first: int, last: int, reason: str) -> None:
    """Replace what was printed in the events from `first` to `last` by `cut` events. `LeaseLost`: the lease is gone.

    Nobody is woken: who has seen the lines keeps them. Done again, with a higher `last` or the same, it does no harm.
    """
    with transaction.atomic():
        held = Build.objects.filter(pk=lease.build_id, lease_token=lease.token, head=lease.head)
        if not held.update(renewal=F("renewal") + 1):
            raise LeaseLost(lease.build_id)
        cuts.replace(lease.build_id, first, last, step_names(lease.build_id), reason)


# --- Reading ---


_SIZE = 1024 * 1024 * 1024


def read(
    build_id: int,
    after: int,
    limit: int = PAGE,
    names: Sequence[str] | None = None,
    kinds: Collection[str] | None = None,
) -> list[Record]:
    """Up to `limit` events above `after`, in order. `names`: the build's step names, where the caller has them.
    `kinds`: of these alone."""
    found = telling.told(build_id, after, limit, lambda: names or step_names(build_id), kinds, _SIZE)
    return [Record(*one) for one in found]


def written(
    build_id: int, after: int, limit: int, names: Sequence[str] | None, size: int, log: Around, other: telling.Other
) -> tuple[list[str], int]:
    """The same as texts, `log` being what stands around a `log` event, and no further than the event that passes `size`
    bytes of text; and the seq of the last one. See `telling.written`."""
    return telling.written(build_id, after, limit, lambda: names or step_names(build_id), size, log, other)


def step_names(build_id: int) -> list[str]:
    """By position. Those of steps that have begun never change. `Build.DoesNotExist`."""
    names = list(Step.objects.filter(build_id=build_id).order_by("position").values_list("name", flat=True))
    if not names:
        Build.objects.only("pk").get(pk=build_id)
    return names


def settled_names(build_id: int) -> list[str] | None:
    """As `step_names`, where they will not change any more. None: its commit's recipe is not known yet."""
    build = Build.objects.get(pk=build_id)
    steps = list(build.steps.order_by("position").values_list("name", "status"))
    waits = build.repository and build.status not in FINAL and all(status == Status.PENDING for _, status in steps[1:])
    return None if waits else [name for name, _ in steps]


class Extent(NamedTuple):
    """Where a topic's log stands: the oldest and newest number stored, and whether nothing will be added."""

    horizon: int
    head: int
    final: bool


def extent(build_id: int) -> Extent | None:
    """None: no such build."""
    row = Build.objects.filter(pk=build_id).values_list("horizon", "head", "status").first()
    return Extent(row[0], row[1], row[2] in FINAL) if row else None


def near(build_id: int, extent: Extent, most: int, lines: int) -> int:
    """The seq that is so many events below the head, and no more lines than that; what comes above it is stored. The
    event that passes the lines counts, so that there is one, where there is any."""
    lowest = max(extent.head - most, extent.horizon - 1, 0)
    newest = Event.objects.filter(build_id=build_id, seq__gt=lowest, seq__lte=extent.head).order_by("-seq")
    for seq, count in newest.values_list("seq", "lines"):
        lines -= count or 0
        if lines <= 0:
            return int(seq) - 1
    return lowest


def heads(build_ids: Iterable[int]) -> dict[int, Extent]:
    """The extents of many builds in one query; those that are gone are absent."""
    rows = Build.objects.filter(pk__in=list(build_ids)).values_list("pk", "horizon", "head", "status")
    return {pk: Extent(horizon, head, status in FINAL) for pk, horizon, head, status in rows}


# --- For those who look after the log ---


def moments(build_id: int, after: int, limit: int = PAGE) -> dict[int, datetime]:
    """When the events that `read` gives for the same numbers were stored, by seq."""
    rows = Event.objects.filter(build_id=build_id, seq__gt=after).order_by("seq").values_list("seq", "at")
    return dict(rows[:limit])


def gaps(build_id: int) -> list[tuple[int, int]]:
    """Numbers that should be stored and are not: (first, last) of each hole. Empty: the log is whole.

    Reads the numbers of all its events. A `cut` stands for the numbers before it: there they may jump.
    """
    stands = extent(build_id)
    if stands is None:
        return []
    expected = stands.horizon
    holes: list[tuple[int, int]] = []
    rows = Event.objects.filter(build_id=build_id, seq__gte=stands.horizon, seq__lte=stands.head).order_by("seq")
    for seq, kind in rows.values_list("seq", "kind").iterator(chunk_size=PAGE):
        if seq != expected and kind != "cut":
            holes.append((expected, seq - 1))
        expected = seq + 1
    return holes if expected > stands.head else [*holes, (expected, stands.head)]


# --- The board ---


def board_extent() -> Extent:
    board = Board.get()
    return Extent(board.horizon, board.revision, False)


def changed(after: int, limit: int) -> list[tuple[int, int, int, str]]:
    """(revision, build id, project id, `build` data as JSON) of builds whose revision is above `after`, in order."""
    builds = (
        Build.objects.filter(revision__gt=after)
        .order_by("revision")
        .select_related("project")
        .prefetch_related("steps")[:limit]
    )
    return [(build.revision, build.pk, build.project_id, compact(build.data())) for build in builds]
