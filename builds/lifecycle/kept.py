"""What is kept of a build: its log, for ever; or not even its row."""

from functools import partial

from django.db import transaction

from .. import events, wakes
from ..models import Board, Build
from .change import as_it_is, locked, next_revision, revise
from .refusals import Refused


def keep(build_id: int, kept: bool) -> Build:
    """Say that the build's log is never pruned, or take that back. `Refused` where it is pruned already."""
    with transaction.atomic():
        build = locked(build_id)
        if build.pruned_at is not None and kept:
            raise Refused(f"The log of build {build.pk} is pruned; there is nothing left to be kept.")
        if build.kept != kept:
            build.kept = kept
            build.save(update_fields=["kept"])
            if build.lease_token is None:  # else its worker is the log's only writer, and says so with its next event
                events.put_unleased(build.pk, [as_it_is(build)])
            revise(build.pk)
        return build


def deleted() -> None:
    """A build's row is gone: boards cannot show that as a change, so they have to load again."""
    with transaction.atomic():
        revision = next_revision()
        Board.objects.filter(pk=1).update(horizon=revision)
        transaction.on_commit(partial(wakes.wake, wakes.BOARD, revision))
