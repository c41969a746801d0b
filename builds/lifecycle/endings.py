"""A build ends: by its worker, or by whoever finds that its worker is gone."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from .. import events, landmarks, outbox, printed
from ..events import Fact, Lease, LeaseLost
from ..models import After, Build, FollowUp
from ..states import FINAL, Status, may_become
from .change import as_it_is, by_worker, locked, now_of, revise, sentence
from .refusals import Refused
from .starts import retry_by_itself


def finish(lease: Lease, status: Status, reason: str = "", *, again: bool = False) -> Status:
    """End the build. A cancel stored before wins: the build is `cancelled` then. Returns the status that was stored.
    `again`: it ends because its worker does, and its project may want it retried.

    Called again after a database error, it returns what the first call stored. `LeaseLost`: someone else ended it.
    """
    stored = status

    def change(build: Build) -> Fact:
        nonlocal stored
        stored = status
        because, then = reason, ""
        if build.cancel_requested_at is not None:
            stored = Status.CANCELLED
            because = f"Cancelled by {build.cancelled_by or 'someone'}."
        elif again:
            then = retry_by_itself(build)
        _end(build, stored, because, then, at=now_of(lease, build))
        return as_it_is(build)

    try:
        # Not done: an earlier write had landed whose answer was lost and never asked for again. This one had not: a
        # finished build has no lease. The head is known now, so once more.
        if not by_worker(lease, change):
            by_worker(lease, change)
    except LeaseLost:
        ended = Build.objects.filter(pk=lease.build_id, head=lease.head + 1, status__in=FINAL).exclude(
            status=Status.LOST
        )
        found = ended.values_list("status", flat=True).first()
        if found is None:
            raise
        return Status(found)
    return stored


def lose(build_id: int, token: str, reason: str, *, renewal: int | None = None) -> bool:
    """End a running build whose worker is gone, if it still has the lease `token` and, where given, `renewal`."""
    with transaction.atomic():
        build = Build.objects.select_for_update().filter(pk=build_id, lease_token=token).first()
        if build is None or (renewal is not None and build.renewal != renewal):
            return False
        end_unleased(build, Status.LOST, reason, retry_by_itself(build))
        return True


def void(build_id: int, reason: str, at: datetime | None = None) -> bool:
    """End a build of a former world, whoever holds it: a running one is `lost`, a queued one `cancelled`. `at`: when,
    as far as is known. It is not retried by itself: nobody knows what it has done since. False: it is over."""
    with transaction.atomic():
        build = locked(build_id)
        if build.status in FINAL:
            return False
        end_unleased(build, Status.LOST if build.status == Status.RUNNING else Status.CANCELLED, reason, at=at)
        return True


def _end(build: Build, status: Status, reason: str, then: str = "", *, at: datetime | None = None) -> None:
    """Set the final status of `build` and of its steps, and take its lease away. Its row is locked.

    `then`: what is added to the reason, uncut; `at`: when, by its worker's clock. Never before it began.
    """
    if not may_become(Status(build.status), status):
        raise Refused(f"Build {build.pk} is {build.status} and cannot become {status}.")
    running = list(build.steps.filter(status=Status.RUNNING))
    begun = [moment for moment in (build.started_at, *(step.started_at for step in running)) if moment is not None]
    now = max([at or timezone.now(), *begun])
    build.steps.filter(pk__in=[step.pk for step in running]).update(status=status, finished_at=now)
    build.steps.filter(status=Status.PENDING).update(status=Status.SKIPPED, finished_at=now)
    build.status = status
    build.reason = sentence(reason, 500 - len(then)) + sentence(then, 500)
    build.finished_at = now
    build.lease_token = None
    build.save(
        update_fields=[
            "status", "reason", "finished_at", "lease_token", "cancel_requested_at", "cancelled_by"
        ]
    )  # fmt: skip
    outbox.tell(build)
    if status == Status.PASSED and not build.outside:  # written here, so that no crash loses it; `chains.py` starts it
        FollowUp.objects.bulk_create(
            [FollowUp(build=build, after=after) for after in After.objects.filter(upstream=build.project_id)]
        )


def end_unleased(build: Build, status: Status, reason: str, then: str = "", *, at: datetime | None = None) -> None:
    """The same by anyone but its worker, with its event and its revision."""
    _end(build, status, reason, then, at=at)
    events.put_unleased(build.pk, [*_end_groups(build.pk), as_it_is(build)])
    revise(build.pk)


def _end_groups(build_id: int) -> list[Fact]:
    """Inside a transaction that holds the build's row: end the groups that its worker, which is gone, has left open."""
    ended = landmarks.end_open(build_id, lambda step: printed.total_lines(build_id, step))
    return [Fact(group.kind, group.data(events.step_names(build_id)[group.step])) for group in ended]
