"""Who can be harmed: workers and steps as the process table has them, and what was done to them."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import psutil

from builds.worker.supervisor import worker_name
from tests.support.processes import alive

from .units import Unit

Found = TypeVar("Found")


@dataclass(frozen=True)
class Harm:
    """Something was done that may have changed how a build ends. Times are the machine's clock, in UTC."""

    kind: str
    at: datetime
    worker: str = ""
    """Whose build, whatever it is: the worker that was harmed."""
    build: int | None = None
    """Seen at that moment with a step alive: this build was harmed for certain."""
    step: str = ""
    until: datetime | None = None
    """Where the harm lasted."""


def workers_of(supervisor: Unit) -> list[psutil.Process]:
    """The worker processes that it has now."""
    return supervisor.children("--one")


def name_of(worker: psutil.Process) -> str:
    """Under which the board knows it."""
    command = worker.cmdline()
    return worker_name(worker.pid, command[command.index("--one") + 1])


def steps_of(worker: psutil.Process) -> list[psutil.Process]:
    """The first processes of the steps that it runs: below its guardians, and each the head of its session."""
    found = []
    for guardian in worker.children():
        with contextlib.suppress(psutil.Error, OSError):
            for child in guardian.children():
                if alive(child.pid) and os.getsid(child.pid) == child.pid and "BUILDBOARD_STEP" in child.environ():
                    found.append(child)
    return found


def build_of(step: psutil.Process) -> int:
    return int(step.environ()["BUILDBOARD_BUILD_ID"])


@contextlib.contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """In it, the process does nothing. It goes on afterwards, where it lives."""
    process.suspend()
    try:
        within(1.0, lambda: process.status() == psutil.STATUS_STOPPED)
        yield
    finally:
        with contextlib.suppress(psutil.Error):
            process.resume()


def within(seconds: float, look: Callable[[], Found]) -> Found | None:
    """The first truthy answer of `look` within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(psutil.Error):
            if found := look():
                return found
        time.sleep(0.05)
    return None


def now() -> datetime:
    return datetime.now(UTC)
