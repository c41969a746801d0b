"""A build is cancelled: asked for by people, heard of by its worker, or because a newer one takes its place."""

from django.db import transaction
from django.utils import timezone

from ..events import Lease
from ..models import Build
from ..states import Status
from .change import as_it_is, by_worker, locked, revise
from .endings import end_unleased
from .refusals import AlreadyFinished


def cancel(build_id: int, *, by: str) -> Build:
    """End a queued build now; ask the worker of a running one to end it. Asking twice is asking once.

    `AlreadyFinished` where it is over.
    """
    with transaction.atomic():
        build = locked(build_id)
        if build.status == Status.QUEUED:
            build.cancelled_by = by[:150]
            build.cancel_requested_at = timezone.now()
            end_unleased(build, Status.CANCELLED, f"Cancelled by {by} while it was queued.")
        elif build.status == Status.RUNNING:
            if build.cancel_requested_at is None:
                build.cancelled_by = by[:150]
                build.cancel_requested_at = timezone.now()
                build.save(update_fields=["cancelled_by", "cancel_requested_at"])
                # No event: the worker is the log's only writer. It learns of this within a second, and says so.
                revise(build.pk)
        else:
            raise AlreadyFinished(f"Build {build.pk} has already ended: {build.status}.")
        return build


def supersede(build: Build) -> list[int]:
    """Cancel what still waits of the same branch, or pull request, as `build`, which news from a repository has started
    and which is stored by now: all but the newest. What people have started stays. Returns the numbers of those that
    were cancelled; each is a transaction of its own, and asking again does no harm.
    """
    if build.trigger not in ("push", "pull_request"):
        return []
    alike = {"trigger": build.trigger, "branch": build.branch, "pull_request": build.pull_request, "retry_of": None}
    found = Build.objects.filter(project=build.project_id, **alike)
    # Not `build` itself: of two that are started at once the higher number may be seen before the lower one is there.
    newest = found.order_by("-pk").values_list("pk", flat=True)[0]
    ended = []
    for number in list(found.queued().filter(pk__lt=newest).values_list("pk", flat=True)):
        with transaction.atomic():
            other = locked(number)
            if other.status == Status.QUEUED:
                end_unleased(other, Status.CANCELLED, f"Superseded by build {newest}.")
                ended.append(number)
    return ended


def confirm_cancel(lease: Lease) -> None:
    """The worker has heard of the cancel and begins to stop the step: tell the build's viewers."""
    by_worker(lease, as_it_is)
