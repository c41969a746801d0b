"""Keys of programs."""

from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

ALL_SCOPES = ("read", "start", "cancel", "keep", "secrets", "targets", "projects")
"""What an API token may be good for: read; start and retry; cancel; keep logs, and no longer keep them; list and write
secrets of projects, whose values nothing reads; say who is told of their builds; make, change and delete projects and
their caches."""


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
