"""What a build is going to do: its steps and inputs, as far as they are known when it is started, and when its commit
is checked out.

A build of a project with a repository begins with a step of the board's own, the checkout. Only then is its recipe
known: that of the commit, else the project's own. Until then it shows the steps that the default branch had last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from . import inputs, recipe
from .inputs import Value
from .models import Build, Project
from .recipe import Recipe, RecipeError, StepRecipe

CHECK_OUT = "check out"
"""The name of that step."""


@dataclass(frozen=True)
class Plan:
    text: str
    """Of the recipe; of a build that waits for its checkout, the one for commits that have none: it may be empty."""
    steps: tuple[StepRecipe, ...]
    inputs: Mapping[str, Value]
    """Of a build that waits for its checkout, as they were given."""
    declined: str = ""
    """Why the commit's recipe wants no build of it, in a sentence."""


def at_start(project: Project, repeats: Build | None, given: Mapping[str, Any]) -> Plan:
    """Of a new build, which may repeat another. `RecipeError`, `InputError`."""
    text = repeats.recipe if repeats else project.recipe
    if not (repeats.repository if repeats else project.repository):
        found = recipe.parse(text)
        return Plan(text, found.steps, found.values(given))
    try:
        expected = with_checkout(recipe.parse(text if repeats else project.known_recipe)).steps
    except RecipeError:  # there is none, or it is not valid: the commit may well have one
        expected = (check_out(),)
    return Plan(text, expected, inputs.untyped(given))


def at_commit(build: Build, found: str | None) -> Plan:
    """Of a build whose commit is checked out. `found`: the recipe of the commit; None: it has none. `RecipeError`,
    `InputError`."""
    text = build.recipe if found is None else found
    if found is None and not text.strip():
        path = build.project.recipe_path
        raise RecipeError(f"its commit has no {path}, and its project no recipe of its own")
    plan = with_checkout(recipe.parse(text))
    on, asked_for = plan.on, build.retry_of_id is not None  # whoever retries it wants it
    if on is None or asked_for or on.starts(build.trigger, branch=build.branch, tag=build.tag):
        return Plan(text, plan.steps, plan.values(build.inputs))
    news = {"tag": f"the tag {build.tag}", "push": f"the branch {build.branch}"}
    left_out = news.get(build.trigger, f"pull requests to {build.branch}")
    return Plan(text, plan.steps, inputs.untyped(build.inputs), f"The recipe's 'on' leaves out {left_out}.")


def check_out() -> StepRecipe:
    return StepRecipe(CHECK_OUT, "", timeout=settings.BUILDBOARD_CHECKOUT_SECONDS)


def with_checkout(found: Recipe) -> Recipe:
    """The same with the checkout ahead of everything: each step has its position in the build. `RecipeError`."""
    if any(CHECK_OUT in (step.name, step.group) for step in found.steps):
        raise RecipeError(f"the step name {CHECK_OUT!r} is the board's own, of projects with a repository")
    moved = (replace(step, needs=tuple(need + 1 for need in step.needs) or (0,)) for step in found.steps)
    return replace(found, steps=(check_out(), *moved))
