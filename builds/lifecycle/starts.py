"""By people and programs: a build is queued, for the first time or again."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from .. import events, labels, outbox, plans, recipe
from ..inputs import InputError
from ..models import Build, Project, Step
from ..source import Source
from ..states import FINAL
from .change import as_it_is, revise
from .refusals import Refused, check_queue, check_start, hold
from .rows import source_columns, step_rows

NEARLY_FULL = 100
"""So near its bound the length of the queue is measured where no other start can come in between."""
ITSELF = "Buildboard"
"""Who retries a build that was lost."""


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
    `Refused`: the project is disabled or deleted, its recipe is not valid, `ref` or `inputs` do not fit, or the queue
    is full.
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
    nearly_full = check_queue(room=1) > settings.BUILDBOARD_MAX_QUEUED - NEARLY_FULL
    try:
        with transaction.atomic():
            hold(project)
            build = Build.objects.create(
                project=project,
                ref=ref,
                repository=address,
                **source_columns(source, ref),
                inputs=plan.inputs,
                recipe=plan.text,
                recipe_known=not address,
                started_by=by[:150],
                request_key=request_key,
                retry_of=retry_of,
                parent=retry_of.parent if retry_of else parent,
                attempt=attempt,
                runs_on=runs_on,
                network=project.network,
            )
            Step.objects.bulk_create(step_rows(build, plan.steps))
            events.put_unleased(build.pk, [as_it_is(build)])
            outbox.tell(build)
            revise(build.pk, at_once=nearly_full)
            if nearly_full:
                check_queue(room=0)  # the board's row is locked by now: no other start comes in between
            return build
    except IntegrityError:
        known = request_key and Build.objects.filter(project=project, request_key=request_key).first()
        if not known:
            raise
        return known  # the other click of two was faster


def retry(build: Build, *, by: str, request_key: str | None = None) -> Build:
    """A new build that repeats `build`, which has to be over. `Refused` where it is not."""
    build.refresh_from_db(fields=["status"])
    if build.outside:
        raise Refused(f"Build {build.pk} ran outside, on {build.worker}: only there can it be repeated.")
    if build.status not in FINAL:
        raise Refused(f"Build {build.pk} is still {build.status}; only a finished build can be retried.")
    return _repeat(build, by=by, request_key=request_key)


def retry_by_itself(build: Build) -> str:
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
