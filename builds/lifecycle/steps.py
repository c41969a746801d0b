"""By the worker that holds the lease: its build's steps begin, say how far they are, and end."""

from collections.abc import Mapping

from django.db import transaction

from .. import events
from ..events import Fact, Lease
from ..models import Build, Step
from ..states import Status, step_may_become
from .change import by_worker, now_of, revise, sentence
from .refusals import Refused


def begin_step(lease: Lease, position: int) -> None:
    """The step at `position` begins: stored before its first process is started."""

    def change(build: Build) -> Fact:
        step = _step(build, position, Status.RUNNING)
        step.status = Status.RUNNING
        step.started_at = now_of(lease, build)
        step.save(update_fields=["status", "started_at"])
        return Fact("step", step.data())

    by_worker(lease, change)


def begin_attempt(lease: Lease, position: int, attempt: int) -> None:
    """The running step at `position` has failed, and is tried again: its next attempt begins."""

    def change(build: Build) -> Fact:
        step = build.steps.get(position=position)
        step.attempt = attempt
        step.progress = None
        step.save(update_fields=["attempt", "progress"])
        return Fact("step", step.data())

    by_worker(lease, change)


def skip_steps(lease: Lease, reasons: Mapping[int, str]) -> None:
    """The pending steps at these positions will not begin, and why: one event each, in one transaction."""
    with transaction.atomic():
        if not events.reserve(lease, len(reasons)):
            return
        build = Build.objects.select_related("project").get(pk=lease.build_id)
        now = now_of(lease, build)
        steps = list(build.steps.filter(position__in=reasons, status=Status.PENDING).order_by("position"))
        if len(steps) < len(reasons):
            raise Refused(f"Of build {build.pk} not all of the steps {sorted(reasons)} are pending.")
        for step in steps:
            step.status, step.finished_at = Status.SKIPPED, now
            step.reason = sentence(reasons[step.position], 300)
        Step.objects.bulk_update(steps, ["status", "finished_at", "reason"])
        events.put(lease.build_id, lease.head, [Fact("step", step.data()) for step in steps])
        revise(lease.build_id)


def end_step(lease: Lease, position: int, status: Status, *, exit_code: int | None = None, reason: str = "") -> None:
    """The running step at `position` is over. All that it printed has been appended before."""

    def change(build: Build) -> Fact:
        step = _step(build, position, status)
        step.status = status
        step.exit_code = exit_code
        step.reason = sentence(reason, 300)
        step.finished_at = max(now_of(lease, build), step.started_at or build.created_at)
        if status == Status.PASSED and step.progress is not None:
            step.progress = 1.0  # its own last word may have been less
        step.save(update_fields=["status", "exit_code", "reason", "finished_at", "progress"])
        return Fact("step", step.data())

    by_worker(lease, change)


def report_progress(lease: Lease, position: int, fraction: float) -> None:
    """The step's own word on how far it is, 0–1. At most once a second, please: every board hears of it."""
    fraction = min(max(fraction, 0.0), 1.0)

    def change(build: Build) -> Fact:
        step = build.steps.get(position=position)
        step.progress = fraction
        step.save(update_fields=["progress"])
        return Fact("progress", {"step": step.name, "progress": fraction})

    by_worker(lease, change)


def _step(build: Build, position: int, status: Status) -> Step:
    """The step at `position`, which is about to get `status`."""
    step = build.steps.filter(position=position).first()
    if step is None:
        raise Refused(f"Build {build.pk} has no step {position}.")
    if not step_may_become(Status(step.status), status):
        raise Refused(f"The step {step.name} of build {build.pk} is {step.status} and cannot become {status}.")
    return step
