"""One named command of a build."""

from typing import Any

from django.db import models
from django.db.models import Q

from .. import recipe
from ..progress import StepTime
from ..states import Status
from .build import Build
from .shared import (
    CANCELLED,
    FAILED,
    FINAL_IS_FINISHED,
    LOST,
    PASSED,
    PENDING,
    RUNNING,
    SKIPPED,
    STEP_NAMES,
    iso,
    rule,
    seconds_between,
)


class Step(models.Model):
    """One named command of a build."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    """From 0, in the order of the recipe."""
    name = models.CharField(max_length=recipe.MAX_NAME)
    status = models.CharField(max_length=10, default=PENDING)
    exit_code = models.IntegerField(null=True, blank=True)
    """Of its process; negative: the signal that ended it. None: it did not end by itself."""
    reason = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expected_seconds = models.FloatField(null=True, blank=True)
    """Median of the project's last passed builds when this build was queued."""
    progress = models.FloatField(null=True, blank=True)
    """Its own word, 0–1."""
    needs = models.JSONField(null=True, blank=True)
    """Positions of the steps that are over before it begins. None: the one before it, as in every build from before
    there were needs."""
    attempt = models.PositiveSmallIntegerField(default=1, db_default=1)
    """Which it is in, or ended with."""
    attempts = models.PositiveSmallIntegerField(default=1, db_default=1)
    """So many at most."""
    allow_failure = models.BooleanField(default=False, db_default=False)
    """Where it fails its build goes on, and may pass."""
    image = models.CharField(max_length=recipe.MAX_IMAGE, blank=True, default="", db_default="")
    """Of the container that its recipe puts it into; empty: it names none."""

    class Meta:
        ordering = ["build_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["build", "position"], name="step_position"),
            models.UniqueConstraint(fields=["build", "name"], name="step_name"),
            rule("step_status_known", Q(status__in=STEP_NAMES)),
            rule("step_final_is_finished", FINAL_IS_FINISHED),
            rule(
                "step_ran_is_started",
                ~Q(status__in=[RUNNING, PASSED, FAILED, CANCELLED, LOST]) | Q(started_at__isnull=False),
            ),
            rule("step_not_run_is_not_started", ~Q(status__in=[PENDING, SKIPPED]) | Q(started_at__isnull=True)),
            # A comparison with NULL is neither true nor false, and a CHECK lets that pass: hence the "is not NULL".
            rule("step_passed_exits_0", ~Q(status=PASSED) | Q(exit_code__isnull=False, exit_code=0)),
            rule("step_attempt", Q(attempt__gte=1, attempt__lte=models.F("attempts"))),
            rule("step_progress", Q(progress__isnull=True) | Q(progress__gte=0, progress__lte=1)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def duration(self) -> float | None:
        """Seconds that it ran, up to now while it runs; None if it never began."""
        return seconds_between(self.started_at, self.finished_at)

    @property
    def needed(self) -> list[int]:
        """Positions of those that it needs."""
        if self.needs is None:
            return [self.position - 1] if self.position else []
        return list(self.needs)

    def time(self) -> StepTime:
        return StepTime(Status(self.status), self.expected_seconds, self.duration or 0.0, self.progress, self.needed)

    def data(self) -> dict[str, Any]:
        """The `data` of a `step` event."""
        return {
            "name": self.name,
            "status": str(self.status),
            "exit_code": self.exit_code,
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "reason": self.reason,
            "expected_seconds": self.expected_seconds,
            "progress": self.progress,
            "needs": self.needed,
            "attempt": self.attempt,
            "attempts": self.attempts,
            "allow_failure": self.allow_failure,
            "image": self.image,
        }
