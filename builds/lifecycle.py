"""The only writer of statuses. Each verb is one compare-and-set and one event, in one transaction.

Everyone calls the same verbs: the button, the admin, the API, the commands and the workers. Who may call them is the
caller's to check; what a build may become is decided here. Locks are taken in the order build, board.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from . import events, recipe, wakes
from .events import Fact, Lease, LeaseLost
from .models import Board, Build, Project, Step, Worker
from .progress import expected_seconds
from .states import FINAL, Status, may_become, step_may_become

HISTORY = 10
"""How many of a project's last passed builds tell how long a step usually takes."""


class Refused(Exception):
    """The verb was not carried out and nothing was changed. The text says why, for people."""


class AlreadyFinished(Refused):
    pass


# --- By people and programs ---


def enqueue(
    project: Project,
    *,
    by: str,
    ref: str = "",
    inputs: Mapping[str, Any] | None = None,
    request_key: str | None = None,
    retry_of: Build | None = None,
) -> Build:
    """A new queued build of `project`, or the one that `request_key` (a one-time key) has started before.

    `by`: who asks, as it is shown. A retry runs the recipe of the build that it repeats. `Refused`: the project is
    disabled, its recipe is not valid, or `ref` or `inputs` do not fit.
    """
    known = request_key and Build.objects.filter(project=project, request_key=request_key).first()
    if known:
        return known
    _check_start(project, ref, inputs or {}, request_key)
    text = retry_of.recipe if retry_of else project.recipe
    try:
        steps = recipe.parse(text).steps
    except recipe.RecipeError as error:
        raise Refused(f"The recipe of {project.slug} is not valid: {error}") from error
    try:
        with transaction.atomic():
            build = Build.objects.create(
                project=project,
                ref=ref,
                inputs=dict(inputs or {}),
                recipe=text,
                started_by=by[:150],
                request_key=request_key,
                retry_of=retry_of,
            )
            usual = _usual_seconds(project)
            Step.objects.bulk_create(
                Step(build=build, position=position, name=step.name, expected_seconds=usual.get(step.name))
                for position, step in enumerate(steps)
            )
            events.put_unleased(build.pk, [_as_it_is(build)])
            _revise(build.pk)
            return build
    except IntegrityError:
        known = request_key and Build.objects.filter(project=project, request_key=request_key).first()
        if not known:
            raise
        return known  # the other click of two was faster


def retry(build: Build, *, by: str, request_key: str | None = None) -> Build:
    """A new build that repeats `build`, which has to be over. `Refused` where it is not."""
    build.refresh_from_db(fields=["status"])
    if build.status not in FINAL:
        raise Refused(f"Build {build.pk} is still {build.status}; only a finished build can be retried.")
    return enqueue(build.project, by=by, ref=build.ref, inputs=build.inputs, request_key=request_key, retry_of=build)


def cancel(build_id: int, *, by: str) -> Build:
    """End a queued build now; ask the worker of a running one to end it. Asking twice is asking once.

    `AlreadyFinished` where it is over.
    """
    with transaction.atomic():
        build = _locked(build_id)
        if build.status == Status.QUEUED:
            build.cancelled_by = by[:150]
            build.cancel_requested_at = timezone.now()
            _end(build, Status.CANCELLED, f"Cancelled by {by} while it was queued.")
            events.put_unleased(build.pk, [_as_it_is(build)])
            _revise(build.pk)
        elif build.status == Status.RUNNING:
            if build.cancel_requested_at is None:
                build.cancelled_by = by[:150]
                build.cancel_requested_at = timezone.now()
                build.save(update_fields=["cancelled_by", "cancel_requested_at"])
                # No event: the worker is the log's only writer. It learns of this within a second, and says so.
                _revise(build.pk)
        else:
            raise AlreadyFinished(f"Build {build.pk} has already ended: {build.status}.")
        return build


def deleted() -> None:
    """A build's row is gone: boards cannot show that as a change, so they have to load again."""
    with transaction.atomic():
        revision = _next_revision()
        Board.objects.filter(pk=1).update(horizon=revision)
        transaction.on_commit(partial(wakes.wake, wakes.BOARD, revision))


# --- By the worker that holds the lease ---


def claim(worker: str, token: str) -> Lease | None:
    """Take the oldest queued build for `worker`. `token` (32 characters at most) was never used before.

    None: nothing is queued, or another worker was faster; ask again later. Called again with the same token after a
    database error, it finds the claim whose answer was lost.
    """
    known = Build.objects.filter(lease_token=token).values_list("pk", "head", "cancel_requested_at").first()
    if known:
        return Lease(known[0], token, known[1], known[2] is not None)
    if not Build.objects.queued().exists():  # look first: a transaction takes SQLite's only write lock
        return None
    with transaction.atomic():
        queued = Build.objects.queued()
        if connection.features.has_select_for_update_skip_locked:
            queued = queued.select_for_update(skip_locked=True)
        build = queued.first()
        if build is None:
            return None
        taken = Build.objects.filter(pk=build.pk, status=Status.QUEUED).update(
            status=Status.RUNNING, worker=worker, lease_token=token, renewal=1, started_at=timezone.now()
        )
        if not taken:
            return None
        lease = Lease(build.pk, token, build.head)
        _store(lease, _as_it_is)
    return lease


def renew(lease: Lease) -> None:
    """A sign of life: keeps the lease, and brings back whether a cancel was asked for. `LeaseLost` where it is gone."""
    if not Build.objects.filter(pk=lease.build_id, lease_token=lease.token).update(renewal=F("renewal") + 1):
        raise LeaseLost(f"build {lease.build_id} is leased to another, or to nobody")
    asked = Build.objects.filter(pk=lease.build_id).values_list("cancel_requested_at", flat=True).first()
    lease.cancel_requested = asked is not None


def begin_step(lease: Lease, position: int) -> None:
    """The step at `position` begins: stored before its first process is started."""

    def change(build: Build) -> Fact:
        step = _step(build, position, Status.RUNNING)
        step.status = Status.RUNNING
        step.started_at = timezone.now()
        step.save(update_fields=["status", "started_at"])
        return Fact("step", step.data())

    _by_worker(lease, change)


def end_step(lease: Lease, position: int, status: Status, *, exit_code: int | None = None, reason: str = "") -> None:
    """The running step at `position` is over. All that it printed has been appended before."""

    def change(build: Build) -> Fact:
        step = _step(build, position, status)
        step.status = status
        step.exit_code = exit_code
        step.reason = _sentence(reason, 300)
        step.finished_at = timezone.now()
        if status == Status.PASSED and step.progress is not None:
            step.progress = 1.0  # its own last word may have been less
        step.save(update_fields=["status", "exit_code", "reason", "finished_at", "progress"])
        return Fact("step", step.data())

    _by_worker(lease, change)


def report_progress(lease: Lease, position: int, fraction: float) -> None:
    """The step's own word on how far it is, 0–1. At most once a second, please: every board hears of it."""
    fraction = min(max(fraction, 0.0), 1.0)

    def change(build: Build) -> Fact:
        step = build.steps.get(position=position)
        step.progress = fraction
        step.save(update_fields=["progress"])
        return Fact("progress", {"step": step.name, "progress": fraction})

    _by_worker(lease, change)


def confirm_cancel(lease: Lease) -> None:
    """The worker has heard of the cancel and begins to stop the step: tell the build's viewers."""
    _by_worker(lease, _as_it_is)


def finish(lease: Lease, status: Status, reason: str = "") -> Status:
    """End the build. A cancel stored before wins: the build is `cancelled` then. Returns the status that was stored.

    Called again after a database error, it returns what the first call stored. `LeaseLost`: someone else ended it.
    """
    stored = status

    def change(build: Build) -> Fact:
        nonlocal stored
        stored = status
        because = reason
        if build.cancel_requested_at is not None:
            stored = Status.CANCELLED
            because = f"Cancelled by {build.cancelled_by or 'someone'}."
        _end(build, stored, because)
        return _as_it_is(build)

    try:
        # Not done: an earlier write had landed whose answer was lost and never asked for again. This one had not: a
        # finished build has no lease. The head is known now, so once more.
        if not _by_worker(lease, change):
            _by_worker(lease, change)
    except LeaseLost:
        ended = Build.objects.filter(pk=lease.build_id, head=lease.head + 1, status__in=FINAL).exclude(
            status=Status.LOST
        )
        found = ended.values_list("status", flat=True).first()
        if found is None:
            raise
        return Status(found)
    return stored


# --- By whoever watches the leases ---


def lose(build_id: int, token: str, reason: str, *, renewal: int | None = None) -> bool:
    """End a running build whose worker is gone, if it still has the lease `token` and, where given, `renewal`."""
    with transaction.atomic():
        build = Build.objects.select_for_update().filter(pk=build_id, lease_token=token).first()
        if build is None or (renewal is not None and build.renewal != renewal):
            return False
        _end(build, Status.LOST, reason)
        events.put_unleased(build.pk, [_as_it_is(build)])
        _revise(build.pk)
        return True


def void(build_id: int, reason: str, at: datetime | None = None) -> bool:
    """End a build of a former world, whoever holds it: a running one is `lost`, a queued one `cancelled`. `at`: when,
    as far as is known. It is not started again by itself: nobody knows what it has done since. False: it is over."""
    with transaction.atomic():
        build = _locked(build_id)
        if build.status in FINAL:
            return False
        _end(build, Status.LOST if build.status == Status.RUNNING else Status.CANCELLED, reason, at=at)
        events.put_unleased(build.pk, [_as_it_is(build)])
        _revise(build.pk)
        return True


def leases() -> dict[int, tuple[str, int, str]]:
    """Of every running build: its lease's token and renewal, and its worker's name."""
    rows = Build.objects.running().values_list("pk", "lease_token", "renewal", "worker")
    return {pk: (token or "", renewal, worker) for pk, token, renewal, worker in rows}


def beat(worker: str, *, draining: bool = False) -> None:
    """A worker process says that it lives. By the database's clock, so that machines may disagree on the time."""
    changed = Worker.objects.filter(name=worker).update(seen_at=Now(), renewal=F("renewal") + 1, draining=draining)
    if not changed:
        Worker.objects.create(name=worker, draining=draining, seen_at=Now())


def farewell(worker: str) -> None:
    """A worker process has ended, in order or seen dead by its supervisor."""
    Worker.objects.filter(name=worker).delete()


def living_workers(seconds: float) -> list[Worker]:
    """Those that gave a sign of life within `seconds`."""
    return list(Worker.objects.filter(seen_at__gt=Now() - timedelta(seconds=seconds)))


def forget_workers(seconds: float) -> int:
    """Remove the rows of workers that gave no sign of life for `seconds`; how many there were."""
    return Worker.objects.filter(seen_at__lt=Now() - timedelta(seconds=seconds)).delete()[0]


# --- Inside ---


def _check_start(project: Project, ref: str, inputs: Mapping[str, Any], request_key: str | None) -> None:
    if not project.enabled:
        raise Refused(f"The project {project.slug} is disabled; it starts no builds.")
    if len(ref) > 200 or not ref.isprintable() or ref.startswith("-") or ref != ref.strip():
        raise Refused("ref: expected a branch, tag or commit: up to 200 printable characters, not beginning with '-'.")
    for name in inputs:
        raise Refused(f"The recipe of {project.slug} has no input {str(name)[:80]!r}; it takes none.")
    if request_key is not None and not (request_key.isascii() and 1 <= len(request_key) <= 64):
        raise Refused("request_key: expected 1 to 64 ASCII characters.")


def _locked(build_id: int) -> Build:
    return Build.objects.select_for_update().get(pk=build_id)


def _by_worker(lease: Lease, change: Callable[[Build], Fact]) -> bool:
    """Make a change that is one event, fenced by the lease, and take a revision: all or nothing.

    False: it had landed before.
    """
    with transaction.atomic():
        return _store(lease, change)


def _store(lease: Lease, change: Callable[[Build], Fact]) -> bool:
    if not events.reserve(lease, 1):
        return False
    fact = change(Build.objects.select_related("project").get(pk=lease.build_id))  # its row is locked by now
    events.put(lease.build_id, lease.head, [fact])
    _revise(lease.build_id)
    return True


def _step(build: Build, position: int, status: Status) -> Step:
    """The step at `position`, which is about to get `status`."""
    step = build.steps.get(position=position)
    if not step_may_become(Status(step.status), status):
        raise Refused(f"The step {step.name} of build {build.pk} is {step.status} and cannot become {status}.")
    return step


def _sentence(text: str, most: int) -> str:
    """`text` as every database takes it: cut, and without NUL and halves of surrogate pairs."""
    return text[:most].replace("\0", "").encode("utf-8", "replace").decode()


def _as_it_is(build: Build) -> Fact:
    return Fact("build", build.data())


def _end(build: Build, status: Status, reason: str, *, at: datetime | None = None) -> None:
    """Set the final status of `build` and of its steps, and take its lease away. Its row is locked."""
    if not may_become(Status(build.status), status):
        raise Refused(f"Build {build.pk} is {build.status} and cannot become {status}.")
    now = at or timezone.now()
    build.steps.filter(status=Status.RUNNING).update(status=status, finished_at=now)
    build.steps.filter(status=Status.PENDING).update(status=Status.SKIPPED, finished_at=now)
    build.status = status
    build.reason = _sentence(reason, 500)
    build.finished_at = now
    build.lease_token = None
    build.save(
        update_fields=[
            "status", "reason", "finished_at", "lease_token", "cancel_requested_at", "cancelled_by"
        ]
    )  # fmt: skip


def _revise(build_id: int) -> None:
    """Give the build the board's next revision. Last in its transaction: every change waits for this row."""
    revision = _next_revision()
    Build.objects.filter(pk=build_id).update(revision=revision)
    transaction.on_commit(partial(wakes.wake, wakes.BOARD, revision))


def _next_revision() -> int:
    raised = Board.objects.filter(pk=1).update(revision=F("revision") + 1)
    if not raised:
        Board.get()
        Board.objects.filter(pk=1).update(revision=F("revision") + 1)
    return Board.objects.values_list("revision", flat=True).get(pk=1)


def _usual_seconds(project: Project) -> dict[str, float | None]:
    """By step name: what it usually takes, from the project's last passed builds."""
    recent = list(project.builds.filter(status=Status.PASSED).order_by("-id").values_list("pk", flat=True)[:HISTORY])
    durations: dict[str, list[float]] = {}
    rows = Step.objects.filter(build__in=recent, status=Status.PASSED).values_list("name", "started_at", "finished_at")
    for name, started_at, finished_at in rows:
        durations.setdefault(name, []).append((finished_at - started_at).total_seconds())
    return {name: expected_seconds(values) for name, values in durations.items()}
