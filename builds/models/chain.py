"""One project after another."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from .build import Build
from .hook import validate_patterns
from .project import Project
from .shared import SaysWhatIsTaken, rule

MAX_AFTERS = 50
"""Of one project: so many others it comes after, and so many come after it."""


class After(SaysWhatIsTaken, models.Model):
    """`project` is built whenever a build of `upstream` has passed. `chains.py` stores them, and refuses circles."""

    taken = "The project is built after that one already."

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="afters")
    upstream = models.ForeignKey(
        Project,
        verbose_name="after",
        on_delete=models.CASCADE,
        related_name="followers",
        help_text="When a build of this project has passed, one of the other begins.",
    )
    branches = models.CharField(
        max_length=500,
        blank=True,
        validators=[validate_patterns],
        help_text="Patterns such as main release/*, separated by spaces: builds of these branches count. Empty: all.",
    )
    same_ref = models.BooleanField(
        "same branch or tag",
        default=False,
        help_text="It is built of the branch, tag or commit that the other was; else of its own default.",
    )
    note = models.CharField(max_length=500, blank=True, editable=False)
    """Why it could not be started last, in a sentence; empty: it could."""
    made_by = models.CharField(max_length=150, blank=True, editable=False)
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "chain"
        ordering = ["project", "upstream__name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "upstream"], name="after_once"),
            rule("after_another", ~Q(project=F("upstream"))),
        ]

    def __str__(self) -> str:
        return f"{self.project} after {self.upstream}"

    def clean(self) -> None:
        if not self._state.adding:
            return
        if After.objects.filter(project=self.project_id).count() >= MAX_AFTERS:
            raise ValidationError(f"A project is built after up to {MAX_AFTERS} others. Remove one first.")
        if After.objects.filter(upstream=self.upstream_id).count() >= MAX_AFTERS:
            # Which these are is not said: whoever asks may not see them.
            raise ValidationError({"upstream": f"Up to {MAX_AFTERS} projects are built after it already."})


class FollowUp(models.Model):
    """A build that has passed, and what is still to be started after it: written in the transaction that ends it, and
    deleted in the one that starts what follows."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="follow_ups", db_index=False)
    after = models.ForeignKey(After, on_delete=models.CASCADE, related_name="follow_ups")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["build", "after"], name="follow_up_once")]

    def __str__(self) -> str:
        return f"{self.after}, {self.build}"
