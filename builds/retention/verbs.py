"""What is done to the log of one build: compact it, prune it. Each verb may be broken off anywhere, and called again.

Readers go by the build's row: until `compacted_at` is set, the log is its events, and blocks are only half made; from
then on it is the blocks, and events below the horizon are only rows that are still to be deleted.
"""

import logging
from collections.abc import Callable
from itertools import islice, zip_longest
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from .. import artifacts, blocks, events, landmarks, printed, testcases
from ..blocks import Cut, Damaged, Line, Run
from ..events import Fact
from ..models import Build
from . import oldlog
from .pace import Pace

logger = logging.getLogger(__name__)

_ROWS_A_BLOCK = 16
"""A block takes as many pages as so many events, or more."""


class Differs(Exception):
    """The blocks do not say what the events say. Nothing was deleted."""


class Done(NamedTuple):
    lines: int
    bytes: int
    """Of the log's text."""
    rows: int
    """Deleted events, blocks and groups."""


def compact(build_id: int, pace: Pace) -> Done | None:
    """Make the log of a build that is over into blocks, read them back and compare, and only then delete its events.

    None: there was nothing to do (any more). `Differs`: it is left as it was, with the reason in `log_note`, and no
    longer due.
    """
    build = Build.objects.filter(pk=build_id).first()
    if build is None or not build.is_final or build.compacted_at or build.pruned_at:
        return None
    _delete_blocks(build_id, pace)  # of an attempt that was broken off
    try:
        size = _write_blocks(build_id, pace)
        lines = _verify(build_id, pace)
    except (Differs, Damaged, Build.DoesNotExist) as error:
        _delete_blocks(build_id, pace)
        if not Build.objects.filter(pk=build_id).update(log_note=f"not compacted: {error}"[:200]):
            return None  # it was deleted meanwhile
        logger.error("action=compact state=differs build=%d error=%s", build_id, error)
        raise Differs(str(error)) from error
    with pace.batch():
        stood = Build.objects.filter(pk=build_id, compacted_at__isnull=True, pruned_at__isnull=True)
        stands = stood.update(
            compacted_at=timezone.now(),
            log_lines=lines,
            log_bytes=size,
            log_note="",
            log_rest=True,
            horizon=F("head"),  # its newest event, the build as it ended, stays one
        )
    if not stands:
        _delete_blocks(build_id, pace)
        return None
    return Done(lines, size, sweep(build_id, pace))


def prune(build_id: int, why: str, pace: Pace) -> Done | None:
    """Delete the log of a build that is over. `why`: the rule, as part of a sentence. Its row says so first. Its
    artifacts go with it.

    One event stays, the build as it is now; so do its annotations. None: it is kept since, or there was nothing to do.
    """
    build = Build.objects.filter(pk=build_id).first()
    if build is None or not _may_be_pruned(build):
        return None
    lines, size = build.log_lines, build.log_bytes
    if lines is None or size is None:
        lines, size = _measure(build_id, pace)
    with pace.batch(), transaction.atomic():
        build = Build.objects.select_for_update().filter(pk=build_id).first()
        if build is None or not _may_be_pruned(build):
            return None
        build.pruned_at = timezone.now()
        build.log_lines, build.log_bytes, build.log_note, build.log_rest = lines, size, why, True
        build.save(update_fields=["pruned_at", "log_lines", "log_bytes", "log_note", "log_rest"])
        artifacts.discard(build_id)
        build.artifact_count = build.artifact_bytes = 0
        events.put_unleased(build_id, [Fact("build", build.data())])
        Build.objects.filter(pk=build_id).update(horizon=F("head"))
    return Done(lines, size, sweep(build_id, pace))


def sweep(build_id: int, pace: Pace) -> int:
    """Delete, in batches, the rows of a log that nobody reads any more; how many they were."""
    build = Build.objects.filter(pk=build_id, log_rest=True).first()
    if build is None:
        return 0
    deleted = 0
    while (oldest := oldlog.oldest(build_id)) is not None and oldest < build.horizon:
        with pace.rows_batch() as rows:
            deleted += oldlog.delete_below(build_id, min(oldest + rows, build.horizon))
    if build.pruned_at:
        deleted += _delete_blocks(build_id, pace)
        with pace.batch():
            deleted += landmarks.delete_groups(build_id)
        deleted += _delete_all(lambda rows: testcases.delete(build_id, rows), pace)
    with pace.batch():
        Build.objects.filter(pk=build_id).update(log_rest=False)
    return deleted


# --- Inside ---


def _may_be_pruned(build: Build) -> bool:
    return build.is_final and not build.kept and build.pruned_at is None


def _write_blocks(build_id: int, pace: Pace) -> int:
    """How many bytes of text there are in them."""
    size = number = 0
    drafts = blocks.packed(blocks.settled(oldlog.parts(build_id)))
    while True:
        with pace.reading():
            draft = next(drafts, None)
        if draft is None:
            return size
        with pace.batch():
            blocks.store(build_id, number, draft)
        number += 1
        size += draft.size


def _verify(build_id: int, pace: Pace) -> int:
    """Compare what readers will get from the blocks, as the database has them, with what they get from the events:
    every line with its number, text, time and whether it is open, how many there are, and every cut. How many lines.
    """
    counted = 0
    cuts = oldlog.cuts(build_id)
    cuts_found: list[Cut] = []
    stored = blocks.every(build_id)
    while True:
        with pace.reading():
            block = next(stored, None)
            if block is None:
                break
            found = list(block.lines())
            for ours, theirs in zip_longest(found, _of_events(build_id, block.step, found)):
                if ours != theirs:
                    number = (theirs or ours).number
                    raise Differs(f"line {number} of step {block.step + 1} is not what its event says")
            counted += len(found)
            cuts_found += [part for part in block.parts if isinstance(part, Cut)]
    if counted != oldlog.count_lines(build_id, cuts):
        raise Differs("the blocks have not as many lines as the events")
    if cuts_found != cuts:
        raise Differs("the blocks have not the cuts of the events")
    if oldlog.newest_kind(build_id) != "build":
        raise Differs("its newest event is not the state in which it ended")
    return counted


def _of_events(build_id: int, step: int, lines: list[Line]) -> list[Line]:
    """What readers get from the events for all numbers from the first to the last of `lines`."""
    return printed.lines_of_events(build_id, step, lines[0].number, lines[-1].number) if lines else []


def _measure(build_id: int, pace: Pace) -> tuple[int, int]:
    """Lines, and bytes of text, of a log that is events."""
    lines = size = 0
    standing = blocks.settled(oldlog.parts(build_id))
    while True:
        with pace.reading():
            some = list(islice(standing, 64))
        if not some:
            return lines, size
        texts = [text for part in some if isinstance(part, Run) for text in part.texts]
        lines += len(texts)
        size += sum(len(text.encode("utf-8", "replace")) + 1 for text in texts)


def _delete_blocks(build_id: int, pace: Pace) -> int:
    return _delete_all(lambda rows: blocks.delete(build_id, max(rows // _ROWS_A_BLOCK, 1)), pace)


def _delete_all(delete: Callable[[int], int], pace: Pace) -> int:
    """`delete`: up to so many; how many they were. How many in all."""
    deleted = 0
    while True:
        with pace.rows_batch() as rows:
            some = delete(rows)
        if not some:
            return deleted
        deleted += some
