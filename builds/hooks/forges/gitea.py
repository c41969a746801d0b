"""Gitea and Forgejo: `push` and `pull_request` (docs.gitea.com/usage/webhooks). Their test delivery is a push."""

from collections.abc import Mapping
from typing import Any

from ..payload import commit_of, inner, text
from ..wanted import Ignored, Wanted, pushed
from .github import read_pull_request

_WITH_PUSH = ("create", "delete")
"""Events that come beside the push of the same branch or tag."""


def read(event: str, payload: Mapping[str, Any]) -> Wanted | Ignored:
    sender = text(payload, "sender", "login") or text(payload, "sender", "username")
    if event == "push":
        commit = text(payload, "after")
        head = inner(payload, "head_commit") or commit_of(payload, commit)
        return pushed(
            text(payload, "ref"),
            commit,
            message=text(head, "message"),
            author=text(head, "author", "name"),
            sender=text(payload, "pusher", "login") or text(payload, "pusher", "username") or sender,
        )
    if event in ("pull_request", "pull_request_sync"):
        return read_pull_request(payload, sender)
    if event in _WITH_PUSH:
        return Ignored(f"Nothing is built for the event {event}: the push beside it counts.")
    return Ignored(f"Nothing is built for the event {event}.")
