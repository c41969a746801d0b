"""`inputs`: typed parameters, given at the start of a build (`builds/inputs.py`), as a recipe declares them."""

from dataclasses import replace
from typing import Any

import yaml

from ..inputs import MAX_CHOICES, MAX_INPUTS, NAME, TYPES, Input, InputError, Value, check_size
from . import nodes
from .errors import Problems, RecipeError

MAX_HELP = 200
MAX_CHOICE = 200


def read(node: yaml.Node | None, problems: Problems) -> tuple[Input, ...]:
    if node is None:
        return ()
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"inputs: expected NAME: {{type: …}} pairs, not {nodes.kind(node)}", nodes.line(node))
    if len(node.value) > MAX_INPUTS:
        raise RecipeError(f"inputs: expected at most {MAX_INPUTS}, not {len(node.value)}", nodes.line(node))
    found: dict[str, Input] = {}
    for key, value in node.value:
        with problems.noted():
            one = _input(nodes.text(key, "inputs"), value, nodes.line(key), problems)
            if one.variable in found:
                raise RecipeError(
                    f"inputs: {one.name} and {found[one.variable].name} would be the same variable, {one.variable}",
                    nodes.line(key),
                )
            found[one.variable] = one
    try:
        check_size({one.name: one.default for one in found.values() if one.default is not None})
    except InputError as error:
        problems.say(str(error), nodes.line(node))
    return tuple(found.values())


def _input(name: str, node: yaml.Node, line: int, problems: Problems) -> Input:
    what = f"the input {name[:40]!r}"
    if not NAME.match(name):
        raise RecipeError(f"inputs: {name[:80]!r} is not a name (up to 40 letters, digits, _ and -)", line)
    if nodes.is_null(node):
        return Input(name)
    keys = nodes.mapping(node, what, problems, allowed=("type", "default", "choices", "help"))
    kind: Any = nodes.text(keys["type"], "type") if "type" in keys else "choice" if "choices" in keys else "text"
    if kind not in TYPES:
        raise RecipeError(f"type: expected {', '.join(TYPES)}, not {kind[:40]!r}", nodes.line(keys["type"]))
    if kind == "choice" and "choices" not in keys:
        raise RecipeError(f"{what}: expected choices, a list of what can be chosen", line)
    if kind != "choice" and "choices" in keys:
        raise RecipeError(f"{what}: choices belong to the type choice, and to no other", line)
    help = nodes.text(keys["help"], "help") if "help" in keys else ""
    if len(help) > MAX_HELP or not help.isprintable():
        raise RecipeError(f"help: expected one line of up to {MAX_HELP} characters", nodes.line(keys["help"]))
    found = Input(name, kind, None, _choices(keys["choices"]) if "choices" in keys else (), help)
    default = nodes.given(keys, "default")
    return found if default is None else replace(found, default=_default(found, default))


def _default(own: Input, node: yaml.Node) -> Value:
    try:
        return own.value(nodes.text(node, "default"))
    except InputError as error:
        raise RecipeError(f"default: {error}", nodes.line(node)) from None


def _choices(node: yaml.Node) -> tuple[str, ...]:
    if not isinstance(node, yaml.SequenceNode) or not 1 <= len(node.value) <= MAX_CHOICES:
        raise RecipeError(f"choices: expected a list of 1 to {MAX_CHOICES} texts", nodes.line(node))
    found = tuple(nodes.text(child, "choices") for child in node.value)
    fits = all(one.isprintable() and one.strip() and len(one) <= MAX_CHOICE for one in found)
    if len(set(found)) < len(found) or not fits:
        raise RecipeError(
            f"choices: expected texts on one line, up to {MAX_CHOICE} characters, none twice", nodes.line(node)
        )
    return found
