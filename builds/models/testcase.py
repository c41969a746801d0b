"""What tests have come to, as the reports of steps say: see `testcases.py`, which alone reads and writes this."""

from django.db import models
from django.db.models import Q

from .build import Build
from .shared import rule

CASE_STATUSES = ["passed", "failed", "error", "skipped"]


class TestReport(models.Model):
    """Of one step of a build, all its tests counted, those that are not kept included."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="test_reports", db_index=False)
    step = models.PositiveSmallIntegerField()
    passed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    """Those included that broke before they could fail."""
    skipped = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    """Of all its cases together."""

    class Meta:
        ordering = ["build_id", "step"]
        constraints = [
            models.UniqueConstraint(fields=["build", "step"], name="test_report_step"),
            rule("test_report_seconds", Q(seconds__gte=0)),
        ]

    def __str__(self) -> str:
        return f"tests of step {self.step} of build {self.build_id}"


class TestCase(models.Model):
    """One test of one step of a build. It goes with the build's log."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="test_cases", db_index=False)
    step = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    """1, 2, 3 … within its step, in the order of the reports."""
    key = models.BigIntegerField()
    """Of step, suite, class and name: the same test has the same key in each build of a project."""
    suite = models.CharField(max_length=500, blank=True)
    classname = models.CharField(max_length=500, blank=True)
    name = models.CharField(max_length=500)
    status = models.CharField(max_length=10)
    seconds = models.FloatField(null=True, blank=True)
    message = models.CharField(max_length=500, blank=True)
    text = models.TextField(blank=True)
    file = models.CharField(max_length=500, blank=True)
    line = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["build_id", "step", "number"]
        indexes = [
            models.Index(fields=["build", "key"], name="test_case_key"),
            # The few that matter, found among the many that passed.
            models.Index(fields=["build", "step", "number"], condition=~Q(status="passed"), name="test_case_bad"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["build", "step", "number"], name="test_case_number"),
            rule("test_case_status", Q(status__in=CASE_STATUSES)),
            rule("test_case_numbered", Q(number__gte=1)),
            rule("test_case_seconds", Q(seconds__isnull=True) | Q(seconds__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.name} of build {self.build_id}: {self.status}"
