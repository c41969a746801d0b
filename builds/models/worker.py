"""Who runs builds."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from .shared import rule


class Worker(models.Model):
    """A process that runs builds, one at a time. Its row goes when it ends in order."""

    name = models.CharField(max_length=100, unique=True)
    """host:pid, and a random end, so that a number used again is another worker."""
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    """By the database's clock (`beats.beat`)."""
    renewal = models.BigIntegerField(default=0)
    draining = models.BooleanField(default=False)
    labels = models.CharField(max_length=1_000, blank=True)
    """What it has, separated by spaces (`labels.py`)."""
    note = models.CharField(max_length=200, blank=True)
    """Why it takes no builds just now, in a sentence; empty: it does."""

    class Meta:
        ordering = ["name"]
        constraints = [rule("worker_renewal", Q(renewal__gte=0))]

    def __str__(self) -> str:
        return self.name

    @property
    def takes_builds(self) -> bool:
        """As far as it has said; whether it is free is another question."""
        return not self.draining and not self.note
