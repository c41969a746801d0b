"""YAML text → nodes that know their lines, and what a node has to be. Scalars are taken as they are written: `1.10` is
the text 1.10, and `on` is no boolean."""

from collections.abc import Collection, Sequence

import yaml
from django.conf import settings

from .errors import Problems, RecipeError, Unknown

MAX_TEXT = 120 * 1024
"""Bytes of one script or variable: the system starts no program with an argument of 128 KiB."""


def compose(text: str) -> yaml.Node | None:
    """The document's root; None: there is nothing in it. `RecipeError` where it is not YAML, or too much of it."""
    most = settings.BUILDBOARD_MAX_RECIPE_KB
    if len(text.encode("utf-8", "replace")) > most * 1024:
        raise RecipeError(f"the recipe is larger than {most:,} KiB")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _weigh(root, most * 1024, {})
        return root
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise RecipeError(f"this is not YAML: {said}", mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise RecipeError(f"this is not YAML: the character U+{error.character:04X} is not allowed", line) from None
    except RecipeError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"this is not YAML: {error}") from None
    except RecursionError:
        raise RecipeError("this is nested too deep to be a recipe") from None


def _weigh(node: yaml.Node, most: int, known: dict[int, int]) -> int:
    """How much it is with every alias written out, looked at once however often it is used. Refused beyond `most`."""
    if id(node) in known:
        if known[id(node)] < 0:
            raise RecipeError("an alias stands within what it is an alias of", line(node))
        return known[id(node)]
    if isinstance(node, yaml.ScalarNode):
        size = len(node.value)
    else:
        known[id(node)] = -1
        size = 1
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                size += 1 + _weigh(part, most, known)
    if size > most:
        raise RecipeError(f"with its aliases written out, this is larger than {most // 1024:,} KiB", line(node))
    known[id(node)] = size
    return size


def line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def given(keys: dict[str, yaml.Node], name: str) -> yaml.Node | None:
    """What stands at a key; None where it is not there, or has no value."""
    node = keys.get(name)
    return None if node is None or is_null(node) else node


def kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "nothing" if is_null(node) else f"{node.value[:40]!r}"


def mapping(
    node: yaml.Node, what: str, problems: Problems, *, allowed: Sequence[str], required: Collection[str] = ()
) -> dict[str, yaml.Node]:
    """Its keys that are known. Every other, one given twice and one that is missing is collected."""
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"expected {what}: a mapping with {', '.join(allowed)}; not {kind(node)}", line(node))
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        with problems.noted():
            name = text(key, "a key")
            if name not in allowed:
                raise Unknown(f"unknown key {name[:80]!r} in {what}; expected {', '.join(allowed)}", line(key))
            if name in found:
                raise RecipeError(f"the key {name!r} is given twice in {what}", line(key))
            found[name] = value
    for name in required:
        if name not in found:
            problems.say(f"{what} needs the key {name!r}", line(node))
    return found


def text(node: yaml.Node, what: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or is_null(node):
        raise RecipeError(f"{what}: expected text, not {kind(node)}", line(node))
    if len(node.value) > MAX_TEXT // 4 and len(node.value.encode("utf-8", "replace")) > MAX_TEXT:
        raise RecipeError(f"{what}: expected at most {MAX_TEXT // 1024} KiB", line(node))
    if "\0" in node.value:
        raise RecipeError(f"{what}: a NUL character cannot be part of it", line(node))
    if any("\ud800" <= character <= "\udfff" for character in node.value):
        raise RecipeError(f"{what}: expected valid Unicode text, and this has half of a surrogate pair", line(node))
    return node.value


def flag(node: yaml.Node, what: str) -> bool:
    said = text(node, what)
    if said not in ("true", "false"):
        raise RecipeError(f"{what}: expected true or false, not {said[:40]!r}", line(node))
    return said == "true"


def whole(node: yaml.Node, what: str, least: int, most: int) -> int:
    said = text(node, what)
    if not (said.isascii() and said.isdigit() and len(said) < 10 and least <= int(said) <= most):
        raise RecipeError(f"{what}: expected a whole number from {least} to {most}, not {said[:40]!r}", line(node))
    return int(said)


def items(node: yaml.Node, what: str, most: int) -> list[yaml.Node]:
    """Of a list its items; anything else is a list of one."""
    if not isinstance(node, yaml.SequenceNode):
        return [node]
    if len(node.value) > most:
        raise RecipeError(f"{what}: expected at most {most}, not {len(node.value)}", line(node))
    return list(node.value)


def is_label(said: str, most: int) -> bool:
    """Whether it can be shown on one line as it is."""
    return bool(said.strip()) and len(said) <= most and said.isprintable() and said == said.strip()
