"""`matrix`: one step written, one made for each combination of values. Counted before anything is made."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence

import yaml

from . import nodes
from .errors import RecipeError

MAX_AXES = 10
MAX_VALUE = 40
"""Characters of one value: it is part of the step's name."""
MAX_ROWS = 200
"""Of `include`, and of `exclude`."""
_AXIS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,29}\Z")
Combination = dict[str, str]


def read(node: yaml.Node, most: int) -> list[Combination]:
    """The combinations, in order: the first axis turns slowest, what is included comes last."""
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"matrix: expected AXIS: [value, …] pairs, not {nodes.kind(node)}", nodes.line(node))
    axes: dict[str, list[str]] = {}
    beside: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name = nodes.text(key, "matrix")
        if name in axes or name in beside:
            raise RecipeError(f"matrix: {name} is given twice", nodes.line(key))
        if name in ("include", "exclude"):
            beside[name] = value
        elif not _AXIS.match(name):
            raise RecipeError(
                f"matrix: {name[:80]!r} is not an axis's name (up to 30 letters, digits and _)", nodes.line(key)
            )
        else:
            axes[name] = _values(name, value)
    if not 1 <= len(axes) <= MAX_AXES:
        raise RecipeError(f"matrix: expected 1 to {MAX_AXES} axes, not {len(axes)}", nodes.line(node))
    variables = {variable(name) for name in axes}
    if len(variables) < len(axes):
        raise RecipeError("matrix: two axes would be the same variable", nodes.line(node))
    count = math.prod(map(len, axes.values()))
    if count > most:
        raise RecipeError(
            f"matrix: {count:,} combinations ({' × '.join(str(len(one)) for one in axes.values())}); "
            f"expected at most {most:,}",
            nodes.line(node),
        )
    made = [dict(zip(axes, one, strict=True)) for one in itertools.product(*axes.values())]
    if "exclude" in beside:
        made = _excluded(made, axes, beside["exclude"])
    if "include" in beside:
        made += _included(made, axes, beside["include"])
    if not made:
        raise RecipeError("matrix: every combination is excluded", nodes.line(node))
    return made


def variable(axis: str) -> str:
    """Its name in a step's environment."""
    return f"MATRIX_{axis.upper()}"


def label(combination: Mapping[str, str]) -> str:
    """As it stands behind the name of a step."""
    return "(" + ", ".join(f"{axis}={value}" for axis, value in combination.items()) + ")"


def _values(axis: str, node: yaml.Node) -> list[str]:
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise RecipeError(f"matrix: {axis}: expected a list of values", nodes.line(node))
    found = [_value(axis, child) for child in node.value]
    if len(set(found)) < len(found):
        raise RecipeError(f"matrix: {axis}: a value is given twice", nodes.line(node))
    return found


def _value(axis: str, node: yaml.Node) -> str:
    said = nodes.text(node, f"matrix: {axis}")
    if not nodes.is_label(said, MAX_VALUE):
        raise RecipeError(
            f"matrix: {axis}: expected 1 to {MAX_VALUE} printable characters with no space at the ends",
            nodes.line(node),
        )
    return said


def _rows(name: str, node: yaml.Node, axes: Mapping[str, Sequence[str]]) -> list[tuple[Combination, int]]:
    rows = []
    for child in nodes.items(node, f"matrix: {name}", MAX_ROWS):
        if not isinstance(child, yaml.MappingNode) or not child.value:
            raise RecipeError(f"matrix: {name}: expected AXIS: value pairs, not {nodes.kind(child)}", nodes.line(child))
        row: Combination = {}
        for key, value in child.value:
            axis = nodes.text(key, f"matrix: {name}")
            if axis not in axes or axis in row:
                raise RecipeError(
                    f"matrix: {name}: expected each of {', '.join(axes)} at most once, not {axis[:40]!r}",
                    nodes.line(key),
                )
            row[axis] = _value(axis, value)
        rows.append((row, nodes.line(child)))
    return rows


def _excluded(made: list[Combination], axes: Mapping[str, Sequence[str]], node: yaml.Node) -> list[Combination]:
    for row, line in _rows("exclude", node, axes):
        left = [one for one in made if any(one[axis] != value for axis, value in row.items())]
        if len(left) == len(made):
            raise RecipeError(f"matrix: exclude: nothing of the matrix is {label(row)}", line)
        made = left
    return made


def _included(made: Sequence[Combination], axes: Mapping[str, Sequence[str]], node: yaml.Node) -> list[Combination]:
    added: list[Combination] = []
    for row, line in _rows("include", node, axes):
        if len(row) < len(axes):
            raise RecipeError(f"matrix: include: expected a value for each of {', '.join(axes)}", line)
        one = {axis: row[axis] for axis in axes}
        if one in made or one in added:
            raise RecipeError(f"matrix: include: {label(one)} is there already", line)
        added.append(one)
    return added
