"""`steps`: each as it is written, a *draft*; and the steps that a build has, since a matrix makes many of one."""

from dataclasses import dataclass, field
from typing import Any

import yaml
from django.conf import settings

from . import matrix, nodes, parts
from .condition import Condition, ConditionError
from .condition import parse as understand
from .errors import Problems, RecipeError
from .matrix import Combination
from .shapes import StepRecipe

MAX_NAME = 80
MAX_RETRY = 10
SHELLS = ("sh", "bash")
WORKSPACES = ("shared", "own")
KEYS = (
    "name", "run", "shell", "image", "env", "timeout", "needs", "if", "matrix", "allow_failure", "retry", "workspace",
    "secrets", "cache", "artifacts", "reports",
)  # fmt: skip


@dataclass
class Draft:
    """A step as it is written."""

    name: str
    line: int
    values: dict[str, Any] = field(default_factory=dict)
    """For `StepRecipe`, but for what is of one combination only."""
    combinations: list[Combination] = field(default_factory=list)
    """Of its matrix; none: it is one step."""
    needs: list[tuple[str, int]] | None = None
    """Names, and their lines. None: the step before it."""
    condition: Condition | None = None
    condition_line: int = 0

    @property
    def count(self) -> int:
        return len(self.combinations) or 1

    def names(self) -> list[str]:
        return [f"{self.name} {matrix.label(one)}" for one in self.combinations] or [self.name]

    def made(self, needs: tuple[int, ...]) -> list[StepRecipe]:
        found = []
        for name, one in zip(self.names(), self.combinations or [{}], strict=True):
            env = self.values["env"] | {matrix.variable(axis): value for axis, value in one.items()}
            group = self.name if one else ""
            values = self.values | {"env": env, "matrix": one, "group": group, "condition": self.condition}
            found.append(StepRecipe(name=name, needs=needs, **values))
        return found


def drafts(node: yaml.Node, problems: Problems) -> list[Draft]:
    """What is written, as far as it could be read; one whose name could not has none. No more than
    BUILDBOARD_MAX_STEPS are to be made of it."""
    if not isinstance(node, yaml.SequenceNode):
        raise RecipeError(f"steps: expected a list of steps, not {nodes.kind(node)}", nodes.line(node))
    if not node.value:
        raise RecipeError("steps: expected at least one step", nodes.line(node))
    most = settings.BUILDBOARD_MAX_STEPS
    if len(node.value) > most:
        raise RecipeError(f"steps: expected at most {most:,} steps, not {len(node.value):,}", nodes.line(node))
    found: list[Draft] = []
    for child in node.value:
        with problems.noted():
            found.append(Draft("", nodes.line(child)))
            found[-1] = _draft(child, problems)
    count = sum(draft.count for draft in found)
    if count > most:
        raise RecipeError(
            f"steps: expected at most {most:,} steps, not {count:,} with those of matrices", nodes.line(node)
        )
    seen: dict[str, int] = {}
    for draft in found:
        names = {draft.name, *draft.names()} if draft.name else set()
        for name in sorted(names & seen.keys()):
            problems.say(f"the step name {name!r} is already used on line {seen[name]}", draft.line)
        seen |= dict.fromkeys(names, draft.line)
    return found


def _draft(node: yaml.Node, problems: Problems) -> Draft:
    keys = nodes.mapping(node, "a step", problems, allowed=KEYS, required=("name", "run"))
    draft = Draft("", nodes.line(node), {"run": "", "env": {}})
    with problems.noted():
        if "name" in keys:
            draft.name = _name(keys["name"])
    with problems.noted():
        if "run" in keys:
            draft.values["run"] = _run(keys["run"])
    with problems.noted():
        draft.values["env"] = parts.env(keys.get("env"), problems)
    with problems.noted():
        draft.values["timeout"] = parts.seconds(keys.get("timeout"))
    with problems.noted():
        if "shell" in keys:
            draft.values["shell"] = _one_of(keys["shell"], "shell", SHELLS)
    with problems.noted():
        draft.values["image"] = parts.image(nodes.given(keys, "image"))
    with problems.noted():
        if "workspace" in keys:
            draft.values["workspace"] = _one_of(keys["workspace"], "workspace", WORKSPACES)
    with problems.noted():
        if (given := nodes.given(keys, "allow_failure")) is not None:
            draft.values["allow_failure"] = nodes.flag(given, "allow_failure")
    with problems.noted():
        if (given := nodes.given(keys, "retry")) is not None:
            draft.values["retry"] = nodes.whole(given, "retry", 0, MAX_RETRY)
    with problems.noted():
        draft.values["secrets"] = parts.secrets(nodes.given(keys, "secrets"), problems)
    with problems.noted():
        draft.values["cache"] = parts.caches(nodes.given(keys, "cache"), problems)
    for name in ("artifacts", "reports"):
        with problems.noted():
            draft.values[name] = parts.paths(nodes.given(keys, name), name, problems)
    with problems.noted():
        if (given := nodes.given(keys, "needs")) is not None:
            draft.needs = [
                (nodes.text(one, "needs"), nodes.line(one))
                for one in nodes.items(given, "needs", settings.BUILDBOARD_MAX_STEPS)
            ]
    with problems.noted():
        if (given := nodes.given(keys, "if")) is not None:
            draft.condition_line = nodes.line(given)
            draft.condition = _condition(given)
    with problems.noted():
        if (given := nodes.given(keys, "matrix")) is not None:
            draft.combinations = matrix.read(given, settings.BUILDBOARD_MAX_STEPS)
            _check_names(draft, nodes.line(given))
    for variable in draft.values.get("secrets", {}):
        if variable in draft.values["env"]:
            problems.say(f"secrets: {variable} is given under env as well", nodes.line(keys["secrets"]))
    return draft


def _name(node: yaml.Node) -> str:
    name = nodes.text(node, "name")
    if not nodes.is_label(name, MAX_NAME):
        raise RecipeError(
            f"name: expected 1 to {MAX_NAME} printable characters on one line, with no space at the ends",
            nodes.line(node),
        )
    return name


def _run(node: yaml.Node) -> str:
    run = nodes.text(node, "run")
    if not run.strip():
        raise RecipeError("run: expected a command, and this is empty", nodes.line(node))
    return run


def _one_of(node: yaml.Node, what: str, choices: tuple[str, ...]) -> str:
    said = nodes.text(node, what)
    if said not in choices:
        raise RecipeError(f"{what}: expected {' or '.join(choices)}, not {said[:40]!r}", nodes.line(node))
    return said


def _condition(node: yaml.Node) -> Condition:
    try:
        return understand(nodes.text(node, "if"))
    except ConditionError as error:
        raise RecipeError(f"if: {error}", nodes.line(node)) from None


def _check_names(draft: Draft, line: int) -> None:
    for name in draft.names() if draft.name else ():
        if len(name) > MAX_NAME:
            raise RecipeError(
                f"matrix: the name {name[:40] + '…'!r} has {len(name)} characters; expected at most {MAX_NAME}", line
            )
