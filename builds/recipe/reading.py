"""YAML text → `Recipe`. Every refusal names the line and what was expected."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings

from ..inputs import Input, InputError, Value
from . import needs, nodes, parameters, parts, steps
from .errors import Enough, Problems, RecipeError, Unknown
from .shapes import DEFAULT_SECONDS, Recipe, Triggers
from .steps import Draft

KEYS = ("inputs", "env", "timeout", "image", "on", "steps")


def parse(text: str) -> Recipe:
    """The recipe that `text` describes, or `RecipeError`: the first of its problems, an unknown key ahead of others."""
    found, wrong = _read(text)
    if wrong or found is None:
        first = next((error for error in wrong if isinstance(error, Unknown)), wrong[0])
        first.all = wrong
        raise first
    return found


def problems(text: str) -> list[RecipeError]:
    """All that is wrong with it, by lines; at most MAX_PROBLEMS. What can only be told of a whole recipe (who needs
    whom) is looked at once every step has its name."""
    return _read(text)[1]


def gives(text: str, given: Mapping[str, Any]) -> dict[str, Value] | None:
    """The inputs of a build of that recipe that is given these; None where they do not fit it."""
    try:
        return parse(text).values(given)
    except (RecipeError, InputError):
        return None


def _read(text: str) -> tuple[Recipe | None, list[RecipeError]]:
    found = None
    problems = Problems()
    try:
        with problems.noted():
            found = _recipe(text, problems)
    except Enough:
        found = None
    return found, problems.in_order()


def _recipe(text: str, problems: Problems) -> Recipe:
    root = nodes.compose(text)
    if root is None:
        raise RecipeError("the recipe is empty; expected at least: steps: [{name: …, run: …}]")
    keys = nodes.mapping(root, "a recipe", problems, allowed=KEYS, required=("steps",))
    inputs: tuple[Input, ...] = ()
    env: dict[str, str] = {}
    timeout: int | None = None
    image = ""
    on: Triggers | None = None
    drafts: list[Draft] = []
    with problems.noted():
        inputs = parameters.read(nodes.given(keys, "inputs"), problems)
    with problems.noted():
        env = parts.env(keys.get("env"), problems)
    with problems.noted():
        timeout = parts.seconds(keys.get("timeout"))
    with problems.noted():
        image = parts.image(nodes.given(keys, "image"))
    with problems.noted():
        on = parts.triggers(nodes.given(keys, "on"), problems)
    with problems.noted():
        drafts = steps.drafts(keys["steps"], problems) if "steps" in keys else []
    made = needs.linked(drafts, inputs, env, problems) if all(draft.name for draft in drafts) else []
    return Recipe(
        steps=tuple(replace(step, image=step.image or image) for step in made),
        env=env,
        timeout=timeout or min(DEFAULT_SECONDS, settings.BUILDBOARD_MAX_BUILD_SECONDS),
        inputs=inputs,
        on=on,
    )
