"""Messages as the outbox has them, without a database."""

import contextlib
from typing import Any

from builds import vault
from builds.models import Project, Target
from builds.outbox import Claimed, NoPlace, place_of

COMMIT = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
TOKEN = "the-token-of-the-test"
HOSTILE = "<!channel> @room </b><script>alert(1)</script> <https://evil.example|click> &\u202e\x00\x1b[31m\nnext"


def payload(status: str = "failed", change: str = "", **build: Any) -> dict[str, Any]:
    reasons = {"lost": "The worker host:1:x died (signal SIGKILL).", "cancelled": "Cancelled by alice."}
    reasons["failed"] = "The step test failed: exit code 2."
    over = status not in ("queued", "running")
    before = {"id": 41, "status": "failed" if change == "fixed" else "passed"} if change else None
    return {
        "at": "2026-12-01T10:02:03.000Z",
        "change": change,
        "before": before,
        "project": {"slug": "hello-world", "name": "Hello World"},
        "failed_steps": ["test"] if status == "failed" else [],
        "build": {
            "id": 42,
            "project": "hello-world",
            "status": status,
            "reason": reasons.get(status, ""),
            "created_at": "2026-12-01T10:00:00.000Z",
            "started_at": "2026-12-01T10:00:00.000Z" if status != "queued" else None,
            "finished_at": "2026-12-01T10:02:03.000Z" if over else None,
            "ref": "",
            "branch": "main",
            "tag": "",
            "commit": COMMIT,
            "commit_title": "Mend <the> thing",
            "commit_author": "Octo & Cat",
            "pull_request": None,
            "started_by": "alice",
            "path": "/builds/42/",
            **build,
        },
    }


CHANGES = {"passed": "fixed", "failed": "broken", "lost": "broken"}


def claimed(kind: str, what: str = "failed", *, secret: str = TOKEN, content: Any = None, **target: Any) -> Claimed:
    project = Project(slug="hello-world", name="Hello World", repository=target.pop("repository", ""))
    made = Target(project=project, kind=kind, name=kind, secret=vault.seal(secret) if secret else "", **target)
    if made.is_forge:
        with contextlib.suppress(NoPlace):
            made.secret_for = place_of(made).api
    if content is None and what == "test":
        facts = {"slug": "hello-world", "name": "Hello World", "path": "/projects/hello-world/"}
        content = {"at": "2026-12-01T10:02:03.000Z", "project": facts}
    elif content is None:
        content = payload(what, CHANGES.get(what, ""))
    return Claimed(1, "claim", f"world-1-42-{what}", what, 1, content, made)
