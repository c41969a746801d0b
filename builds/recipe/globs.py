"""Patterns with wildcards, for names of branches and for files of a workspace. Pure.

`*` stands for anything but `/`, `**` for anything, `**/` for any folders or none, `?` for one character but `/`.
Everything else stands for itself. A match costs at most the length of the pattern times that of the name.
"""

from collections.abc import Iterable

MAX_GLOB = 300
"""Characters of a pattern."""


_FOLDERS, _FOLDER = "**/", "a folder's name"
"""The second follows the first: the rest of a name that has begun, with the / behind it."""


def matches(pattern: str, name: str) -> bool:
    """Whether the whole of `name` is what `pattern` stands for."""
    parts = _parts(pattern)
    states = _with_skips({0}, parts)
    for character in name:
        following: set[int] = set()
        for at in states:
            part = parts[at] if at < len(parts) else ""
            if part == _FOLDER:
                following.add(at - 1 if character == "/" else at)
            elif part == "**" or (part == "*" and character != "/"):
                following.add(at)
            elif part == character or (part == "?" and character != "/"):
                following.add(at + 1)
        states = _with_skips(following, parts)
    return len(parts) in states


def any_of(patterns: Iterable[str], name: str) -> bool:
    """Whether the last pattern that fits is not one that begins with `!`, which takes back."""
    taken = False
    for pattern in patterns:
        if matches(pattern.removeprefix("!"), name):
            taken = not pattern.startswith("!")
    return taken


def path_fault(pattern: str) -> str:
    """Why it cannot stand for files of a workspace, as part of a sentence; empty: it can."""
    if not pattern or len(pattern) > MAX_GLOB or not pattern.isprintable() or pattern != pattern.strip():
        return f"expected 1 to {MAX_GLOB} printable characters with no space at the ends"
    if pattern.startswith(("/", "~")):
        return "expected a path below the workspace, and this does not begin there"
    if ".." in pattern.split("/"):
        return "expected a path below the workspace, and this climbs out of it"
    if "\\" in pattern:
        return "expected / between folders, not a backslash"
    return ""


def _parts(pattern: str) -> list[str]:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith(_FOLDERS, at) and (at == 0 or pattern[at - 1] == "/"):
            parts += [_FOLDERS, _FOLDER]
            at += len(_FOLDERS)
        elif pattern.startswith("**", at):
            parts.append("**")
            at += 2
        else:
            parts.append(pattern[at])
            at += 1
    return parts


def _with_skips(states: set[int], parts: list[str]) -> set[int]:
    """What may stand for nothing is passed by as well."""
    found = set(states)
    waiting = list(states)
    while waiting:
        at = waiting.pop()
        part = parts[at] if at < len(parts) else ""
        beyond = {_FOLDERS: (at + 1, at + 2), "**": (at + 1,), "*": (at + 1,)}.get(part, ())
        waiting += [one for one in beyond if one not in found]
        found.update(beyond)
    return found
