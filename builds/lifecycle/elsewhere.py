"""By programs elsewhere: a build begins that no worker here has claimed."""

import time
from collections.abc import Collection, Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone

from .. import events
from ..events import Lease
from ..models import Build, Project, Step
from ..source import Source
from ..states import Status
from .change import revise
from .claims import begun
from .refusals import check_asked, hold
from .rows import source_columns


def begin_outside(
    project: Project, *, by: str, worker: str, token: str, steps: Sequence[str], ref: str = "", source: Source
) -> Lease:
    """A build that runs elsewhere begins, leased to whoever has `token` (32 characters that were never used before): it
    is not queued, and has no recipe. Called again with the same token, it finds the build whose answer was lost.

    `worker`: the name of where it runs. `Refused`: the project is disabled or deleted, or `ref` does not fit.
    """
    since = time.monotonic()
    known = Build.objects.filter(lease_token=token).first()
    if known is not None:
        return Lease(known.pk, token, known.head, known.cancel_requested_at is not None, since)
    check_asked(project, ref)
    try:
        with transaction.atomic():
            hold(project)
            now = timezone.now()
            build = Build.objects.create(
                project=project,
                ref=ref,
                recipe="",
                outside=True,
                started_by=by[:150],
                status=Status.RUNNING,
                worker=worker[:100],
                lease_token=token,
                renewal=1,
                created_at=now,
                started_at=now,
                **source_columns(source, ref),
            )
            Step.objects.bulk_create(
                Step(build=build, position=position, name=name) for position, name in enumerate(steps)
            )
            events.put_unleased(build.pk, [begun(build)])
            revise(build.pk)
    except IntegrityError:
        if not Build.objects.filter(lease_token=token).exists():
            raise  # no other of two was faster: it is something else
        return begin_outside(project, by=by, worker=worker, token=token, steps=steps, ref=ref, source=source)
    return Lease(build.pk, token, 1, since=since)


def outside(build_ids: Collection[int]) -> set[int]:
    """Which of them run outside."""
    return set(Build.objects.filter(pk__in=build_ids, outside=True).values_list("pk", flat=True))
