"""By workers: a build is taken from the queue, and its lease kept."""

import time

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from .. import events, outbox, queue
from ..events import Fact, Lease
from ..models import Build
from ..states import Status
from .change import as_it_is, store


def claim(worker: str, token: str, own: str = "", sandbox: str = "none") -> Lease | None:
    """Take the next queued build for `worker`, whose labels are `own`. `token` (at most 32 characters) was never used
    before. `sandbox`: what it puts steps into.

    None: nothing is queued that it may take; ask again later. Called again with the same token after a database error,
    it finds the claim whose answer was lost.
    """
    known = Build.objects.filter(lease_token=token).first()
    if known is not None and known.started_at is not None:
        since = time.monotonic() - max((timezone.now() - known.started_at).total_seconds(), 0.0)
        return Lease(known.pk, token, known.head, known.cancel_requested_at is not None, since)
    # Looked at first, without a lock: a transaction takes SQLite's only write lock. Then past the projects that others
    # have locked; those are waited for only when no other has a build, so that no worker rests while there is one.
    passed_over: list[queue.Candidate] = []
    for wait, found in ((False, queue.candidates(own)), (True, passed_over)):
        for candidate in found:
            try:
                with transaction.atomic():
                    lease = _take(candidate, worker, token, own, sandbox, wait=wait)
            except queue.Busy:
                if not wait:
                    passed_over.append(candidate)
            except queue.Full:
                return None
            else:
                if lease is not None:
                    return lease
    return None


def _take(candidate: queue.Candidate, worker: str, token: str, own: str, sandbox: str, *, wait: bool) -> Lease | None:
    build_id = queue.hold(candidate, own, wait=wait)
    if build_id is None:
        return None
    since, now = time.monotonic(), timezone.now()
    taken = Build.objects.filter(pk=build_id, status=Status.QUEUED).update(
        status=Status.RUNNING, worker=worker, sandbox=sandbox, lease_token=token, renewal=1, started_at=now
    )
    if not taken:  # cancelled in between
        raise queue.Busy
    lease = Lease(build_id, token, Build.objects.values_list("head", flat=True).get(pk=build_id), since=since)
    limited = settings.BUILDBOARD_MAX_RUNNING > 0
    store(lease, begun, at_once=limited)
    if limited:
        queue.check_total()
    return lease


def begun(build: Build) -> Fact:
    """`build` runs now, here or elsewhere: its event, and the messages that tell of it."""
    outbox.tell(build)
    return as_it_is(build)


def renew(lease: Lease) -> None:
    """A sign of life: keeps the lease, and brings back whether a cancel was asked for. `LeaseLost` where it is gone."""
    events.hold(lease)
    asked = Build.objects.filter(pk=lease.build_id).values_list("cancel_requested_at", flat=True).first()
    lease.cancel_requested = asked is not None


def leases() -> dict[int, tuple[str, int, str]]:
    """Of every running build: its lease's token and renewal, and its worker's name."""
    rows = Build.objects.running().values_list("pk", "lease_token", "renewal", "worker")
    return {pk: (token or "", renewal, worker) for pk, token, renewal, worker in rows}
