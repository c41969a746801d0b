"""What is built."""

import contextlib

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from .. import labels, recipe
from .shared import rule


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


def validate_labels(text: str) -> None:
    try:
        labels.parse(text)
    except labels.LabelError as error:
        raise ValidationError(f"{error}.") from error


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
    runs_on = models.CharField(
        max_length=200,
        blank=True,
        validators=[validate_labels],
        help_text="Labels that its builds need of a worker, separated by commas or spaces. None: any worker will do.",
    )
    max_running = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="So many of its builds run at a time. Empty: as many as there are workers.",
    )
    auto_retries = models.PositiveSmallIntegerField(
        default=0,
        blank=True,
        validators=[MaxValueValidator(10)],
        help_text="How often a build that was lost, or stopped with its worker, is retried by itself.",
    )
    keep_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Logs of builds that ended so many days ago are pruned; 0: never by age. Empty: as the board has it.",
    )
    keep_builds = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Logs of so many of its newest builds are kept at most; 0: any number. Empty: as the board has it.",
    )
    groups = models.ManyToManyField(
        Group, blank=True, help_text="Only members of these groups see it. None: everyone who is signed in."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            rule("project_name", ~Q(name="")),
            rule("project_slug", ~Q(slug="")),
            rule("project_max_running", Q(max_running__isnull=True) | Q(max_running__gte=1)),
            rule("project_auto_retries", Q(auto_retries__lte=10)),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("project", args=[self.slug])

    def clean(self) -> None:
        """Labels are kept in one form, however they were typed; a form may leave out what has a default."""
        if self.auto_retries is None:
            self.auto_retries = 0
        with contextlib.suppress(labels.LabelError):  # said at its field
            self.runs_on = labels.joined(self.runs_on)
