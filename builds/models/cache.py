"""What builds leave for later ones: see `caches.py`, which alone reads and writes this."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from .artifact import STATES, STORED, STORING
from .project import Project
from .shared import rule


class Cache(models.Model):
    """An archive of files, in the storage. Its row is there before the file is, and goes after it."""

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="caches", db_index=False)
    """None: the project was deleted, and the file is still to be."""
    scope = models.CharField(max_length=40, blank=True)
    """Empty: of the project's own builds, for all of them; else of the builds of one pull request from a fork alone."""
    key = models.CharField(max_length=500)
    size = models.BigIntegerField()
    """Of the archive."""
    sha256 = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=100, unique=True)
    """Of the file in the storage."""
    state = models.CharField(max_length=10, default=STORING)
    build = models.BigIntegerField()
    """Number of the build that made it."""
    created_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(default=timezone.now)
    """The last time that a build found it."""

    class Meta:
        ordering = ["project", "-used_at"]
        indexes = [
            models.Index(fields=["project", "scope", "key"], name="cache_key"),
            models.Index(fields=["id"], condition=~Q(state=STORED) | Q(project__isnull=True), name="cache_unsettled"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["project", "scope", "key"], condition=Q(state=STORED), name="cache_one"),
            rule("cache_state", Q(state__in=STATES)),
            rule("cache_size", Q(size__gte=0)),
            rule("cache_named", ~Q(key="") & ~Q(name="")),
            rule("cache_stored_is_whole", ~Q(state=STORED) | ~Q(sha256="")),
        ]

    def __str__(self) -> str:
        return f"{self.key} of {self.project_id}"
