"""The only writer of statuses. Each verb is one compare-and-set and one event, in one transaction.

Everyone calls the same verbs: the button, the admin, the API, the commands and the workers. Who may call them is the
caller's to check; what a build may become is decided here. Locks are taken in the order project, build, board.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from . import events, labels, landmarks, models, outbox, plans, printed, queue, recipe, wakes
from .events import Fact, Lease, LeaseLost
from .inputs import InputError
from .models import After, Board, Build, FollowUp, Project, Step
from .plans import Plan
from .progress import expected_seconds
from .recipe import StepRecipe
from .repository import RepositoryError, check_ref
from .source import Commit, Source
from .states import FINAL, Status, may_become, step_may_become

HISTORY = 10
"""How many of a project's last passed builds tell how long a step usually takes."""
NEARLY_FULL = 100
"""So near its bound the length of the queue is measured where no other start can come in between."""
ITSELF = "Buildboard"
"""Who retries a build that was lost."""


class Refused(Exception):
    """The verb was not carried out and nothing was changed. The text says why, for people."""


class AlreadyFinished(Refused):
    pass


class QueueFull(Refused):
    """So many builds wait already that no other may: try again later."""


# --- By people and programs ---


def enqueue(
    project: Project,
    *,
    by: str,
    ref: str = "",
    source: Source | None = None,
    inputs: Mapping[str, Any] | None = None,
    request_key: str | None = None,
    retry_of: Build | None = None,
    attempt: int = 1,
    parent: Build | None = None,
) -> Build:
    """A new queued build of `project`, or the one that `request_key` (a one-time key) has started before.

    `by`: who asks, as it is shown; `source`: what is known of what is built, and what started it. A retry has the
    source of the build that it repeats, and runs its recipe, on workers with the labels that the project asks for now.
    `parent`: the build of another project that it comes after.
    `Refused`: the project is disabled, its recipe is not valid, `ref` or `inputs` do not fit, or the queue is full.
    """
    known = request_key and Build.objects.filter(project=project, request_key=request_key).first()
    if known:
        return known
    check_start(project, ref, request_key)
    address = retry_of.repository if retry_of else project.repository
    source = _source_of(retry_of) if retry_of else source or Source()
    try:
        plan = plans.at_start(project, retry_of, inputs or {})
        runs_on = labels.joined(project.runs_on)
    except recipe.RecipeError as error:
        raise Refused(f"The recipe of {project.slug} is not valid: {error}") from error
    except InputError as error:
        raise Refused(f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    except labels.LabelError as error:
        raise Refused(f"What {project.slug} runs on is not valid: {error}.") from error
    nearly_full = _check_queue(room=1) > settings.BUILDBOARD_MAX_QUEUED - NEARLY_FULL
    try:
        with transaction.atomic():
            build = Build.objects.create(
                project=project,
                ref=ref,
                repository=address,
                **_columns(source),
                inputs=plan.inputs,
                recipe=plan.text,
                started_by=by[:150],
                request_key=request_key,
                retry_of=retry_of,
                parent=retry_of.parent if retry_of else parent,
                attempt=attempt,
                runs_on=runs_on,
                network=project.network,
            )
            Step.objects.bulk_create(_rows(build, plan.steps))
            events.put_unleased(build.pk, [_as_it_is(build)])
            outbox.tell(build)
            _revise(build.pk)
            if nearly_full:
                _check_queue(room=0)  # the board's row is locked by now: no other start comes in between
            return build
    except IntegrityError:
        known = request_key and Build.objects.filter(project=project, request_key=request_key).first()
        if not known:
            raise
        return known  # the other click of two was faster


def check_start(project: Project, ref: str, request_key: str | None = None) -> None:
    """`Refused`: what can be told before anything is read from anywhere."""
    _check_start(project, ref, request_key)
    if project.repository:
        _check_repository(project, ref)


def retry(build: Build, *, by: str, request_key: str | None = None) -> Build:
    """A new build that repeats `build`, which has to be over. `Refused` where it is not."""
    build.refresh_from_db(fields=["status"])
    if build.outside:
        raise Refused(f"Build {build.pk} ran outside, on {build.worker}: only there can it be repeated.")
    if build.status not in FINAL:
        raise Refused(f"Build {build.pk} is still {build.status}; only a finished build can be retried.")
    return _repeat(build, by=by, request_key=request_key)


def cancel(build_id: int, *, by: str) -> Build:
    """End a queued build now; ask the worker of a running one to end it. Asking twice is asking once.

    `AlreadyFinished` where it is over.
    """
    with transaction.atomic():
        build = _locked(build_id)
        if build.status == Status.QUEUED:
            build.cancelled_by = by[:150]
            build.cancel_requested_at = timezone.now()
            _end_unleased(build, Status.CANCELLED, f"Cancelled by {by} while it was queued.")
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
            other = _locked(number)
            if other.status == Status.QUEUED:
                _end_unleased(other, Status.CANCELLED, f"Superseded by build {newest}.")
                ended.append(number)
    return ended


def keep(build_id: int, kept: bool) -> Build:
    """Say that the build's log is never pruned, or take that back. `Refused` where it is pruned already."""
    with transaction.atomic():
        build = _locked(build_id)
        if build.pruned_at is not None and kept:
            raise Refused(f"The log of build {build.pk} is pruned; there is nothing left to be kept.")
        if build.kept != kept:
            build.kept = kept
            build.save(update_fields=["kept"])
            if build.lease_token is None:  # else its worker is the log's only writer, and says so with its next event
                events.put_unleased(build.pk, [_as_it_is(build)])
            _revise(build.pk)
        return build


def deleted() -> None:
    """A build's row is gone: boards cannot show that as a change, so they have to load again."""
    with transaction.atomic():
        revision = _next_revision()
        Board.objects.filter(pk=1).update(horizon=revision)
        transaction.on_commit(partial(wakes.wake, wakes.BOARD, revision))


# --- By the worker that holds the lease ---


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
    _store(lease, _begun)
    queue.check_total()
    return lease


def begin_outside(
    project: Project, *, by: str, worker: str, token: str, steps: Sequence[str], ref: str = "", source: Source
) -> Lease:
    """A build that runs elsewhere begins, leased to whoever has `token` (32 characters that were never used before): it
    is not queued, and has no recipe. Called again with the same token, it finds the build whose answer was lost.

    `worker`: the name of where it runs. `Refused`: the project is disabled, or `ref` does not fit.
    """
    since = time.monotonic()
    known = Build.objects.filter(lease_token=token).first()
    if known is not None:
        return Lease(known.pk, token, known.head, known.cancel_requested_at is not None, since)
    _check_start(project, ref, None)
    try:
        with transaction.atomic():
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
                **_columns(source),
            )
            Step.objects.bulk_create(
                Step(build=build, position=position, name=name) for position, name in enumerate(steps)
            )
            events.put_unleased(build.pk, [_begun(build)])
            _revise(build.pk)
    except IntegrityError:
        if not Build.objects.filter(lease_token=token).exists():
            raise  # no other of two was faster: it is something else
        return begin_outside(project, by=by, worker=worker, token=token, steps=steps, ref=ref, source=source)
    return Lease(build.pk, token, 1, since=since)


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
        step.started_at = _now(lease, build)
        step.save(update_fields=["status", "started_at"])
        return Fact("step", step.data())

    _by_worker(lease, change)


def begin_attempt(lease: Lease, position: int, attempt: int) -> None:
    """The running step at `position` has failed, and is tried again: its next attempt begins."""

    def change(build: Build) -> Fact:
        step = build.steps.get(position=position)
        step.attempt = attempt
        step.progress = None
        step.save(update_fields=["attempt", "progress"])
        return Fact("step", step.data())

    _by_worker(lease, change)


def skip_steps(lease: Lease, reasons: Mapping[int, str]) -> None:
    """The pending steps at these positions will not begin, and why: one event each, in one transaction."""
    with transaction.atomic():
        if not events.reserve(lease, len(reasons)):
            return
        build = Build.objects.select_related("project").get(pk=lease.build_id)
        now = _now(lease, build)
        steps = list(build.steps.filter(position__in=reasons, status=Status.PENDING).order_by("position"))
        if len(steps) < len(reasons):
            raise Refused(f"Of build {build.pk} not all of the steps {sorted(reasons)} are pending.")
        for step in steps:
            step.status, step.finished_at = Status.SKIPPED, now
            step.reason = _sentence(reasons[step.position], 300)
        Step.objects.bulk_update(steps, ["status", "finished_at", "reason"])
        events.put(lease.build_id, lease.head, [Fact("step", step.data()) for step in steps])
        _revise(lease.build_id)


def end_step(lease: Lease, position: int, status: Status, *, exit_code: int | None = None, reason: str = "") -> None:
    """The running step at `position` is over. All that it printed has been appended before."""

    def change(build: Build) -> Fact:
        step = _step(build, position, status)
        step.status = status
        step.exit_code = exit_code
        step.reason = _sentence(reason, 300)
        step.finished_at = max(_now(lease, build), step.started_at or build.created_at)
        if status == Status.PASSED and step.progress is not None:
            step.progress = 1.0  # its own last word may have been less
        step.save(update_fields=["status", "exit_code", "reason", "finished_at", "progress"])
        return Fact("step", step.data())

    _by_worker(lease, change)


def checked_out(lease: Lease, found: Commit, changes: Mapping[str, Any] | None = None) -> None:
    """What the build is of, as its checkout has found it. `changes`: what is new since the last passed build, as
    `Changes.data` gives it."""

    def change(build: Build) -> Fact:
        build.commit = found.commit
        build.commit_title, build.commit_author = _sentence(found.title, 200), _sentence(found.author, 200)
        build.committed_at = found.at
        build.branch, build.tag = build.branch or found.branch[:200], build.tag or found.tag[:200]
        build.save(update_fields=["commit", "commit_title", "commit_author", "committed_at", "branch", "tag"])
        if changes is not None:
            known = Build.objects.filter(pk=changes["since_build"]).first()  # it may have been deleted
            models.Changes.objects.update_or_create(build=build, defaults={**changes, "since_build": known})
        outbox.tell(build)
        return _as_it_is(build)

    _by_worker(lease, change)


def adopt(lease: Lease, plan: Plan, path: str) -> None:
    """The build does what its commit's recipe says, or the project's own where `path` is empty: the steps behind the
    checkout, which have not begun, are replaced."""

    def change(build: Build) -> Fact:
        build.recipe, build.recipe_path, build.inputs = plan.text, path, dict(plan.inputs)
        build.save(update_fields=["recipe", "recipe_path", "inputs"])
        waiting = build.steps.filter(position__gte=1)
        if waiting.exclude(status=Status.PENDING).exists():
            raise Refused(f"Steps of build {build.pk} have begun; they cannot be replaced any more.")
        waiting.delete()
        Step.objects.bulk_create(_rows(build, plan.steps, first=1))
        return _as_it_is(build)

    _by_worker(lease, change)


def remember_recipe(project_id: int, text: str, commit: str) -> None:
    """The recipe that the default branch has now, empty: none. What the project's pages and next builds go by until
    the next checkout."""
    Project.objects.filter(pk=project_id).update(found_recipe=text, found_commit=commit)


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
            then = _again(build)
        _end(build, stored, because, then, at=_now(lease, build))
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
        _end_unleased(build, Status.LOST, reason, _again(build))
        return True


def void(build_id: int, reason: str, at: datetime | None = None) -> bool:
    """End a build of a former world, whoever holds it: a running one is `lost`, a queued one `cancelled`. `at`: when,
    as far as is known. It is not retried by itself: nobody knows what it has done since. False: it is over."""
    with transaction.atomic():
        build = _locked(build_id)
        if build.status in FINAL:
            return False
        _end_unleased(build, Status.LOST if build.status == Status.RUNNING else Status.CANCELLED, reason, at=at)
        return True


def outside(build_ids: Collection[int]) -> set[int]:
    """Which of them run outside."""
    return set(Build.objects.filter(pk__in=build_ids, outside=True).values_list("pk", flat=True))


def leases() -> dict[int, tuple[str, int, str]]:
    """Of every running build: its lease's token and renewal, and its worker's name."""
    rows = Build.objects.running().values_list("pk", "lease_token", "renewal", "worker")
    return {pk: (token or "", renewal, worker) for pk, token, renewal, worker in rows}


# --- Inside ---


def _check_start(project: Project, ref: str, request_key: str | None) -> None:
    if not project.enabled:
        raise Refused(f"The project {project.slug} is disabled; it starts no builds.")
    if len(ref) > 200 or not ref.isprintable() or ref.startswith("-") or ref != ref.strip():
        raise Refused("ref: expected a branch, tag or commit: up to 200 printable characters, not beginning with '-'.")
    if request_key is not None and not (request_key.isascii() and 1 <= len(request_key) <= 64):
        raise Refused("request_key: expected 1 to 64 ASCII characters.")


def _check_repository(project: Project, ref: str) -> None:
    try:
        models.address(project.repository)
    except RepositoryError as error:
        raise Refused(f"The repository of {project.slug} cannot be fetched from: {error}.") from error
    try:
        if ref:
            check_ref(ref)
    except RepositoryError as error:
        raise Refused(f"ref: {error}.") from error


def _rows(build: Build, steps: Sequence[StepRecipe], first: int = 0) -> list[Step]:
    """Those of `steps` from `first` on, as they are stored."""
    usual = _usual_seconds(build.project)
    return [
        Step(
            build=build,
            position=position,
            name=step.name,
            expected_seconds=usual.get(step.name),
            needs=list(step.needs),
            attempts=step.retry + 1,
            allow_failure=step.allow_failure,
        )
        for position, step in enumerate(steps)
        if position >= first
    ]


def _source_of(build: Build) -> Source:
    return Source(
        build.trigger,
        build.branch,
        build.tag,
        build.commit,
        build.commit_title,
        build.commit_author,
        build.pull_request,
        build.fork,
    )


def _columns(source: Source) -> dict[str, Any]:
    """Of a new build."""
    return {
        "trigger": source.trigger,
        "branch": source.branch[:200],
        "tag": source.tag[:200],
        "commit": source.commit,
        "commit_title": _sentence(source.title, 200),
        "commit_author": _sentence(source.author, 200),
        "pull_request": source.pull_request,
        "fork": source.fork,
    }


def _check_queue(*, room: int) -> int:
    """How many builds wait. `QueueFull` where there is no room for so many more."""
    most = settings.BUILDBOARD_MAX_QUEUED
    waiting = Build.objects.queued().count()
    if waiting + room > most:
        raise QueueFull(f"The queue is full ({most:,} builds at most). Try again when some of them have started.")
    return waiting


def _repeat(build: Build, *, by: str, request_key: str | None, attempt: int = 1) -> Build:
    return enqueue(
        build.project,
        by=by,
        ref=build.ref,
        inputs=build.inputs,
        request_key=request_key,
        retry_of=build,
        attempt=attempt,
    )


def _again(build: Build) -> str:
    """Retry a build that is about to end because its worker did, where its project asks for that. In the same
    transaction: no crash loses it, and none does it twice. Returns the sentence that says what became of it.
    """
    most = build.project.auto_retries
    if not most or build.outside or build.cancel_requested_at is not None:
        return ""
    if build.attempt > most:
        return f" Not retried: it was attempt {build.attempt}, and its project has no more than {most + 1}."
    try:
        made = _repeat(build, by=ITSELF, request_key=f"again:{build.lease_token}", attempt=build.attempt + 1)
    except Refused as refusal:
        return f" Not retried: {str(refusal)[:300]}"
    return f" Retried as build {made.pk}."


def _now(lease: Lease, build: Build) -> datetime:
    """The time by the worker's own clock: a wall clock that is set meanwhile moves no step, stretches no duration."""
    return (build.started_at or build.created_at) + timedelta(seconds=max(time.monotonic() - lease.since, 0.0))


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
    step = build.steps.filter(position=position).first()
    if step is None:
        raise Refused(f"Build {build.pk} has no step {position}.")
    if not step_may_become(Status(step.status), status):
        raise Refused(f"The step {step.name} of build {build.pk} is {step.status} and cannot become {status}.")
    return step


def _sentence(text: str, most: int) -> str:
    """`text` as every database takes it: cut, and without NUL and halves of surrogate pairs."""
    return text[:most].replace("\0", "").encode("utf-8", "replace").decode()


def _as_it_is(build: Build) -> Fact:
    return Fact("build", build.data())


def _begun(build: Build) -> Fact:
    outbox.tell(build)
    return _as_it_is(build)


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
    build.reason = _sentence(reason, 500 - len(then)) + _sentence(then, 500)
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


def _end_unleased(build: Build, status: Status, reason: str, then: str = "", *, at: datetime | None = None) -> None:
    """The same by anyone but its worker, with its event and its revision."""
    _end(build, status, reason, then, at=at)
    events.put_unleased(build.pk, [*_end_groups(build.pk), _as_it_is(build)])
    _revise(build.pk)


def _end_groups(build_id: int) -> list[Fact]:
    """Inside a transaction that holds the build's row: end the groups that its worker, which is gone, has left open."""
    ended = landmarks.end_open(build_id, lambda step: printed.total_lines(build_id, step))
    return [Fact(group.kind, group.data(events.step_names(build_id)[group.step])) for group in ended]


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
