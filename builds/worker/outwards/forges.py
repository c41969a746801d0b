"""Commit statuses: what GitHub, GitLab, Gitea and Forgejo show beside a commit.

Rules: docs.github.com/rest/commits/statuses, docs.gitlab.com/api/commits (set the pipeline status of a commit),
docs.gitea.com/api (repoCreateStatus), which Forgejo has as well.
"""

import json
from typing import Any
from urllib.parse import quote

from ... import outbox
from ...models import Target
from ...outbox import Claimed
from .exchange import Answer, Request
from .outcome import Outcome, judge
from .wording import description

MOST_DESCRIPTION = 140
"""GitHub's limit; the others take more."""

_STATES = {
    "github": {"queued": "pending", "running": "pending", "passed": "success", "failed": "failure"},
    "gitlab": {"queued": "pending", "running": "running", "passed": "success", "failed": "failed"},
    "gitea": {"queued": "pending", "running": "pending", "passed": "success", "failed": "failure"},
}
_OTHER = {"github": "error", "gitlab": "failed", "gitea": "error"}
"""Of a build that was lost or cancelled: nobody knows whether the commit is good."""
_AGAIN = "Cannot transition status via"
"""GitLab refuses a status that the commit has already, as after a sender that died before it noted the answer."""


def request(claimed: Claimed, board: str) -> Request:
    """Of a test: only a look at the repository, which shows that address and token are good."""
    target = claimed.target
    place = outbox.place_of(target)
    if place.api != target.secret_for:
        raise outbox.NoPlace(f"The token was given for {target.secret_for}, and not for {place.api}: give it anew.")
    if claimed.what == "test":
        return Request("GET", place.repository, _headers(target))
    build = claimed.payload["build"]
    state = _state(target.kind, build["status"])
    body: dict[str, Any] = {"state": state, "description": description(claimed.payload, MOST_DESCRIPTION)}
    name = target.label or f"buildboard/{claimed.payload['project']['slug']}"
    body["name" if target.kind == "gitlab" else "context"] = name
    if board:
        body["target_url"] = board + build["path"]
    if target.kind == "gitlab" and build["pull_request"] is None and (build["branch"] or build["tag"]):
        body["ref"] = build["tag"] or build["branch"]
    url = f"{place.repository}/statuses/{quote(build['commit'], safe='')}"
    return Request("POST", url, {**_headers(target), "Content-Type": "application/json"}, json.dumps(body).encode())


def outcome(claimed: Claimed, answer: Answer) -> Outcome:
    found = judge(answer)
    if claimed.target.kind == "gitlab" and answer.code == 400 and _AGAIN in found.said:
        return Outcome("sent", "The commit has this status already.", answer.code)
    return found


def _state(kind: str, status: str) -> str:
    if kind == "gitlab" and status == "cancelled":
        return "canceled"
    return _STATES[kind].get(status, _OTHER[kind])


def _headers(target: Target) -> dict[str, str]:
    token = target.opened()
    if target.kind == "gitlab":
        return {"PRIVATE-TOKEN": token}
    if target.kind == "gitea":
        return {"Authorization": f"token {token}", "Accept": "application/json"}
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
