"""A step that runs, as its runner sees it, what else may belong to it, and how the runner waits."""

import math
import select
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..recipe import StepRecipe
from . import endings
from .endings import Ending
from .jobs import Job
from .steplog import StepLog

Start = Callable[[], Job]
"""Begins a job. Raises `OSError` where it cannot be begun at all."""


@dataclass
class Running:
    """A step that was begun, and all that it started."""

    position: int
    """In its build."""
    step: StepRecipe
    log: StepLog
    workspace: Path
    """Where it works."""
    attempt: int = 1
    jobs: list[Job] = field(default_factory=list)
    """All that were started, the newest last; what an earlier one left behind may still print."""
    told: Ending | None = None
    """How it is to end, since its build has to."""
    deadline: float = math.inf
    """Of this attempt, in seconds of the monotonic clock."""
    reads: int = 0
    """How often something was read of it."""
    draining: bool = False
    """A job of it is over, but for what may still stand in its terminal."""
    ended: bool = False
    """Its own end is stored; what it left behind may still print."""
    progress: float | None = None
    progress_at: float = float("-inf")

    @property
    def name(self) -> str:
        return self.step.name

    def due_to_end(self) -> Ending | None:
        """How, where its build or its own time says so."""
        if self.told is None and self.step.timeout is not None and time.monotonic() >= self.deadline:
            return endings.step_timeout(self.name, self.step.timeout)
        return self.told


class Hook:
    """What else belongs to a step, beside its script: `runner.hooks` has the list of them. Both methods give a row of
    jobs, begun one after the other; the first that does not end well ends its row. A method may be a generator: it is
    asked for the next job by the runner's own thread when the one before is over, and may store then what that has
    found (by the runner's `Storing`, fenced by the lease)."""

    def before(self, step: Running) -> Iterable[Start]:
        """Ahead of the first process of the first attempt, within the step's own time. One that fails, fails the
        attempt."""
        return ()

    def after(self, step: Running, ending: Ending) -> Iterable[Start]:
        """Behind the last attempt, however that ended, but not where the whole build was told to. One that fails, fails
        a step that had passed."""
        return ()


def readable(files: list[int], seconds: float) -> bool:
    """Whether one of them has something to read, or comes to its end, within `seconds`."""
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    return bool(poll.poll(math.ceil(max(seconds, 0.0) * 1000)))
