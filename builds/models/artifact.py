"""Files that steps have left behind: see `artifacts.py`, which alone reads and writes this."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from .build import Build
from .shared import rule

STORING, STORED, GOING = "storing", "stored", "going"
STATES = [STORING, STORED, GOING]


class Artifact(models.Model):
    """A file of a build, in the storage. Its row is there before the file is, and goes after it: no file is forgotten,
    whatever dies in between."""

    id = models.BigAutoField(primary_key=True)
    build = models.ForeignKey(Build, null=True, on_delete=models.SET_NULL, related_name="artifacts", db_index=False)
    """None: the build was deleted, and the file is still to be."""
    step = models.PositiveSmallIntegerField()
    """Position of the step that left it."""
    path = models.CharField(max_length=500)
    """Within the workspace, with slashes."""
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True)
    """In hexadecimal; empty while a step of ours is being stored, see `uploads.py` for what comes from outside."""
    content_type = models.CharField(max_length=100, blank=True)
    """By what it begins with, never by its name."""
    name = models.CharField(max_length=100, unique=True)
    """Of the file in the storage: random, so that no name of a step's making is ever one of ours."""
    state = models.CharField(max_length=10, default=STORING)
    """`storing`; `stored`: whole, and shown; `going`: to be deleted."""
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["build_id", "path"]
        indexes = [
            models.Index(fields=["build", "path"], name="artifact_build"),
            # What is to be deleted, found among all that stay.
            models.Index(fields=["id"], condition=~Q(state=STORED) | Q(build__isnull=True), name="artifact_unsettled"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["build", "path"], condition=Q(state=STORED), name="artifact_path"),
            rule("artifact_state", Q(state__in=STATES)),
            rule("artifact_size", Q(size__gte=0)),
            rule("artifact_named", ~Q(path="") & ~Q(name="")),
            rule("artifact_stored_is_whole", ~Q(state=STORED) | (~Q(sha256="") & ~Q(content_type=""))),
        ]

    def __str__(self) -> str:
        return f"{self.path} of build {self.build_id}"
