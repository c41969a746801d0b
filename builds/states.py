"""Statuses of builds and steps, and the transitions between them. Pure: imports nothing of the project."""

from enum import StrEnum


class Status(StrEnum):
    """The status of a build, or of one of its steps."""

    PENDING = "pending"
    """Step: its turn has not come."""
    QUEUED = "queued"
    """Build: waits for a worker."""
    RUNNING = "running"
    """Build: leased by a worker. With `cancel_requested_at` set it is being cancelled."""
    PASSED = "passed"
    """Every step that ran exited with 0; of a build: or was allowed to fail."""
    FAILED = "failed"
    """A step said no: exit code, timeout, or it could not be started."""
    CANCELLED = "cancelled"
    """Someone, or a draining worker, ended it."""
    LOST = "lost"
    """We lost the worker; what it did last is not known."""
    SKIPPED = "skipped"
    """Step: another one ended the build, or its own condition did not hold."""


BUILD_STATUSES = (Status.QUEUED, Status.RUNNING, Status.PASSED, Status.FAILED, Status.CANCELLED, Status.LOST)
STEP_STATUSES = (
    Status.PENDING,
    Status.RUNNING,
    Status.PASSED,
    Status.FAILED,
    Status.CANCELLED,
    Status.LOST,
    Status.SKIPPED,
)
FINAL = frozenset({Status.PASSED, Status.FAILED, Status.CANCELLED, Status.LOST, Status.SKIPPED})

BUILD_TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.PASSED, Status.FAILED, Status.CANCELLED, Status.LOST}),
}
STEP_TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.RUNNING, Status.SKIPPED}),
    Status.RUNNING: frozenset({Status.PASSED, Status.FAILED, Status.CANCELLED, Status.LOST}),
}


def may_become(now: Status, then: Status) -> bool:
    """Whether a build with status `now` may get status `then`."""
    return then in BUILD_TRANSITIONS.get(now, frozenset())


def step_may_become(now: Status, then: Status) -> bool:
    """Whether a step with status `now` may get status `then`."""
    return then in STEP_TRANSITIONS.get(now, frozenset())
