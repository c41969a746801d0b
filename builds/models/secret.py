"""What a project's steps may be given, and nobody may see."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from .project import Project
from .sealed import SealedField
from .shared import rule


class Secret(models.Model):
    """Of a project, for the steps that name it. Its value is shown nowhere."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=100)
    """As recipes name it."""
    value = SealedField()
    for_forks = models.BooleanField(default=False)
    """Also given to builds of pull requests from forks: to code that anybody may have written."""
    branches = models.CharField(max_length=500, blank=True)
    """Globs, separated by spaces: given to builds of such branches alone. Empty: to those of any."""
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_by = models.CharField(max_length=150, blank=True, editable=False)

    class Meta:
        ordering = ["project", "name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="secret_name"),
            rule("secret_named", ~Q(name="")),
            rule("secret_sealed", ~Q(value="")),
        ]

    def __str__(self) -> str:
        return self.name
