"""GitLab: pushes of branches and tags, merge requests (docs.gitlab.com/user/project/integrations/webhook_events)."""

from collections.abc import Mapping
from typing import Any

from ..payload import commit_of, inner, number, text
from ..wanted import Ignored, Wanted, proposed, pushed

_PUSHES = ("Push Hook", "Tag Push Hook")


def read(event: str, payload: Mapping[str, Any]) -> Wanted | Ignored:
    if event in _PUSHES:
        return _push(payload)
    if event == "Merge Request Hook":
        return _merge_request(payload)
    return Ignored(f"Nothing is built for the event {event}.")


def _push(payload: Mapping[str, Any]) -> Wanted | Ignored:
    # The commit that it is of, also of an annotated tag; null for what was deleted, where `after` is zeros.
    commit = text(payload, "checkout_sha") or text(payload, "after")
    head = commit_of(payload, commit)
    return pushed(
        text(payload, "ref"),
        commit,
        message=text(head, "message"),
        author=text(head, "author", "name"),
        sender=text(payload, "user_username") or text(payload, "user_name"),
    )


def _merge_request(payload: Mapping[str, Any]) -> Wanted | Ignored:
    request = inner(payload, "object_attributes")
    action = text(request, "action")
    if action == "update" and not text(request, "oldrev"):
        return Ignored("A merge request was changed, and no commit with it.")
    if action not in ("open", "reopen", "update"):
        return Ignored(
            f"A merge request: {action[:60] or 'no action'}; built are opened and reopened ones, and new commits."
        )
    source, target = number(request, "source_project_id"), number(request, "target_project_id")
    return proposed(
        number(request, "iid"),
        "refs/merge-requests/{}/head",
        text(request, "last_commit", "id"),
        branch=text(request, "target_branch"),
        fork=source is None or source != target,
        message=text(request, "last_commit", "message"),
        skip_in=text(request, "title"),
        author=text(request, "last_commit", "author", "name"),
        sender=text(payload, "user", "username"),
    )
