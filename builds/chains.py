"""One project after another: whenever a build of the one has passed, a build of the other begins, once.

What follows a build is written down in the transaction that ends it (`lifecycle.finish`), and started by whoever looks
first, supervisors every two seconds, in one transaction with the deletion of that note: no crash loses or doubles it.
"""

import logging

from django.db import InterfaceError, OperationalError, transaction

from . import lifecycle
from .models import After, Board, Build, FollowUp, patterns
from .recipe import globs
from .source import Source

logger = logging.getLogger(__name__)

BY = "another project"
"""Who starts what follows a build, as it is shown behind "started by"."""
_MOST = 100
"""Started at one look; the others with the next."""


class Circle(Exception):
    """A project would be built after itself: a sentence that says so."""


def save(after: After) -> None:
    """Store one that was made or changed. `Circle`."""
    Board.get()
    with transaction.atomic():
        Board.objects.select_for_update().get(pk=1)  # two at the same instant could each be half of a circle
        check(after)
        after.save()


def check(after: After) -> None:
    """`Circle` where its upstream is built after its project, through however many others."""
    following: dict[int, list[int]] = {}
    for upstream, project in After.objects.exclude(pk=after.pk).values_list("upstream", "project"):
        following.setdefault(upstream, []).append(project)
    seen = {after.project_id}
    waiting = [after.project_id]
    while waiting:
        found = set(following.get(waiting.pop(), ())) - seen
        seen |= found
        waiting += found
    if after.upstream_id in seen:
        # Which others there are between is not said: whoever asks may not see them.
        raise Circle(f"That would be a circle: {after.upstream} is built after {after.project} already.")


def start_due() -> list[Build]:
    """Start what is to follow builds that have passed. Costs one query where there is nothing. What was started."""
    due = list(FollowUp.objects.values_list("pk", flat=True)[:_MOST])
    return [build for number in due if (build := _start(number))]


# --- Inside ---


def _start(number: int) -> Build | None:
    try:
        with transaction.atomic():
            found = FollowUp.objects.select_related("after__project", "build__project").filter(pk=number).first()
            if found is None:
                return None
            lifecycle.hold(found.after.project)
            if not FollowUp.objects.filter(pk=number).delete()[0]:
                return None  # somebody else was faster
            after = found.after
            build, note = None, ""
            if _counts(after, found.build):
                try:
                    with transaction.atomic():
                        build = _enqueue(after, found.build)
                except (lifecycle.QueueFull, OperationalError, InterfaceError):
                    raise  # with a later look
                except lifecycle.Refused as refusal:
                    note = f"It could not be started: {refusal}"[:500]
                except Exception as error:  # none of them holds up the others, or whoever looks
                    logger.exception("action=start-due state=failed chain=%d build=%d", after.pk, found.build_id)
                    note = f"It could not be started: {type(error).__name__}."
                if note != after.note:
                    After.objects.filter(pk=after.pk).update(note=note)
            return build
    except lifecycle.QueueFull:
        return None  # with a later look
    except lifecycle.ProjectGone:
        return None  # and this with it


def _counts(after: After, build: Build) -> bool:
    if build.pull_request is not None:
        return False  # what it would be is not there yet
    if not after.branches:
        return True
    return not build.tag and globs.any_of(patterns(after.branches), build.branch or build.ref)


def _enqueue(after: After, build: Build) -> Build:
    return lifecycle.enqueue(
        after.project,
        by=BY,  # no name and no number: not everybody who sees this one may see that project
        ref=build.ref or build.branch or build.tag if after.same_ref else "",
        source=Source("project"),
        request_key=f"after:{build.pk}",
        parent=build,
    )
