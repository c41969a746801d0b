"""A round: everything that is due, one build after the other."""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import IntegrityError

from .. import artifacts, caches
from ..models import Build, Project
from .pace import Pace, Stopped
from .rules import due, with_old_files
from .turns import alone
from .verbs import Differs, Done, compact, prune, sweep

logger = logging.getLogger(__name__)


@dataclass
class Tally:
    """What a round has done so far."""

    compacted: int = 0
    pruned: int = 0
    """Builds."""
    lines: int = 0
    bytes: int = 0
    """Of the text of their logs."""
    rows: int = 0
    """Deleted from the tables."""
    files: int = 0
    """Artifacts and caches that were deleted."""
    seconds: float = 0.0
    failed: list[int] = field(default_factory=list)
    """Numbers of the builds that could not be compacted this time."""
    left: int = 0
    """Builds that were due, and were not come to."""
    busy: bool = False
    """Someone else was at it; nothing was done."""

    def add(self, done: Done | None, why: str) -> None:
        if done is None:
            return
        self.pruned += bool(why)
        self.compacted += not why
        self.lines += done.lines
        self.bytes += done.bytes
        self.rows += done.rows


def run(
    project: Project | None = None,
    *,
    compact_only: bool = False,
    again: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    tell: Callable[[int, int, Tally], None] = lambda done, of, tally: None,
) -> Tally:
    """Do what is due, unless someone else does it just now. `stopping`: whether to end, asked again and again. `tell`:
    called before each build with how many were come to, how many there are, and what was done so far.
    """
    tally, began = Tally(), time.monotonic()
    with alone() as got:
        if not got:
            return Tally(busy=True)
        waiting = list(due(project, compact_only=compact_only, again=again))
        pace = Pace(stopping)
        for place, one in enumerate(waiting):
            tally.left = len(waiting) - place
            tally.seconds = time.monotonic() - began
            tell(place, len(waiting), tally)
            try:
                if one.rest:
                    tally.rows += sweep(one.build_id, pace)
                else:
                    done = prune(one.build_id, one.why, pace) if one.why else compact(one.build_id, pace)
                    tally.add(done, one.why)
            except Stopped:
                break
            except Differs:
                tally.failed.append(one.build_id)
            except (IntegrityError, Build.DoesNotExist):
                if Build.objects.filter(pk=one.build_id).exists():
                    raise
                logger.info("action=prune state=gone build=%d", one.build_id)  # deleted while it was compacted
        else:
            tally.left = 0
            if not compact_only:
                tally.files = _delete_files(project, pace, stopping)
    tally.seconds = time.monotonic() - began
    return tally


def _delete_files(project: Project | None, pace: Pace, stopping: Callable[[], bool]) -> int:
    """Of artifacts that are due, and of whatever else nobody is to see any more; how many."""
    with contextlib.suppress(Stopped):
        for build_id in with_old_files(project):
            with pace.batch():
                artifacts.expire(build_id)
    return artifacts.sweep(stopping) + caches.sweep(stopping)
