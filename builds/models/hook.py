"""What a project takes from its forge, and what the forge has delivered."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ..hooks import FORGES
from .build import Build
from .project import Project
from .sealed import SealedField
from .shared import rule

OUTCOMES = ("started", "ignored", "refused", "repeated")
"""What becomes of a delivery: a build; none, on purpose; none, because something is wrong; the build that the same
delivery had started before."""


MAX_PATTERNS = 50
_NEVER = "[\\^~:"
"""What no name of a branch or tag has, as `git check-ref-format` says."""


def patterns(text: str) -> tuple[str, ...]:
    """Patterns of names of branches, as they are written in a field: separated by commas or spaces."""
    return tuple(text.replace(",", " ").split())


def validate_patterns(text: str) -> None:
    found = patterns(text)
    if len(found) > MAX_PATTERNS:
        raise ValidationError(f"Expected at most {MAX_PATTERNS} patterns.")
    for one in found:
        if not one.isprintable():
            raise ValidationError("Expected printable characters: no branch or tag has others.")
        if never := [letter for letter in one if letter in _NEVER]:
            raise ValidationError(
                f"{one[:40]} fits no branch: git allows no {never[0]} in a name; *, ** and ? stand for others."
            )
    if found and all(one.startswith("!") for one in found):
        raise ValidationError(f"{found[0][:40]} takes back, and nothing is taken: begin with ** to mean all others.")


class Hook(models.Model):
    """Of a project that takes webhooks: the secret that its forge signs with, and which news start a build."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="hook")
    secret = SealedField()
    made_at = models.DateTimeField("secret made at", default=timezone.now, editable=False)
    made_by = models.CharField("secret made by", max_length=150, blank=True, editable=False)
    branches = models.CharField(
        max_length=500,
        blank=True,
        validators=[validate_patterns],
        help_text="Patterns such as main release/*, separated by spaces: their pushes are built, and pull requests to "
        "them. The last that fits decides, and ! takes back. Empty: all branches.",
    )
    tags = models.BooleanField(default=True, help_text="Pushed tags are built.")
    pull_requests = models.BooleanField(default=True, help_text="Pull requests are built: opened, and each new commit.")
    forks = models.BooleanField(
        "pull requests of forks",
        default=False,
        help_text="Also those from other repositories: whoever may open one runs what they like on the workers.",
    )
    supersede = models.BooleanField(
        default=False,
        help_text="A newer push cancels older builds of the same branch, or pull request, that still wait.",
    )

    class Meta:
        verbose_name = "webhook"
        constraints = [rule("hook_secret", ~Q(secret=""))]

    def __str__(self) -> str:
        return f"webhook of {self.project}"


class Delivery(models.Model):
    """One delivery, and what became of it. Of its body nothing is kept but what is shown, once it is verified."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    forge = models.CharField(max_length=10)
    delivery = models.CharField(max_length=128)
    """The forge's number for it: the same when it is sent again."""
    event = models.CharField(max_length=60, blank=True)
    received_at = models.DateTimeField(default=timezone.now)
    outcome = models.CharField(max_length=10)
    why = models.CharField(max_length=500, blank=True)
    """In a sentence; empty for one that has started a build."""
    build = models.ForeignKey(Build, null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries")
    ref = models.CharField(max_length=250, blank=True)
    commit = models.CharField(max_length=64, blank=True)
    sender = models.CharField(max_length=150, blank=True)
    address = models.CharField(max_length=45, blank=True)
    """Of whoever sent it, as the server saw it."""

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-id"]
        indexes = [models.Index(fields=["project", "outcome", "-id"], name="delivery_outcome")]
        constraints = [
            rule("delivery_forge", Q(forge__in=FORGES)),
            rule("delivery_outcome_known", Q(outcome__in=OUTCOMES)),
            models.UniqueConstraint(
                fields=["project", "forge", "delivery"], condition=Q(outcome="started"), name="delivery_starts_once"
            ),
        ]

    def __str__(self) -> str:
        return f"delivery {self.delivery} of {self.forge}"
