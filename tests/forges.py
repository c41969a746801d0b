"""Deliveries as the forges document them: headers and bodies, signed as each signs."""

import hmac
import json
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

COMMIT = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
BEFORE = "95790bf891e76fee5e1747ab589903a6a1f80f22"
ZEROS = "0" * 40


@dataclass(frozen=True)
class Delivery:
    headers: dict[str, str]
    body: bytes


def github_push(ref: str = "refs/heads/main", *, message: str = "Adding a .gitignore file", **more: Any) -> dict:
    commit = {
        "id": COMMIT,
        "tree_id": "bb8a0ad7b2ccdb2b2eb0a7a0d8c1bc6a49a1dbe9",
        "distinct": True,
        "message": message,
        "timestamp": "2019-05-15T15:20:41Z",
        "author": {"name": "Codertocat", "email": "codertocat@example.com", "username": "Codertocat"},
        "committer": {"name": "Codertocat", "email": "codertocat@example.com", "username": "Codertocat"},
        "added": [".gitignore"],
        "removed": [],
        "modified": [],
    }
    return {
        "ref": ref,
        "before": BEFORE,
        "after": COMMIT,
        "repository": {"id": 186853002, "full_name": "Codertocat/Hello-World", "default_branch": "main"},
        "pusher": {"name": "Codertocat", "email": "codertocat@example.com"},
        "sender": {"login": "Codertocat", "id": 21031067, "type": "User"},
        "created": False,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "compare": "https://github.example/Codertocat/Hello-World/compare/95790bf891e7...6113728f27ae",
        "commits": [commit],
        "head_commit": commit,
    } | more


def github_pull_request(action: str = "opened", *, fork: bool = False, title: str = "Update the README") -> dict:
    base = {"id": 186853002, "full_name": "Codertocat/Hello-World", "fork": False}
    head = {"id": 999, "full_name": "someone/Hello-World", "fork": True} if fork else base
    return {
        "action": action,
        "number": 2,
        "pull_request": {
            "id": 279147437,
            "number": 2,
            "state": "open",
            "title": title,
            "draft": False,
            "user": {"login": "Codertocat"},
            "head": {"label": "changes", "ref": "changes", "sha": COMMIT, "repo": head},
            "base": {"label": "main", "ref": "main", "sha": BEFORE, "repo": base},
        },
        "repository": base,
        "sender": {"login": "Codertocat", "id": 21031067},
    }


def gitlab_push(ref: str = "refs/heads/main", **more: Any) -> dict:
    is_tag = ref.startswith("refs/tags/")
    return {
        "object_kind": "tag_push" if is_tag else "push",
        "event_name": "tag_push" if is_tag else "push",
        "before": BEFORE,
        "after": COMMIT,
        "ref": ref,
        "ref_protected": True,
        "checkout_sha": COMMIT,
        "user_id": 4,
        "user_name": "John Smith",
        "user_username": "jsmith",
        "project_id": 15,
        "project": {"id": 15, "name": "Diaspora", "path_with_namespace": "mike/diaspora", "default_branch": "main"},
        "commits": [
            {"id": BEFORE, "message": "Update Catalan translation", "author": {"name": "Jordi Mallach"}},
            {"id": COMMIT, "message": "fixed readme\n\nMore of it.", "author": {"name": "GitLab dev user"}},
        ],
        "total_commits_count": 2,
    } | more


def gitlab_merge_request(action: str = "open", *, fork: bool = False, **more: Any) -> dict:
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": {"id": 1, "name": "Administrator", "username": "root"},
        "project": {"id": 1, "path_with_namespace": "gitlabhq/gitlab-test"},
        "object_attributes": {
            "id": 99,
            "iid": 7,
            "target_branch": "main",
            "source_branch": "ms-viewport",
            "source_project_id": 14 if fork else 1,
            "target_project_id": 1,
            "title": "MS-Viewport",
            "state": "opened",
            "last_commit": {"id": COMMIT, "message": "fixed readme", "author": {"name": "GitLab dev user"}},
            "action": action,
        }
        | more,
    }


def gitea_push(ref: str = "refs/heads/main", **more: Any) -> dict:
    commit = {"id": COMMIT, "message": "Webhooks Yay!", "author": {"name": "Gitea", "username": "gitea"}}
    return {
        "ref": ref,
        "before": BEFORE,
        "after": COMMIT,
        "compare_url": "http://localhost:3000/gitea/webhooks/compare/95790bf891e7...6113728f27ae",
        "commits": [commit],
        "total_commits": 1,
        "head_commit": commit,
        "repository": {"id": 140, "full_name": "gitea/webhooks", "default_branch": "main"},
        "pusher": {"id": 1, "login": "gitea", "username": "gitea"},
        "sender": {"id": 1, "login": "gitea", "username": "gitea"},
    } | more


def github(
    payload: Any, secret: str, *, event: str = "push", number: str = "72d3162e-cc78-11e3", **more: str
) -> Delivery:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Delivery(
        {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": number,
            "X-Hub-Signature-256": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex(),
        }
        | {name.replace("_", "-"): value for name, value in more.items()},
        body,
    )


def github_form(payload: Any, secret: str, **more: Any) -> Delivery:
    body = urlencode({"payload": json.dumps(payload)}).encode()
    return github(body, secret, Content_Type="application/x-www-form-urlencoded", **more)


def gitlab(payload: Any, secret: str, *, event: str = "Push Hook", number: str = "a5461c4d-9c7f") -> Delivery:
    return Delivery(
        {
            "Content-Type": "application/json",
            "X-Gitlab-Event": event,
            "X-Gitlab-Event-UUID": "9cebe914-4827-408f",
            "X-Gitlab-Webhook-UUID": "3c5c0404-c866-44bc",
            "X-Gitlab-Token": secret,
            "Idempotency-Key": number,
        },
        json.dumps(payload).encode(),
    )


def gitea(
    payload: Any, secret: str, *, event: str = "push", number: str = "f6266f16-1bf3", name: str = "Gitea"
) -> Delivery:
    """`name`: "Forgejo" sends all of them, and its own."""
    body = json.dumps(payload).encode()
    signature = hmac.digest(secret.encode(), body, "sha256").hex()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
    for each in ("GitHub", "Gogs", "Gitea", *({name} - {"Gitea"})):
        headers |= {f"X-{each}-Event": event, f"X-{each}-Delivery": number}
        if each != "GitHub":
            headers[f"X-{each}-Signature"] = signature
    return Delivery(headers, body)


def generic(payload: Any, secret: str, *, number: str = "msg_1", at: float | None = None, **more: str) -> Delivery:
    body = json.dumps(payload).encode()
    sent = str(int(time.time() if at is None else at))
    key = b64decode(secret.removeprefix("whsec_"))
    signature = b64encode(hmac.digest(key, f"{number}.{sent}.".encode() + body, "sha256")).decode()
    headers = {"webhook-id": number, "webhook-timestamp": sent, "webhook-signature": f"v1,{signature}"}
    return Delivery({"Content-Type": "application/json"} | headers | more, body)
