"""What a delivery comes to, in this board's words, whichever forge it is from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..source import Source, is_commit
from .payload import BadPayload

MAX_REF = 200
_BRANCHES, _TAGS = "refs/heads/", "refs/tags/"


@dataclass(frozen=True)
class Wanted:
    """A build is asked for."""

    ref: str
    source: Source
    message: str = ""
    """What its author may have written a skip word into: the commit's whole message; of a pull request whose delivery
    does not have that, its title."""
    sender: str = ""
    """Who pushed, as the forge calls them."""
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ignored:
    """No build is asked for."""

    why: str
    """In a sentence."""


def pushed(
    ref: str, commit: str, *, message: str = "", author: str = "", sender: str = "", inputs: Any = None
) -> Wanted | Ignored:
    """Of a push of `ref`, which begins with `refs/`. `commit`: all zeros for a ref that was deleted; empty: what the
    ref is when it is checked out."""
    if not (ref.startswith((_BRANCHES, _TAGS)) and ref.count("/") >= 2):
        if ref.startswith("refs/"):
            return Ignored(f"{ref[:MAX_REF]} is neither a branch nor a tag.")
        raise BadPayload("ref: expected refs/heads/… or refs/tags/….")
    is_tag = ref.startswith(_TAGS)
    name = _name(ref.removeprefix(_TAGS if is_tag else _BRANCHES))
    if commit and not commit.strip("0"):
        return Ignored(f"The {'tag' if is_tag else 'branch'} {name} was deleted.")
    source = Source(
        "tag" if is_tag else "push",
        branch="" if is_tag else name,
        tag=name if is_tag else "",
        commit=_commit(commit) if commit else "",
        title=title(message),
        author=author,
    )
    return Wanted(name, source, message, sender, inputs or {})


def proposed(
    number: int | None,
    ref: str,
    commit: str,
    *,
    branch: str,
    fork: bool,
    message: str = "",
    skip_in: str = "",
    author: str = "",
    sender: str = "",
) -> Wanted:
    """Of a pull request. `ref`: where the repository has it, with {} for its number. `message`: its newest commit's,
    where that is known; else `skip_in` is where skip words are looked for."""
    if not number:
        raise BadPayload("The number of the pull request: expected a whole number from 1 on.")
    source = Source(
        "pull_request",
        branch=_name(branch),
        commit=_commit(commit),
        title=title(message),
        author=author,
        pull_request=number,
        fork=fork,
    )
    return Wanted(ref.format(number), source, message or skip_in, sender)


def title(message: str) -> str:
    return message.strip().partition("\n")[0].strip()


def _name(text: str) -> str:
    if not (1 <= len(text) <= MAX_REF and text.isprintable() and not text.startswith("-") and text == text.strip()):
        raise BadPayload(f"The branch or tag: expected 1 to {MAX_REF} printable characters, not beginning with '-'.")
    return text


def _commit(text: str) -> str:
    if not is_commit(text):
        raise BadPayload("The commit: expected 40 or 64 hexadecimal digits.")
    return text
