"""What a build is made of and what started it, as far as whoever starts it knows. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime

TRIGGERS = ("manual", "api", "command", "push", "tag", "pull_request", "schedule", "project")
"""What starts a build: a person on a page; the API; `manage.py startbuild`; a webhook's push of a branch or a tag, or
its pull request; a schedule; the end of another project's build. A retry has the trigger of what it repeats."""

_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_PROPOSED = re.compile(
    r"refs/(?!(?-i:heads/|tags/))|(?:pull|pull-requests|merge-requests|changes|merge)/", re.IGNORECASE
)
"""What is neither a branch nor a tag. Forges keep there what somebody proposes, each at places of its own, and anybody
may have written that."""


@dataclass(frozen=True)
class Source:
    trigger: str = "manual"
    branch: str = ""
    """Without `refs/heads/`. Of a pull request: the branch that it would be merged into."""
    tag: str = ""
    commit: str = ""
    """Whole, in hexadecimal; empty: what the build's ref is when it is checked out."""
    title: str = ""
    """First line of the commit's message."""
    author: str = ""
    pull_request: int | None = None
    fork: bool = False
    """A pull request from a repository that is not the project's, or what a ref alone says is proposed: whoever wrote
    it may be anybody."""

    def __post_init__(self) -> None:
        if self.trigger not in TRIGGERS:
            raise ValueError(f"trigger: expected {', '.join(TRIGGERS)}, not {self.trigger!r}")
        if self.commit and not is_commit(self.commit):
            raise ValueError(f"commit: expected 40 or 64 hexadecimal digits, not {self.commit[:80]!r}")


@dataclass(frozen=True)
class Commit:
    """What a build's checkout has found."""

    commit: str
    title: str = ""
    author: str = ""
    at: datetime | None = None
    branch: str = ""
    """Where what was built is one."""
    tag: str = ""


def is_commit(text: str) -> bool:
    """Whether it is a whole commit id, of SHA-1 or SHA-256."""
    return _COMMIT.match(text) is not None


def is_anybodys(ref: str, pull_request: int | None) -> bool:
    """Whether anybody may have written what is at `ref`: it is what somebody proposes, and no forge has said from
    where."""
    return pull_request is None and _PROPOSED.match(ref) is not None
