"""What is built."""

import contextlib
from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from .. import labels, recipe, repository
from ..repository import MAX_ADDRESS, MAX_PATH, MAX_REF, RECIPE_PATH
from .credential import Credential
from .shared import SaysWhatIsTaken, rule


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
        raise ValidationError([str(one) for one in error.all]) from error


def validate_labels(text: str) -> None:
    try:
        labels.parse(text)
    except labels.LabelError as error:
        raise ValidationError(f"{error}.") from error


def address(text: str) -> repository.Address:
    """The repository's address, as this board's settings allow it. `RepositoryError`."""
    return repository.parse(
        text, folders=settings.BUILDBOARD_LOCAL_REPOSITORIES, http_hosts=settings.BUILDBOARD_HTTP_HOSTS
    )


def validate_repository(text: str) -> None:
    with _said():
        address(text)


def validate_branch(text: str) -> None:
    with _said():
        repository.check_ref(text)


def validate_recipe_path(text: str) -> None:
    with _said():
        repository.check_path(text)


@contextlib.contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except repository.RepositoryError as error:
        raise ValidationError(f"{str(error)[0].upper()}{str(error)[1:]}.") from error


class Project(SaysWhatIsTaken, models.Model):
    """What is built."""

    taken = "There is a project of that name in addresses already."

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True, help_text="Its name in addresses: letters, digits, - and _.")
    description = models.CharField(max_length=300, blank=True)
    repository = models.CharField(
        max_length=MAX_ADDRESS,
        blank=True,
        validators=[validate_repository],
        help_text="Address of the git repository that each build begins with: https://…, ssh://… or git@host:path. "
        "None: a build begins in an empty folder.",
    )
    credential = models.ForeignKey(
        Credential,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="projects",
        help_text="What opens the repository, where it is not everybody's.",
    )
    branch = models.CharField(
        max_length=MAX_REF,
        blank=True,
        default="",
        db_default="",
        validators=[validate_branch],
        help_text="What is built where a start names nothing else. Empty: the repository's own default branch.",
    )
    submodules = models.BooleanField(default=False, db_default=False, help_text="Check out submodules, too.")
    lfs = models.BooleanField("Git LFS", default=False, db_default=False, help_text="Fetch what Git LFS keeps, too.")
    depth = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="So many commits of history are checked out, and no tags. Empty: the whole history.",
    )
    recipe_path = models.CharField(
        max_length=MAX_PATH,
        blank=True,
        default=RECIPE_PATH,
        db_default=RECIPE_PATH,
        validators=[validate_recipe_path],
        help_text="Where the repository has its recipe.",
    )
    recipe = models.TextField(
        blank=True,
        validators=[validate_recipe],
        help_text="YAML: steps: [{name, run, env, timeout}], and env and timeout for all of them. "
        "Of a project with a repository: for commits that have no recipe of their own.",
    )
    found_recipe = models.TextField(blank=True, default="", db_default="", editable=False)
    """Of the repository, as the last build of the default branch found it: what the start form asks for."""
    found_commit = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    """Where it was found."""
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
    network = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Its steps reach the network. Without it they run only on workers that put them in a sandbox.",
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
            rule("project_depth", Q(depth__isnull=True) | Q(depth__gte=1)),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("project", args=[self.slug])

    @property
    def known_recipe(self) -> str:
        """That its next build has, as far as is known before its checkout; empty: nothing is."""
        return (self.repository and self.found_recipe) or self.recipe

    def clean(self) -> None:
        """Labels are kept in one form, however they were typed; a form may leave out what has a default."""
        if not self.repository and not self.recipe.strip():
            raise ValidationError({"recipe": "Expected a recipe: this project has no repository to have one in."})
        if self.repository and self.credential is not None:
            with contextlib.suppress(repository.RepositoryError):  # said at its field
                if not repository.covers(self.credential.scope, address(self.repository)):
                    said = f"{self.credential} is for addresses below {self.credential.scope}, and for no other."
                    raise ValidationError({"credential": said})
        if self.auto_retries is None:
            self.auto_retries = 0
        self.recipe_path = self.recipe_path or RECIPE_PATH
        with contextlib.suppress(labels.LabelError):  # said at its field
            self.runs_on = labels.joined(self.runs_on)
