"""The tables. Who writes them: `events.py` the log, `lifecycle.py` every status, the admin projects and tokens.

Impossible states are refused by the database itself: see each model's constraints.
"""

import secrets
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from . import recipe
from .progress import Estimate, StepTime, estimate
from .states import BUILD_STATUSES, FINAL, STEP_STATUSES, Status

# Plain texts: a migration holds values, not this program's names.
_RUNNING, _QUEUED, _PENDING, _SKIPPED = "running", "queued", "pending", "skipped"
_PASSED, _FAILED, _CANCELLED, _LOST = "passed", "failed", "cancelled", "lost"

_FINAL = sorted(status.value for status in FINAL)
_BUILD_STATUSES = [status.value for status in BUILD_STATUSES]
_STEP_STATUSES = [status.value for status in STEP_STATUSES]
ALL_SCOPES = ("read", "start", "cancel")
"""What an API token may be good for: read; start and retry; cancel."""


def _rule(name: str, condition: Q) -> models.CheckConstraint:
    return models.CheckConstraint(name=name, condition=condition)


def new_world() -> str:
    return secrets.token_hex(8)


def _seconds(started_at: datetime | None, finished_at: datetime | None) -> float | None:
    return None if started_at is None else ((finished_at or timezone.now()) - started_at).total_seconds()


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, as every reader outside gets it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


class Board(models.Model):
    """One row: this database's name and the number of its last visible change."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    world = models.CharField(max_length=32, default=new_world)
    """A random name, renewed when the database is restored from a backup: cursors of another world are void."""
    revision = models.BigIntegerField(default=0)
    horizon = models.BigIntegerField(default=0)
    """The oldest revision that a cursor may still have: raised when a build is deleted."""

    class Meta:
        verbose_name_plural = "board"
        constraints = [
            _rule("board_single", Q(id=1)),
            _rule("board_revision", Q(revision__gte=0)),
            _rule("board_horizon", Q(horizon__gte=0, horizon__lte=models.F("revision"))),
        ]

    def __str__(self) -> str:
        return f"world {self.world}, revision {self.revision}"

    @classmethod
    def get(cls) -> "Board":
        """The row, made when it is asked for the first time."""
        return cls.objects.get_or_create(pk=1)[0]


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> "ProjectQuerySet":
        """Those that `user` may see: without groups every signed-in user, else members of one of the groups.

        Anonymous: none, or with BUILDBOARD_PUBLIC those without groups. Superusers: all.
        """
        if user.is_authenticated and user.is_active:
            if getattr(user, "is_superuser", False):
                return self
            return self.filter(Q(groups__isnull=True) | Q(groups__in=Group.objects.filter(user=user))).distinct()  # type: ignore[misc]
        if settings.BUILDBOARD_PUBLIC:
            return self.filter(groups__isnull=True)
        return self.none()


def validate_recipe(text: str) -> None:
    try:
        recipe.parse(text)
    except recipe.RecipeError as error:
        raise ValidationError(str(error)) from error


class Project(models.Model):
    """What is built."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True, help_text="Its name in addresses: letters, digits, - and _.")
    description = models.CharField(max_length=300, blank=True)
    repository = models.CharField(max_length=500, blank=True, help_text="Where its source lives; shown on its page.")
    recipe = models.TextField(
        validators=[validate_recipe],
        help_text="YAML: steps: [{name, run, env, timeout}], and env and timeout for all of them.",
    )
    enabled = models.BooleanField(default=True, help_text="A disabled project starts no builds.")
    groups = models.ManyToManyField(
        Group, blank=True, help_text="Only members of these groups see it. None: everyone who is signed in."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            _rule("project_name", ~Q(name="")),
            _rule("project_slug", ~Q(slug="")),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("project", args=[self.slug])


class BuildQuerySet(models.QuerySet["Build"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> "BuildQuerySet":
        return self.filter(project__in=Project.objects.visible_to(user).values("pk"))

    def queued(self) -> "BuildQuerySet":
        """Oldest first: the order in which workers take them."""
        return self.filter(status=Status.QUEUED).order_by("id")

    def running(self) -> "BuildQuerySet":
        return self.filter(status=Status.RUNNING).order_by("id")

    def finished(self) -> "BuildQuerySet":
        """Newest first."""
        return self.filter(status__in=_FINAL).order_by("-id")


class Build(models.Model):
    """One run of a recipe. `id` is its number, for ever."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="builds")
    ref = models.CharField(max_length=200, blank=True)
    inputs = models.JSONField(default=dict, blank=True)
    recipe = models.TextField()
    """As it was when the build was started."""
    status = models.CharField(max_length=10, default=_QUEUED)
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
    request_key = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001 - NULL is "none"
    """One-time key of the click that started it: a second click with the same key is the same build."""

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

    objects = BuildQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("start_build", "Can start and retry builds"),
            ("cancel_build", "Can cancel builds"),
        ]
        indexes = [
            models.Index(fields=["status", "id"], name="build_status"),
            models.Index(fields=["project", "-id"], name="build_project"),
            models.Index(fields=["revision"], name="build_revision"),
        ]
        constraints = [
            _rule("build_status_known", Q(status__in=_BUILD_STATUSES)),
            _rule(
                "build_running_is_leased",
                Q(status=_RUNNING, lease_token__isnull=False) | (~Q(status=_RUNNING) & Q(lease_token__isnull=True)),
            ),
            _rule(
                "build_final_is_finished",
                Q(status__in=_FINAL, finished_at__isnull=False) | (~Q(status__in=_FINAL) & Q(finished_at__isnull=True)),
            ),
            _rule(
                "build_ran_is_started",
                ~Q(status__in=[_RUNNING, _PASSED, _FAILED, _LOST]) | (Q(started_at__isnull=False) & ~Q(worker="")),
            ),
            _rule("build_queued_is_not_started", ~Q(status=_QUEUED) | Q(started_at__isnull=True)),
            _rule("build_head", Q(head__gte=0)),
            _rule("build_horizon", Q(horizon__gte=1, horizon__lte=models.F("head") + 1)),
            _rule("build_revision_positive", Q(revision__gte=0)),
            _rule("build_renewal", Q(renewal__gte=0)),
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
        return _seconds(self.started_at, self.finished_at)

    def estimate(self, steps: list["Step"] | None = None) -> Estimate:
        if self.status != Status.RUNNING:
            return Estimate(1.0 if self.status == Status.PASSED else None, None)
        return estimate([step.time() for step in (self.steps.all() if steps is None else steps)])

    def data(self, steps: list["Step"] | None = None) -> dict[str, Any]:
        """The whole current state: the `data` of a `build` event, and what the API gives for a build.

        `steps`: in their order, where the caller has them already.
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
            "started_by": self.started_by,
            "cancelled_by": self.cancelled_by,
            "retry_of": self.retry_of_id,
            "worker": self.worker,
            "steps": [step.data() for step in steps],
        }


class Step(models.Model):
    """One named command of a build."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    """From 0, in the order of the recipe."""
    name = models.CharField(max_length=recipe.MAX_NAME)
    status = models.CharField(max_length=10, default=_PENDING)
    exit_code = models.IntegerField(null=True, blank=True)
    """Of its process; negative: the signal that ended it. None: it did not end by itself."""
    reason = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expected_seconds = models.FloatField(null=True, blank=True)
    """Median of the project's last passed builds when this build was queued."""
    progress = models.FloatField(null=True, blank=True)
    """Its own word, 0–1."""

    class Meta:
        ordering = ["build", "position"]
        constraints = [
            models.UniqueConstraint(fields=["build", "position"], name="step_position"),
            models.UniqueConstraint(fields=["build", "name"], name="step_name"),
            _rule("step_status_known", Q(status__in=_STEP_STATUSES)),
            _rule(
                "step_final_is_finished",
                Q(status__in=_FINAL, finished_at__isnull=False) | (~Q(status__in=_FINAL) & Q(finished_at__isnull=True)),
            ),
            _rule(
                "step_ran_is_started",
                ~Q(status__in=[_RUNNING, _PASSED, _FAILED, _CANCELLED, _LOST]) | Q(started_at__isnull=False),
            ),
            _rule("step_not_run_is_not_started", ~Q(status__in=[_PENDING, _SKIPPED]) | Q(started_at__isnull=True)),
            # A comparison with NULL is neither true nor false, and a CHECK lets that pass: hence the "is not NULL".
            _rule("step_passed_exits_0", ~Q(status=_PASSED) | Q(exit_code__isnull=False, exit_code=0)),
            _rule("step_progress", Q(progress__isnull=True) | Q(progress__gte=0, progress__lte=1)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def duration(self) -> float | None:
        """Seconds that it ran, up to now while it runs; None if it never began."""
        return _seconds(self.started_at, self.finished_at)

    def time(self) -> StepTime:
        return StepTime(Status(self.status), self.expected_seconds, self.duration or 0.0, self.progress)

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
        }


class Event(models.Model):
    """A stored, numbered, never changed fact about one build. Read and written by `events.py` alone."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="events", db_index=False)
    seq = models.BigIntegerField()
    """1, 2, 3 … within its build, without gaps, in commit order."""
    kind = models.CharField(max_length=20)
    at = models.DateTimeField()
    step = models.PositiveSmallIntegerField(null=True)
    """`log`: the step's position."""
    line = models.BigIntegerField(null=True)
    """`log`: number of the chunk's first line, from 1 within its step."""
    lines = models.IntegerField(null=True)
    """`log`: how many lines the chunk has."""
    open = models.BooleanField(default=False)
    """`log`: the last line is unfinished; a later chunk that begins with its number replaces it."""
    body = models.TextField()
    """`log`: the lines, joined by a line feed. Any other kind: a compact JSON object."""

    class Meta:
        ordering = ["build", "seq"]
        indexes = [
            models.Index(fields=["build", "step", "line"], name="event_line", condition=Q(line__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["build", "seq"], name="event_seq"),
            _rule("event_seq_positive", Q(seq__gte=1)),
            _rule("event_kind", ~Q(kind="")),
            _rule(
                "event_log_has_lines",
                Q(kind="log", step__isnull=False, line__isnull=False, line__gte=1, lines__isnull=False, lines__gte=1)
                | (~Q(kind="log") & Q(step__isnull=True, line__isnull=True, lines__isnull=True, open=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"event {self.seq} of build {self.build_id}: {self.kind}"


class Worker(models.Model):
    """A process that runs builds, one at a time. Its row goes when it ends in order."""

    name = models.CharField(max_length=100, unique=True)
    """host:pid, and a random end, so that a number used again is another worker."""
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    """By the database's clock (`lifecycle.beat`)."""
    renewal = models.BigIntegerField(default=0)
    draining = models.BooleanField(default=False)

    class Meta:
        ordering = ["name"]
        constraints = [_rule("worker_renewal", Q(renewal__gte=0))]

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """256 random bits that act for a user, kept as their SHA-256 (`access.py`)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.CharField(max_length=100, default=" ".join(ALL_SCOPES))
    """Words of ALL_SCOPES, separated by spaces."""
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API token"
        ordering = ["user", "name", "id"]

    def __str__(self) -> str:
        return self.name or f"token {self.pk}"
