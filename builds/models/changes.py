"""What a build has that the last passed build before it did not: commits."""

from typing import Any

from django.db import models
from django.db.models import Q

from .build import Build
from .shared import rule


class Changes(models.Model):
    """Found at the build's checkout, where both commits are at hand. Beside the build: no list shows it."""

    build = models.OneToOneField(Build, on_delete=models.CASCADE, primary_key=True, related_name="changes")
    since = models.CharField(max_length=64)
    """The commit of that passed build."""
    since_build = models.ForeignKey(Build, null=True, on_delete=models.SET_NULL, related_name="+")
    count = models.PositiveIntegerField()
    """How many commits are new."""
    gone = models.PositiveIntegerField(default=0)
    """How many the passed build had and this one has not: the branch was rewritten, or this is another one."""
    commits = models.JSONField(default=list)
    """The newest of them, newest first: `commit`, `title`, `author` and `at` (ISO 8601) of each."""

    class Meta:
        verbose_name_plural = "changes"
        constraints = [rule("changes_since", ~Q(since=""))]

    def __str__(self) -> str:
        return f"changes of build {self.build_id}"

    @property
    def more(self) -> int:
        """How many are not listed."""
        return max(self.count - len(self.commits), 0)

    def data(self) -> dict[str, Any]:
        """What the API gives."""
        return {
            "since": self.since,
            "since_build": self.since_build_id,
            "count": self.count,
            "gone": self.gone,
            "commits": self.commits,
        }
