"""When a project is built by itself."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ..cron import MAX_CRON, MAX_ZONE, CronError, check, check_zone, zones
from .build import Build
from .project import Project
from .shared import SaysWhatIsTaken, rule

MAX_SCHEDULES = 50
"""Of one project."""


def validate_ref(text: str) -> None:
    if not text.isprintable() or text.startswith("-") or text != text.strip():
        raise ValidationError("Expected a branch, tag or commit: printable characters, not beginning with '-'.")


class Schedule(SaysWhatIsTaken, models.Model):
    """A time that comes again and again, and what is started then. `schedules.py` alone writes when it is next."""

    taken = "The project has a schedule of that name already."

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="schedules")
    name = models.CharField(
        max_length=100, help_text="Its builds say that this has started them: nightly, for example."
    )
    cron = models.CharField(
        "when",
        max_length=MAX_CRON,
        help_text="Minute, hour, day of month, month, day of week: 30 3 * * 1-5 is half past three on weekdays. Or "
        "@hourly, @daily, @weekly, @monthly, @yearly.",
    )
    zone = models.CharField("time zone", max_length=MAX_ZONE, default="UTC", help_text="Such as Europe/Berlin, or UTC.")
    ref = models.CharField("branch, tag or commit", max_length=200, blank=True, validators=[validate_ref])
    inputs = models.JSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True, help_text="One that is not enabled starts nothing.")
    next_at = models.DateTimeField(null=True, blank=True, editable=False)
    """When it starts a build next; None: never, or it is not enabled."""
    last_at = models.DateTimeField(null=True, blank=True, editable=False)
    """The time for which it was looked at last."""
    last_build = models.ForeignKey(
        Build, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    """The newest build that it has started."""
    note = models.CharField(max_length=500, blank=True, editable=False)
    """What was not as it should have been at that time, in sentences: starts that were missed, or refused."""
    missed = models.PositiveIntegerField(default=0, editable=False)
    """How many of its times nobody looked at, ever, and which nobody made up for."""
    missed_at = models.DateTimeField(null=True, blank=True, editable=False)
    """The newest of those."""
    made_by = models.CharField(max_length=150, blank=True, editable=False)
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["project", "name", "id"]
        indexes = [models.Index(fields=["next_at"], name="schedule_next")]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="schedule_name"),
            rule("schedule_named", ~Q(name="")),
            rule("schedule_off_is_never", Q(enabled=True) | Q(next_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self._state.adding and Schedule.objects.filter(project=self.project_id).count() >= MAX_SCHEDULES:
            raise ValidationError(
                f"A project has up to {MAX_SCHEDULES} schedules. Delete one that is not needed any more."
            )
        said = {}
        if not self.name.isprintable():
            said["name"] = "Expected printable characters on one line."
        if not isinstance(self.inputs, dict):
            said["inputs"] = 'Expected an object of inputs by their names, such as {"target": "staging"}.'
        try:
            check_zone(self.zone)
        except CronError as error:
            said["zone"] = str(error)
        try:
            check(self.cron, self.zone if self.zone in zones() else "UTC")
        except CronError as error:
            said["cron"] = str(error)
        if said:
            raise ValidationError(said)
