"""What stands at single keys of a recipe or of a step: variables, times, patterns, caches, triggers."""

import re
from typing import NoReturn

import yaml
from django.conf import settings

from . import globs, nodes
from .errors import Problems, RecipeError
from .shapes import Cache, Triggers

MAX_ENV = 200
MAX_PATTERNS = 50
MAX_CACHES = 10
MAX_KEY = 200
"""Characters of a cache's key."""

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SECRET_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,99}\Z")
_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?\Z", re.ASCII)
_SECONDS = re.compile(r"()()(\d{1,7})\Z", re.ASCII)
SINGLE_BRACES = re.compile(
    r"(?<!\{)\{\s*(branch|tag|ref|commit|step|os|arch|(?:inputs|matrix)\.[^\s{}]+|checksum\([^{}]*\))\s*\}(?!\})"
)
"""Around what a cache's key has in double ones: without a value it would be the same key for everything."""
_RESERVED = ("BUILDBOARD_",)
MAX_IMAGE = 255
_ELSEWHERE = "containers-storage|dir|docker-archive|docker-daemon|oci|oci-archive|ostree|sif|tarball"
IMAGE = (
    rf"(?!(?:{_ELSEWHERE}):)(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{{1,5}})?/)?"
    r"[a-z0-9](?:[a-z0-9._/-]*[a-z0-9])?(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{1,64})?"
)
"""The name of a container's image in a registry. It cannot be taken for an option, nor for a place on the worker's
machine, where podman takes images from as well (`oci:PATH`)."""


def env(node: yaml.Node | None, problems: Problems) -> dict[str, str]:
    return _variables(node, "env", problems)


def secrets(node: yaml.Node | None, problems: Problems) -> dict[str, str]:
    """Variable → name of a secret, from a list of names that are both, or from pairs."""
    if node is None:
        return {}
    found: dict[str, str] = {}
    if isinstance(node, yaml.MappingNode):
        found = _variables(node, "secrets", problems)
    else:
        for child in nodes.items(node, "secrets", MAX_ENV):
            with problems.noted():
                name = _variable(child, "secrets", found)
                found[name] = name
    for name in found.values():
        if not _SECRET_NAME.match(name):
            said = f"secrets: {name[:80]!r} is not a secret's name (up to 100 capital letters, digits and _)"
            problems.say(said, nodes.line(node))
    return found


def _variables(node: yaml.Node | None, what: str, problems: Problems) -> dict[str, str]:
    if node is None or nodes.is_null(node):
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"{what}: expected NAME: value pairs, not {nodes.kind(node)}", nodes.line(node))
    if len(node.value) > MAX_ENV:
        raise RecipeError(f"{what}: expected at most {MAX_ENV} variables, not {len(node.value)}", nodes.line(node))
    found: dict[str, str] = {}
    for key, value in node.value:
        with problems.noted():
            name = _variable(key, what, found)
            found[name] = "" if nodes.is_null(value) else nodes.text(value, f"{what}: {name}")
    return found


def _variable(node: yaml.Node, what: str, known: dict[str, str]) -> str:
    name = nodes.text(node, what)
    if not _ENV_NAME.match(name):
        raise RecipeError(f"{what}: {name[:80]!r} is not a variable's name (letters, digits and _)", nodes.line(node))
    if name.startswith(_RESERVED):
        raise RecipeError(
            f"{what}: {name[:80]}: names that begin with BUILDBOARD_ are the board's own", nodes.line(node)
        )
    if name in known:
        raise RecipeError(f"{what}: {name[:80]} is given twice", nodes.line(node))
    return name


def image(node: yaml.Node | None) -> str:
    """Empty: none is named."""
    if node is None:
        return ""
    name = nodes.text(node, "image")
    if len(name) > MAX_IMAGE or not re.fullmatch(IMAGE, name):
        raise RecipeError(
            "image: expected the name of a container's image, such as docker.io/library/alpine:3.20, "
            f"not {name[:80]!r}",
            nodes.line(node),
        )
    return name


def seconds(node: yaml.Node | None) -> int | None:
    if node is None or nodes.is_null(node):
        return None
    text = nodes.text(node, "timeout").strip()
    found = _SECONDS.match(text) or _DURATION.match(text)
    length = 0
    if found and text:
        hours, minutes, rest = (int(part or 0) for part in found.groups())
        length = hours * 3600 + minutes * 60 + rest
    most = settings.BUILDBOARD_MAX_BUILD_SECONDS
    if not 1 <= length <= most:
        raise RecipeError(
            "timeout: expected seconds or a duration such as 90s, 45m or 1h30m, "
            f"from 1s to {duration(most)}, not {text[:40]!r}",
            nodes.line(node),
        )
    return length


def duration(length: int) -> str:
    """Seconds as a recipe gives them: 90 → 1m30s."""
    minutes, rest = divmod(length, 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{value}{unit}" for value, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if value) or "0s"


def paths(node: yaml.Node | None, what: str, problems: Problems) -> tuple[str, ...]:
    """Patterns of files below the workspace, without a `./` before them. One that could leave it is refused."""
    if node is None:
        return ()
    found: list[str] = []
    for child in nodes.items(node, what, MAX_PATTERNS):
        with problems.noted():
            said = nodes.text(child, what)
            if fault := globs.path_fault(said):
                raise RecipeError(f"{what}: {said[:80]!r}: {fault}", nodes.line(child))
            found.append(said.removeprefix("./"))
    if isinstance(node, yaml.SequenceNode) and not node.value:
        problems.say(f"{what}: expected at least one path", nodes.line(node))
    return tuple(found)


def caches(node: yaml.Node | None, problems: Problems) -> tuple[Cache, ...]:
    if node is None:
        return ()
    found: list[Cache] = []
    for child in nodes.items(node, "cache", MAX_CACHES):
        with problems.noted():
            keys = nodes.mapping(
                child, "a cache", problems, allowed=("key", "paths", "restore_keys"), required=("key", "paths")
            )
            if "key" not in keys or "paths" not in keys:
                continue
            key = _cache_key(keys["key"], "key")
            if any(key == one.key for one in found):
                raise RecipeError(f"cache: the key {key!r} is given twice", nodes.line(keys["key"]))
            if nodes.is_null(keys["paths"]):
                raise RecipeError("paths: expected at least one path", nodes.line(keys["paths"]))
            others = nodes.given(keys, "restore_keys")
            restore = [] if others is None else nodes.items(others, "restore_keys", MAX_PATTERNS)
            found.append(
                Cache(
                    key,
                    paths(keys["paths"], "paths", problems),
                    tuple(_cache_key(one, "restore_keys") for one in restore),
                )
            )
    return tuple(found)


def _cache_key(node: yaml.Node, what: str) -> str:
    said = nodes.text(node, what)
    if not nodes.is_label(said, MAX_KEY):
        raise RecipeError(
            f"{what}: expected 1 to {MAX_KEY} printable characters with no space at the ends", nodes.line(node)
        )
    if found := SINGLE_BRACES.search(said):
        raise RecipeError(f"{what}: expected double braces, {{{{ {found[1]} }}}}, not {found[0]}", nodes.line(node))
    return said


def triggers(node: yaml.Node | None, problems: Problems) -> Triggers | None:
    if node is None:
        return None
    names = ("branches", "tags", "pull_requests")
    keys = nodes.mapping(node, "on", problems, allowed=(*names, "cancel_superseded"))
    cancels = False
    with problems.noted():
        if (given := nodes.given(keys, "cancel_superseded")) is not None:
            cancels = nodes.flag(given, "cancel_superseded")
    if not any(name in keys for name in names):  # it says nothing of what starts a build
        return Triggers(cancel_superseded=cancels)
    taken: dict[str, tuple[str, ...]] = {}
    for name in names:
        with problems.noted():
            taken[name] = _names(keys.get(name), name)
    return Triggers(
        taken.get("branches", ()), taken.get("tags", ()), taken.get("pull_requests", ()), cancel_superseded=cancels
    )


def _names(node: yaml.Node | None, what: str) -> tuple[str, ...]:
    """Patterns of branches or tags; `true` is all of them, `false` none."""
    if node is None:
        return ()
    if nodes.is_null(node):
        _refuse_names(what, node)
    if isinstance(node, yaml.ScalarNode) and node.value in ("true", "false"):
        return ("**",) if node.value == "true" else ()
    found = []
    for child in nodes.items(node, what, MAX_PATTERNS):
        said = nodes.text(child, what)
        if not nodes.is_label(said, globs.MAX_GLOB) or said == "!":
            _refuse_names(what, child)
        found.append(said)
    if found and all(one.startswith("!") for one in found):
        raise RecipeError(f'{what}: only what is taken back; put "**" first to begin with all', nodes.line(node))
    return tuple(found)


def _refuse_names(what: str, node: yaml.Node) -> NoReturn:
    raise RecipeError(f"{what}: expected true, false, a pattern such as release/*, or a list of them", nodes.line(node))
