"""A step that runs, as its runner sees it, and how the runner waits."""

import math
import select
from dataclasses import dataclass

from .process import Process
from .steplog import StepLog


@dataclass
class Running:
    """A step that was begun, and all that it started."""

    position: int
    name: str
    process: Process
    log: StepLog
    ended: bool = False
    """Its own end is stored; what it left behind may still print."""
    progress: float | None = None
    progress_at: float = float("-inf")


def readable(files: list[int], seconds: float) -> bool:
    """Whether one of them has something to read, or comes to its end, within `seconds`."""
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    return bool(poll.poll(math.ceil(max(seconds, 0.0) * 1000)))
