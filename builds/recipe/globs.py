"""Patterns with wildcards, for names of branches and for files of a workspace. Pure.

`*` stands for anything but `/`, `**` for anything, `**/` for any folders or none, `?` for one character but `/`.
Everything else stands for itself. A match costs about a microsecond for each character of the name.
"""

from collections.abc import Iterable

MAX_GLOB = 300
"""Characters of a pattern."""


_FOLDERS, _FOLDER = "**/", "a folder's name"
"""The second follows the first: the rest of a name that has begun, with the / behind it."""


def matches(pattern: str, name: str) -> bool:
    """Whether the whole of `name` is what `pattern` stands for.

    The places of the pattern at which the name may have come so far are the bits of one number, so that a character
    costs the same wherever they are: a recipe or a branch that was made to be slow holds nobody up.
    """
    parts = _parts(pattern)
    stays = _bits(parts, "**")  # whatever comes
    within = stays | _bits(parts, "*", _FOLDER)  # whatever comes but a slash
    any_one = _bits(parts, "?")
    folder, skips, folders = _bits(parts, _FOLDER), _bits(parts, "*", "**"), _bits(parts, _FOLDERS)
    literal: dict[str, int] = {}
    for at, part in enumerate(parts):
        if part not in _WILD:
            literal[part] = literal.get(part, 0) | 1 << at

    def with_skips(places: int) -> int:
        """What may stand for nothing is passed by as well; two such parts never follow each other but once."""
        places |= (places & folders) << 1 | (places & folders) << 2
        places |= (places & skips) << 1
        return places

    places = with_skips(1)
    for character in name:
        if character == "/":
            following = (places & stays) | (places & folder) >> 1
            following |= (places & literal.get("/", 0)) << 1
        else:
            following = (places & within) | (places & (any_one | literal.get(character, 0))) << 1
        if not following:
            return False
        places = with_skips(following)
    return bool(places >> len(parts) & 1)


_WILD = ("**", "*", "?", _FOLDERS, _FOLDER)


def _bits(parts: list[str], *kinds: str) -> int:
    return sum(1 << at for at, part in enumerate(parts) if part in kinds)


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
            if parts[-1:] != [_FOLDER]:  # any folders of any folders are any folders
                parts += [_FOLDERS, _FOLDER]
            at += len(_FOLDERS)
        elif pattern.startswith("**", at):
            if parts[-1:] != ["**"]:
                parts.append("**")
            at += 2
        elif pattern[at] == "*" and parts[-1:] == ["**"]:
            at += 1
        else:
            parts.append(pattern[at])
            at += 1
    return parts
