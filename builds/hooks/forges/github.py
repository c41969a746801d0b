"""GitHub: `push`, `pull_request`, `ping` (docs.github.com/webhooks/webhook-events-and-payloads)."""

from collections.abc import Mapping
from typing import Any

from ..payload import inner, number, text
from ..wanted import Ignored, Wanted, proposed, pushed

_BUILT = ("opened", "synchronize", "synchronized", "reopened")
"""The third is Gitea's word for GitHub's second."""


def read(event: str, payload: Mapping[str, Any]) -> Wanted | Ignored:
    sender = text(payload, "sender", "login")
    if event == "ping":
        return Ignored("A ping: the hook works.")
    if event == "push":
        # Of an annotated tag `after` is the tag's own object, and this its commit.
        head = inner(payload, "head_commit")
        return pushed(
            text(payload, "ref"),
            "0" * 40 if payload.get("deleted") is True else text(head, "id") or text(payload, "after"),
            message=text(head, "message"),
            author=text(head, "author", "name"),
            sender=sender or text(payload, "pusher", "name"),
        )
    if event == "pull_request":
        return read_pull_request(payload, sender)
    return Ignored(f"Nothing is built for the event {event}.")


def read_pull_request(payload: Mapping[str, Any], sender: str) -> Wanted | Ignored:
    """As Gitea has it, too."""
    action = text(payload, "action")
    if action not in _BUILT:
        return Ignored(
            f"A pull request was {action[:60] or 'changed'}; built are opened and reopened ones, and new commits."
        )
    pull = inner(payload, "pull_request")
    return proposed(
        number(payload, "number") or number(pull, "number"),
        "refs/pull/{}/head",
        text(pull, "head", "sha"),
        branch=text(pull, "base", "ref"),
        fork=_is_fork(pull),
        skip_in=text(pull, "title"),
        sender=sender,
    )


def _is_fork(pull: Mapping[str, Any]) -> bool:
    """Not `head.repo.fork`: the project's own repository may be a fork of another. Deleted meanwhile: it was one."""
    head, base = number(pull, "head", "repo", "id"), number(pull, "base", "repo", "id")
    if head is None or base is None:
        names = text(pull, "head", "repo", "full_name"), text(pull, "base", "repo", "full_name")
        return not names[0] or names[0] != names[1]
    return head != base
