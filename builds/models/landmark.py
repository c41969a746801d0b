"""What the steps of a build have said about their own output: see `landmarks.py`, which alone reads and writes it."""

from django.db import models
from django.db.models import Q

from .build import Build
from .shared import rule

LEVEL_NAMES = ["error", "warning", "notice"]


class LogGroup(models.Model):
    """Lines of a step that belong together. They go with the log; what is beyond the bound has no row."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="groups", db_index=False)
    number = models.PositiveIntegerField()
    """1, 2, 3 … within its build."""
    step = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=500, blank=True)
    line = models.BigIntegerField()
    """The line that begins it, from 1 within its step."""
    last = models.BigIntegerField(null=True, blank=True)
    """Its last line; None: it is open."""

    class Meta:
        ordering = ["build_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["build", "number"], name="group_number"),
            models.UniqueConstraint(fields=["build", "step"], condition=Q(last__isnull=True), name="group_one_open"),
            rule("group_numbered", Q(number__gte=1)),
            rule("group_has_lines", Q(line__gte=1) & (Q(last__isnull=True) | Q(last__gte=models.F("line")))),
        ]

    def __str__(self) -> str:
        return f"group {self.number} of build {self.build_id}: {self.name}"


class Annotation(models.Model):
    """An error, a warning or a notice that a step has printed as such. It outlives the log."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="annotations", db_index=False)
    number = models.PositiveIntegerField()
    """1, 2, 3 … within its build."""
    step = models.PositiveSmallIntegerField()
    line = models.BigIntegerField()
    """The line that says it, from 1 within its step."""
    level = models.CharField(max_length=10)
    message = models.CharField(max_length=500, blank=True)
    title = models.CharField(max_length=500, blank=True)
    file = models.CharField(max_length=500, blank=True)
    file_line = models.PositiveIntegerField(null=True, blank=True)
    column = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["build_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["build", "number"], name="annotation_number"),
            rule("annotation_level", Q(level__in=LEVEL_NAMES)),
            rule("annotation_numbered", Q(number__gte=1)),
            rule("annotation_line", Q(line__gte=1)),
            rule("annotation_file_line", Q(file_line__isnull=True) | Q(file_line__gte=1)),
            rule("annotation_column", Q(column__isnull=True) | Q(column__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.level} {self.number} of build {self.build_id}"
