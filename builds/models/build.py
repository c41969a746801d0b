"""One run of a recipe."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from ..progress import Estimate, estimate
from ..source import TRIGGERS
from ..states import FINAL, Status
from .project import Project
from .shared import (
    BUILD_NAMES,
    FAILED,
    FINAL_IS_FINISHED,
    FINAL_NAMES,
    LOST,
    PASSED,
    QUEUED,
    RUNNING,
    iso,
    rule,
    seconds_between,
)

if TYPE_CHECKING:
    from .step import Step


class BuildQuerySet(models.QuerySet["Build"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> "BuildQuerySet":
        # Not `project__in`: SQLite would read every build of each project, and sort them.
        return self.filter(Exists(Project.objects.visible_to(user).filter(pk=OuterRef("project_id"))))

    def queued(self) -> "BuildQuerySet":
        """Oldest first: the order in which workers take them."""
        return self.filter(status=Status.QUEUED).order_by("id")

    def running(self) -> "BuildQuerySet":
        return self.filter(status=Status.RUNNING).order_by("id")

    def on_workers(self) -> "BuildQuerySet":
        """Those that run here, and so take a worker's time."""
        return self.running().filter(outside=False)

    def finished(self) -> "BuildQuerySet":
        """Newest first."""
        # Not `status__in`, which is the same: SQLite would read every build of each status, and sort them.
        return self.filter(finished_at__isnull=False).order_by("-id")


class Build(models.Model):
    """One run of a recipe. `id` is its number, for ever."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="builds")
    ref = models.CharField(max_length=200, blank=True)
    inputs = models.JSONField(default=dict, blank=True)
    recipe = models.TextField()
    """As it was when the build was started."""
    status = models.CharField(max_length=10, default=QUEUED)
    reason = models.CharField(max_length=500, blank=True)
    """Why it ended as it did, in a sentence; empty for a passed build."""

    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    started_by = models.CharField(max_length=150, blank=True)
    """Who asked for it: a user's name, or what did it in their place."""
    cancelled_by = models.CharField(max_length=150, blank=True)
    retry_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="retries", db_index=True
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children", db_index=True
    )
    """The build of another project that this one came after; see `chains.py`."""
    request_key = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001 - NULL is "none"
    """One-time key of the click that started it: a second click with the same key is the same build."""

    attempt = models.PositiveSmallIntegerField(default=1, editable=False)
    """1, and one more for each time that it was retried by itself (`Project.auto_retries`)."""
    runs_on = models.CharField(max_length=200, blank=True)
    """Labels that its worker needs, as the project had them when it was started."""

    network = models.BooleanField(default=True, db_default=True)
    """Whether its steps reach the network, as the project had it when it was started."""
    sandbox = models.CharField(max_length=20, blank=True, default="", db_default="")
    """What its worker puts steps into, as BUILDBOARD_SANDBOX names it; empty: it has not begun."""

    repository = models.CharField(max_length=500, blank=True, default="", db_default="")
    """Its address, as the project had it when the build was started; empty: a build without a checkout."""
    trigger = models.CharField(max_length=20, default="manual", db_default="manual")
    """What started it: one of `source.TRIGGERS`."""
    branch = models.CharField(max_length=200, blank=True, default="", db_default="")
    """That it is of, as far as is known; of a pull request: the one that it would be merged into."""
    tag = models.CharField(max_length=200, blank=True, default="", db_default="")
    commit = models.CharField(max_length=64, blank=True, default="", db_default="")
    """That it is of, whole: from whoever started it, else since its checkout. Empty: not known, or no repository."""
    commit_title = models.CharField(max_length=200, blank=True, default="", db_default="")
    commit_author = models.CharField(max_length=200, blank=True, default="", db_default="")
    committed_at = models.DateTimeField(null=True, blank=True)
    pull_request = models.PositiveIntegerField(null=True, blank=True)
    fork = models.BooleanField(default=False, db_default=False)
    """What it runs may be anybody's: as `Source.fork`."""
    recipe_path = models.CharField(max_length=200, blank=True, default="", db_default="")
    """The file of the repository that its recipe is from; empty: it is the project's own."""
    recipe_known = models.BooleanField(default=False, db_default=False, editable=False)
    """Which recipe it runs is known: from its start on, or since its checkout has found one that fits."""

    outside = models.BooleanField(default=False, db_default=False, editable=False)
    """No worker of this board runs it: a program elsewhere does, and tells by the API what becomes of it."""

    head = models.BigIntegerField(default=0, editable=False)
    """The seq of its newest event."""
    horizon = models.BigIntegerField(default=1, editable=False)
    """The oldest seq still stored."""
    revision = models.BigIntegerField(default=0, editable=False)
    """The board's number of its last visible change."""

    worker = models.CharField(max_length=100, blank=True)
    """The name of the worker that took it; stays when it is over."""
    lease_token = models.CharField(max_length=32, null=True, blank=True, editable=False)  # noqa: DJ001
    renewal = models.BigIntegerField(default=0, editable=False)
    """Raised by every sign of life of the worker."""

    kept = models.BooleanField(default=False)
    """Its log is never pruned: someone said so."""
    compacted_at = models.DateTimeField(null=True, blank=True, editable=False)
    """Since when its log is blocks and no longer events; see `LogBlock`."""
    pruned_at = models.DateTimeField(null=True, blank=True, editable=False)
    """Since when its log is gone."""
    log_lines = models.BigIntegerField(null=True, blank=True, editable=False)
    log_bytes = models.BigIntegerField(null=True, blank=True, editable=False)
    """How much its log had when it was compacted or pruned: lines, and bytes of their text."""
    log_rest = models.BooleanField(default=False, editable=False)
    """Rows of its log that nobody reads any more are still to be deleted."""
    log_note = models.CharField(max_length=200, blank=True, editable=False)
    """The rule by which its log was pruned, or why it could not be compacted: part of a sentence; else empty."""

    errors_told = models.BigIntegerField(default=0, db_default=0, editable=False)
    warnings_told = models.BigIntegerField(default=0, db_default=0, editable=False)
    notices_told = models.BigIntegerField(default=0, db_default=0, editable=False)
    groups_told = models.BigIntegerField(default=0, db_default=0, editable=False)
    """How many annotations of each level, and groups, its steps have printed, those that are not kept included. The
    database has the defaults as well: while a board is upgraded, webs that do not know the columns start builds."""

    artifact_count = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    artifact_bytes = models.BigIntegerField(default=0, db_default=0, editable=False)
    """How many files its steps have left behind, of those that are still there, and their size."""

    tests_passed = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    tests_failed = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    tests_skipped = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    """How many tests its steps have reported."""

    objects = BuildQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("start_build", "Can start and retry builds"),
            ("cancel_build", "Can cancel builds"),
            ("keep_build", "Can keep the logs of builds"),
        ]
        indexes = [
            models.Index(fields=["status", "id"], name="build_status"),
            models.Index(fields=["status", "project", "runs_on", "id"], name="build_lane"),
            models.Index(fields=["project", "-id"], name="build_project"),
            # The last passed ones of a project, however long ago: pages, estimates and rules ask for them.
            models.Index(fields=["project", "status", "-id"], name="build_result"),
            models.Index(fields=["revision"], name="build_revision"),
            # What the board's filter asks for: one that matches little, or nothing, would else read every build.
            models.Index(fields=["ref", "-id"], name="build_ref"),
            models.Index(fields=["started_by", "-id"], name="build_started_by"),
            models.Index(fields=["created_at"], name="build_created"),
            # What is due, found among those whose log is there, however many have none any more.
            models.Index(fields=["project", "-id"], condition=Q(pruned_at__isnull=True), name="build_unpruned"),
            models.Index(
                fields=["finished_at"],
                condition=Q(pruned_at__isnull=True, compacted_at__isnull=True),
                name="build_uncompacted",
            ),
            models.Index(
                fields=["project", "finished_at"],
                condition=Q(pruned_at__isnull=True, kept=False),
                name="build_prunable",
            ),
            models.Index(fields=["id"], condition=Q(log_rest=True), name="build_log_rest"),
            # Of a project those that have artifacts, among all of its builds: how much they take.
            models.Index(fields=["project"], condition=Q(artifact_count__gt=0), name="build_with_artifacts"),
        ]
        constraints = [
            rule("build_status_known", Q(status__in=BUILD_NAMES)),
            rule(
                "build_running_is_leased",
                Q(status=RUNNING, lease_token__isnull=False) | (~Q(status=RUNNING) & Q(lease_token__isnull=True)),
            ),
            rule("build_final_is_finished", FINAL_IS_FINISHED),
            rule(
                "build_ran_is_started",
                ~Q(status__in=[RUNNING, PASSED, FAILED, LOST]) | (Q(started_at__isnull=False) & ~Q(worker="")),
            ),
            rule("build_queued_is_not_started", ~Q(status=QUEUED) | Q(started_at__isnull=True)),
            rule("build_head", Q(head__gte=0)),
            rule("build_horizon", Q(horizon__gte=1, horizon__lte=models.F("head") + 1)),
            rule("build_revision_positive", Q(revision__gte=0)),
            rule("build_renewal", Q(renewal__gte=0)),
            rule("build_trigger", Q(trigger__in=TRIGGERS)),
            rule("build_attempt", Q(attempt__gte=1)),
            rule("build_compacted_is_final", Q(compacted_at__isnull=True) | Q(status__in=FINAL_NAMES)),
            rule("build_pruned_is_final", Q(pruned_at__isnull=True) | Q(status__in=FINAL_NAMES)),
            rule(
                "build_log_measured",
                Q(log_lines__isnull=True, log_bytes__isnull=True)
                | Q(log_lines__isnull=False, log_lines__gte=0, log_bytes__isnull=False, log_bytes__gte=0),
            ),
            rule("build_told", Q(errors_told__gte=0, warnings_told__gte=0, notices_told__gte=0, groups_told__gte=0)),
            rule("build_artifacts", Q(artifact_count__gte=0, artifact_bytes__gte=0)),
            models.UniqueConstraint(fields=["project", "request_key"], name="build_request_key"),
            models.UniqueConstraint(fields=["lease_token"], name="build_lease_token"),
        ]

    def __str__(self) -> str:
        return f"build {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("build", args=[self.pk])

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_cancelling(self) -> bool:
        return self.status == Status.RUNNING and self.cancel_requested_at is not None

    @property
    def duration(self) -> float | None:
        """Seconds that it ran, up to now while it runs; None if it never began."""
        return seconds_between(self.started_at, self.finished_at)

    @property
    def annotations_told(self) -> dict[str, int]:
        """By level, how many its steps have printed."""
        return {"error": self.errors_told, "warning": self.warnings_told, "notice": self.notices_told}

    def estimate(self, steps: list["Step"] | None = None) -> Estimate:
        if self.status != Status.RUNNING:
            return Estimate(1.0 if self.status == Status.PASSED else None, None)
        times = [step.time() for step in (self.steps.all() if steps is None else steps)]
        return estimate(times, settings.BUILDBOARD_MAX_PARALLEL_STEPS)

    def data(self, steps: list["Step"] | None = None) -> dict[str, Any]:
        """The whole current state: the `data` of a `build` event, and what the API gives for a build.

        `parent` is always None here: an event is told to all who may see the build, and not each of them may see the
        other project. The API says it to those who may. `steps`: in their order, where the caller has them already.
        """
        steps = list(self.steps.all()) if steps is None else steps
        now = self.estimate(steps)
        return {
            "id": self.pk,
            "project": self.project.slug,
            "status": str(self.status),
            "reason": self.reason,
            "progress": None if now.fraction is None else round(now.fraction, 4),
            "eta_seconds": None if now.remaining is None else round(now.remaining, 1),
            "created_at": iso(self.created_at),
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "cancel_requested": self.cancel_requested_at is not None,
            "ref": self.ref,
            "repository": self.repository,
            "trigger": self.trigger,
            "branch": self.branch,
            "tag": self.tag,
            "commit": self.commit,
            "commit_title": self.commit_title,
            "commit_author": self.commit_author,
            "committed_at": iso(self.committed_at),
            "pull_request": self.pull_request,
            "fork": self.fork,
            "recipe_path": self.recipe_path,
            "recipe_known": self.recipe_known,
            "inputs": self.inputs,
            "started_by": self.started_by,
            "cancelled_by": self.cancelled_by,
            "retry_of": self.retry_of_id,
            "parent": None,
            "attempt": self.attempt,
            "outside": self.outside,
            "runs_on": self.runs_on,
            "worker": self.worker,
            "network": self.network,
            "sandbox": self.sandbox,
            "kept": self.kept,
            "pruned_at": iso(self.pruned_at),
            "annotations": self.annotations_told,
            "tests": {"passed": self.tests_passed, "failed": self.tests_failed, "skipped": self.tests_skipped},
            "artifacts": {"count": self.artifact_count, "bytes": self.artifact_bytes},
            "parallel": settings.BUILDBOARD_MAX_PARALLEL_STEPS,
            "steps": [step.data() for step in steps],
        }
