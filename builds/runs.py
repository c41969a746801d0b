"""Builds that run outside: a program elsewhere holds the lease as a worker does, and writes their log by the API.

What a worker keeps in its memory is found in the database here, since any process may answer a request. A request that
comes again, because its answer was lost, does nothing twice: it names the head that it expects.
"""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from django.conf import settings
from django.db.models.functions import Length
from django.utils import timezone

from buildboard.terminal.lines import LineReader

from . import events, landmarks, lifecycle, printed
from .events import Chunk, Lease, LeaseLost
from .landmarks import LEVELS
from .loglimit import LogLimit
from .lookout import Finder
from .models import Build, Event
from .states import Status

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")
_LIMITS = 64


class OutOfStep(Exception):
    """The lines are not those that come next: a sentence that says which."""


class Standing(NamedTuple):
    """How a build stands after a request."""

    head: int
    cancel_requested: bool
    status: str


def carry_out(build_id: int, token: str, head: int, verb: Callable[[Lease], object]) -> Standing:
    """`verb`, which writes, unless it has landed already: then the head is another by now. One writer has the token,
    and asks for one thing at a time. `LeaseLost`: the build is not its any more."""
    stands = _standing(build_id, token)
    if head > stands.head:
        raise LeaseLost(build_id, f"has no event {head}")
    if head == stands.head:
        try:
            verb(_lease(build_id, token, head))
        except (LeaseLost, OutOfStep):
            if _standing(build_id, token).head == head:
                raise  # else the same request, sent twice, was faster
    return _standing(build_id, token)


def renewed(build_id: int, token: str) -> Standing:
    """A sign of life. `LeaseLost`."""
    lifecycle.renew(Lease(build_id, token, 0))
    return _standing(build_id, token)


def finish(build_id: int, token: str, head: int, status: Status, reason: str) -> Status:
    """As `lifecycle.finish`. `LeaseLost`."""
    return lifecycle.finish(_lease(build_id, token, head), status, reason)


def append(lease: Lease, chunks: Sequence[Chunk], over: Sequence[int] = ()) -> None:
    """Store what the steps have printed, with the landmarks in it. `over`: steps that print no more after it.

    `OutOfStep`, `LeaseLost`.
    """
    build = Build.objects.get(pk=lease.build_id)
    running = set(build.steps.filter(status=Status.RUNNING).values_list("position", flat=True))
    last: dict[int, int] = {}
    clean = []
    for chunk in chunks:
        if chunk.step not in running:
            raise OutOfStep(f"Step {chunk.step} of build {build.pk} does not run.")
        if chunk.step not in last:
            last[chunk.step] = _whole_lines(build.pk, chunk.step)
        if chunk.line != last[chunk.step] + 1:
            raise OutOfStep(f"Expected line {last[chunk.step] + 1} of step {chunk.step}, not {chunk.line}.")
        last[chunk.step] += len(chunk.lines) - chunk.open
        clean.append(chunk._replace(lines=[cleaned(line) for line in chunk.lines]))
    for step in over:
        last.setdefault(step, printed.total_lines(build.pk, step))
    told = {"groups_told": build.groups_told} | {f"{level}s_told": build.annotations_told[level] for level in LEVELS}
    finder = Finder.resumed(told, landmarks.groups(build.pk) if build.groups_told else (), last)
    drafts, counts = finder.look(clean, over)
    if not drafts:
        return
    limit = _limits.of(build.pk, lease.head)
    events.append(lease, drafts, counts)
    if span := limit.stored(lease.head, drafts):
        events.cut(lease, *span, limit.reason)
    _limits.keep(build.pk, lease.head, limit)


def cleaned(line: str) -> str:
    """As a worker would have stored it: of what commands a terminal only colours and links stay, and a line that is too
    long is cut and says so."""
    most = settings.BUILDBOARD_MAX_LINE_KB * 1024
    if len(line) <= most // 4 and not _CONTROL.search(line):
        return line
    reader = LineReader(most)
    found = reader.feed(line.replace("\n", " ").encode("utf-8", "replace") + b"\n")
    return found[0]


# --- Inside ---


def _standing(build_id: int, token: str) -> Standing:
    row = (
        Build.objects.filter(pk=build_id, lease_token=token, outside=True)
        .values_list("head", "cancel_requested_at", "status")
        .first()
    )
    if row is None:
        raise LeaseLost(build_id)
    return Standing(row[0], row[1] is not None, row[2])


def _lease(build_id: int, token: str, head: int) -> Lease:
    started_at = Build.objects.values_list("started_at", flat=True).get(pk=build_id)
    ran = (timezone.now() - started_at).total_seconds() if started_at else 0.0
    return Lease(build_id, token, head, since=time.monotonic() - max(ran, 0.0))


def _whole_lines(build_id: int, step: int) -> int:
    """How many lines of the step are stored and will not come again."""
    newest = (
        Event.objects.filter(build_id=build_id, step=step, line__isnull=False, kind="log")
        .order_by("-line", "-seq")
        .values_list("line", "lines", "open")
        .first()
    )
    return newest[0] + newest[1] - 1 - newest[2] if newest else 0


class _Limits:
    """How full the logs are of the builds that this process heard of last. One that another process has heard of since
    is measured anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[int, LogLimit]] = OrderedDict()

    def of(self, build_id: int, head: int) -> LogLimit:
        with self._lock:
            known = self._kept.pop(build_id, None)
        if known is not None and known[0] == head:
            return known[1]
        limit = LogLimit(settings.BUILDBOARD_MAX_LOG_MB)
        rows = Event.objects.filter(build_id=build_id, seq__lte=head).order_by("seq")
        limit.resume(rows.values_list("seq", Length("body")).iterator(chunk_size=2_000))
        return limit

    def keep(self, build_id: int, head: int, limit: LogLimit) -> None:
        with self._lock:
            self._kept[build_id] = (head, limit)
            while len(self._kept) > _LIMITS:
                self._kept.popitem(last=False)


_limits = _Limits()
