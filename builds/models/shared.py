"""What several tables need: names of statuses for their constraints, times as readers get them."""

from collections.abc import Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ..states import BUILD_STATUSES, FINAL, STEP_STATUSES

# Plain texts: a migration holds values, not this program's names.
RUNNING, QUEUED, PENDING, SKIPPED = "running", "queued", "pending", "skipped"
PASSED, FAILED, CANCELLED, LOST = "passed", "failed", "cancelled", "lost"

FINAL_NAMES = sorted(status.value for status in FINAL)
BUILD_NAMES = [status.value for status in BUILD_STATUSES]
STEP_NAMES = [status.value for status in STEP_STATUSES]

FINAL_IS_FINISHED = Q(status__in=FINAL_NAMES, finished_at__isnull=False) | (
    ~Q(status__in=FINAL_NAMES) & Q(finished_at__isnull=True)
)


def rule(name: str, condition: Q) -> models.CheckConstraint:
    """What the database itself refuses where it does not hold."""
    return models.CheckConstraint(name=name, condition=condition)


class SaysWhatIsTaken:
    """Of a table whose rows have a name each: two of the same are refused in the product's words."""

    taken = ""
    """The sentence."""

    def unique_error_message(self, model_class: type[models.Model], unique_check: Sequence[str]) -> ValidationError:
        return ValidationError(self.taken, code="unique")


def seconds_between(started_at: datetime | None, finished_at: datetime | None) -> float | None:
    """Up to now where it has not finished; never negative: a clock may have been set back meanwhile."""
    if started_at is None:
        return None
    return max(((finished_at or timezone.now()) - started_at).total_seconds(), 0.0)


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, as every reader outside gets it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
