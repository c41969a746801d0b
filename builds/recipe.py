"""YAML text → `Recipe`. Every refusal names the line and what was expected. Pure, but that three bounds are settings.

inputs:                   # parameters, given at the start of a build; a step finds $BUILDBOARD_INPUT_TARGET
  target: {type: choice, choices: [staging, production], default: staging, help: where to}
  jobs: {type: number, default: 4}
env: {NAME: value}        # of every step
timeout: 30m              # of the build; seconds, or 1h30m, 45m, 90s
steps:
  - name: compile
    run: make all         # a script for `sh -e`
    shell: bash           # optional: sh (default) or bash
    env: {JOBS: 4}
    timeout: 10m
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml
from django.conf import settings

from .inputs import MAX_CHOICES, MAX_INPUTS, NAME, TYPES, Input, InputError, Value, check_size, values

MAX_NAME = 80
MAX_TEXT = 120 * 1024
"""Bytes of one script or variable: the system starts no program with an argument of 128 KiB."""
MAX_ENV = 200
DEFAULT_SECONDS = 3600
"""Where a recipe says nothing, or as long as a build may take at all, if that is shorter."""
SHELLS = ("sh", "bash")

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?\Z", re.ASCII)
_SECONDS = re.compile(r"()()(\d{1,7})\Z", re.ASCII)
_RESERVED = ("BUILDBOARD_",)


class RecipeError(ValueError):
    """What is wrong, and where: `line` counts from 1, and is None where no line is to blame."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.message = message
        self.line = line


@dataclass(frozen=True)
class StepRecipe:
    name: str
    run: str
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: int | None = None
    """Seconds; None: only the build's own timeout bounds it."""
    shell: str = "sh"


@dataclass(frozen=True)
class Recipe:
    steps: tuple[StepRecipe, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: int = DEFAULT_SECONDS
    """Seconds that the whole build may take."""
    inputs: tuple[Input, ...] = ()

    def values(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """What a build that was given these inputs gets. `InputError`: one does not fit."""
        return values(self.inputs, given)


def parse(text: str) -> Recipe:
    """The recipe that `text` describes, or `RecipeError`."""
    if len(text.encode("utf-8", "replace")) > settings.BUILDBOARD_MAX_RECIPE_KB * 1024:
        raise RecipeError(f"the recipe is larger than {settings.BUILDBOARD_MAX_RECIPE_KB:,} KiB")
    root = _compose(text)
    if root is None:
        raise RecipeError("the recipe is empty; expected at least: steps: [{name: …, run: …}]")
    keys = _mapping(root, "a recipe", allowed=("inputs", "env", "timeout", "steps"), required=("steps",))
    return Recipe(
        steps=tuple(_steps(keys["steps"])),
        env=_env(keys.get("env")),
        timeout=_seconds(keys.get("timeout")) or min(DEFAULT_SECONDS, settings.BUILDBOARD_MAX_BUILD_SECONDS),
        inputs=tuple(_inputs(keys.get("inputs"))),
    )


def gives(text: str, given: Mapping[str, Any]) -> dict[str, Value] | None:
    """The inputs of a build of that recipe that is given these; None where they do not fit it."""
    try:
        return parse(text).values(given)
    except (RecipeError, InputError):
        return None


def _compose(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise RecipeError(f"this is not YAML: {said}", mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise RecipeError(f"this is not YAML: the character U+{error.character:04X} is not allowed", line) from None
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"this is not YAML: {error}") from None
    except RecursionError:
        raise RecipeError("this is nested too deep to be a recipe") from None


def _steps(node: yaml.Node) -> Iterator[StepRecipe]:
    if not isinstance(node, yaml.SequenceNode):
        raise RecipeError(f"steps: expected a list of steps, not {_kind(node)}", _line(node))
    if not node.value:
        raise RecipeError("steps: expected at least one step", _line(node))
    most = settings.BUILDBOARD_MAX_STEPS
    if len(node.value) > most:
        raise RecipeError(f"steps: expected at most {most:,} steps, not {len(node.value):,}", _line(node))
    seen: dict[str, int] = {}
    for child in node.value:
        step = _step(child)
        line = _line(child)
        if step.name in seen:
            raise RecipeError(f"the step name {step.name!r} is already used on line {seen[step.name]}", line)
        seen[step.name] = line
        yield step


def _step(node: yaml.Node) -> StepRecipe:
    keys = _mapping(node, "a step", allowed=("name", "run", "shell", "env", "timeout"), required=("name", "run"))
    name = _text(keys["name"], "name")
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable() or name != name.strip():
        raise RecipeError(
            f"name: expected 1 to {MAX_NAME} printable characters on one line, with no space at the ends",
            _line(keys["name"]),
        )
    run = _text(keys["run"], "run")
    if not run.strip():
        raise RecipeError("run: expected a command, and this is empty", _line(keys["run"]))
    shell = _text(keys["shell"], "shell") if "shell" in keys else "sh"
    if shell not in SHELLS:
        raise RecipeError(f"shell: expected {' or '.join(SHELLS)}, not {shell!r}", _line(keys["shell"]))
    return StepRecipe(name, run, _env(keys.get("env")), _seconds(keys.get("timeout")), shell)


def _inputs(node: yaml.Node | None) -> Iterator[Input]:
    if node is None or _is_null(node):
        return
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"inputs: expected NAME: {{type: …}} pairs, not {_kind(node)}", _line(node))
    if len(node.value) > MAX_INPUTS:
        raise RecipeError(f"inputs: expected at most {MAX_INPUTS}, not {len(node.value)}", _line(node))
    seen: dict[str, str] = {}
    defaults: dict[str, Value] = {}
    for key, value in node.value:
        found = _input(_text(key, "inputs"), value, _line(key))
        if found.variable in seen:
            raise RecipeError(
                f"inputs: {found.name} and {seen[found.variable]} would be the same variable, {found.variable}",
                _line(key),
            )
        seen[found.variable] = found.name
        if found.default is not None:
            defaults[found.name] = found.default
        yield found
    try:
        check_size(defaults)
    except InputError as error:
        raise RecipeError(str(error), _line(node)) from None


def _input(name: str, node: yaml.Node, line: int) -> Input:
    what = f"the input {name[:40]!r}"
    if not NAME.match(name):
        raise RecipeError(f"inputs: {name[:80]!r} is not a name (up to 40 letters, digits, _ and -)", line)
    if _is_null(node):
        return Input(name)
    keys = _mapping(node, what, allowed=("type", "default", "choices", "help"), required=())
    kind = _text(keys["type"], "type") if "type" in keys else "choice" if "choices" in keys else "text"
    if kind not in TYPES:
        raise RecipeError(f"type: expected {', '.join(TYPES)}, not {kind[:40]!r}", _line(keys["type"]))
    if ("choices" in keys) != (kind == "choice"):
        raise RecipeError(f"{what}: choices belong to the type choice, and to no other", line)
    help = _text(keys["help"], "help") if "help" in keys else ""
    if len(help) > 200 or not help.isprintable():
        raise RecipeError("help: expected one line of up to 200 characters", _line(keys["help"]))
    found = Input(name, kind, None, _choices(keys["choices"]) if "choices" in keys else (), help)  # type: ignore[arg-type]
    if "default" not in keys or _is_null(keys["default"]):
        return found
    try:
        return replace(found, default=found.value(_text(keys["default"], "default")))
    except InputError as error:
        raise RecipeError(f"default: {error}", _line(keys["default"])) from None


def _choices(node: yaml.Node) -> tuple[str, ...]:
    if not isinstance(node, yaml.SequenceNode) or not 1 <= len(node.value) <= MAX_CHOICES:
        raise RecipeError(f"choices: expected a list of 1 to {MAX_CHOICES} texts", _line(node))
    found = tuple(_text(child, "choices") for child in node.value)
    if len(set(found)) < len(found) or not all(one.isprintable() and one.strip() and len(one) <= 200 for one in found):
        raise RecipeError("choices: expected texts on one line, up to 200 characters, none twice", _line(node))
    return found


def _env(node: yaml.Node | None) -> dict[str, str]:
    if node is None or _is_null(node):
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"env: expected NAME: value pairs, not {_kind(node)}", _line(node))
    if len(node.value) > MAX_ENV:
        raise RecipeError(f"env: expected at most {MAX_ENV} variables, not {len(node.value)}", _line(node))
    env: dict[str, str] = {}
    for key, value in node.value:
        name = _text(key, "env")
        if not _ENV_NAME.match(name):
            raise RecipeError(f"env: {name!r} is not a variable's name (letters, digits and _)", _line(key))
        if name.startswith(_RESERVED):
            raise RecipeError(f"env: {name}: names that begin with BUILDBOARD_ are the board's own", _line(key))
        if name in env:
            raise RecipeError(f"env: {name} is given twice", _line(key))
        env[name] = "" if _is_null(value) else _text(value, f"env: {name}")
    return env


def _seconds(node: yaml.Node | None) -> int | None:
    if node is None or _is_null(node):
        return None
    text = _text(node, "timeout").strip()
    found = _SECONDS.match(text) or _DURATION.match(text)
    seconds = 0
    if found and text:
        hours, minutes, rest = (int(part or 0) for part in found.groups())
        seconds = hours * 3600 + minutes * 60 + rest
    most = settings.BUILDBOARD_MAX_BUILD_SECONDS
    if not 1 <= seconds <= most:
        raise RecipeError(
            "timeout: expected seconds or a duration such as 90s, 45m or 1h30m, "
            f"from 1s to {duration(most)}, not {text[:40]!r}",
            _line(node),
        )
    return seconds


def duration(seconds: int) -> str:
    """As a recipe gives it: 90 → 1m30s."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{value}{unit}" for value, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if value) or "0s"


def _mapping(
    node: yaml.Node, what: str, *, allowed: tuple[str, ...], required: tuple[str, ...]
) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"expected {what}: a mapping with {', '.join(allowed)}; not {_kind(node)}", _line(node))
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name = _text(key, "a key")
        if name not in allowed:
            raise RecipeError(f"unknown key {name[:80]!r} in {what}; expected {', '.join(allowed)}", _line(key))
        if name in found:
            raise RecipeError(f"the key {name!r} is given twice in {what}", _line(key))
        found[name] = value
    for name in required:
        if name not in found:
            raise RecipeError(f"{what} needs the key {name!r}", _line(node))
    return found


def _text(node: yaml.Node, what: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or _is_null(node):
        raise RecipeError(f"{what}: expected text, not {_kind(node)}", _line(node))
    if len(node.value) > MAX_TEXT // 4 and len(node.value.encode("utf-8", "replace")) > MAX_TEXT:
        raise RecipeError(f"{what}: expected at most {MAX_TEXT // 1024} KiB", _line(node))
    if "\0" in node.value:
        raise RecipeError(f"{what}: a NUL character cannot be part of it", _line(node))
    if any("\ud800" <= character <= "\udfff" for character in node.value):
        raise RecipeError(f"{what}: expected valid Unicode text, and this has half of a surrogate pair", _line(node))
    return node.value


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "nothing" if _is_null(node) else f"{node.value[:40]!r}"


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
