"""By the worker that holds the lease: what its checkout has found."""

from collections.abc import Mapping
from typing import Any

from .. import models, outbox
from ..events import Fact, Lease
from ..models import Build, Project, Step
from ..plans import Plan
from ..source import Commit
from ..states import Status
from .change import as_it_is, by_worker, sentence
from .refusals import Refused
from .rows import step_rows


def checked_out(lease: Lease, found: Commit, changes: Mapping[str, Any] | None = None) -> None:
    """What the build is of, as its checkout has found it. `changes`: what is new since the last passed build, as
    `Changes.data` gives it."""

    def change(build: Build) -> Fact:
        build.commit = found.commit
        build.commit_title, build.commit_author = sentence(found.title, 200), sentence(found.author, 200)
        build.committed_at = found.at
        build.branch, build.tag = build.branch or found.branch[:200], build.tag or found.tag[:200]
        build.save(update_fields=["commit", "commit_title", "commit_author", "committed_at", "branch", "tag"])
        if changes is not None:
            known = Build.objects.filter(pk=changes["since_build"]).first()  # it may have been deleted
            models.Changes.objects.update_or_create(build=build, defaults={**changes, "since_build": known})
        outbox.tell(build)
        return as_it_is(build)

    by_worker(lease, change)


def adopt(lease: Lease, plan: Plan, path: str) -> None:
    """The build does what its commit's recipe says, or the project's own where `path` is empty: the steps behind the
    checkout, which have not begun, are replaced."""

    def change(build: Build) -> Fact:
        build.recipe, build.recipe_path, build.inputs = plan.text, path, dict(plan.inputs)
        build.recipe_known = True
        build.save(update_fields=["recipe", "recipe_path", "recipe_known", "inputs"])
        waiting = build.steps.filter(position__gte=1)
        if waiting.exclude(status=Status.PENDING).exists():
            raise Refused(f"Steps of build {build.pk} have begun; they cannot be replaced any more.")
        waiting.delete()
        Step.objects.bulk_create(step_rows(build, plan.steps, first=1))
        return as_it_is(build)

    by_worker(lease, change)


def remember_recipe(project_id: int, text: str, commit: str) -> None:
    """The recipe that the default branch has now, empty: none. What the project's pages and next builds go by until
    the next checkout."""
    Project.objects.filter(pk=project_id).update(found_recipe=text, found_commit=commit)
