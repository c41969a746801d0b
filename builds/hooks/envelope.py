"""Which forge sends this, which event it is of and which delivery: from the headers alone.

Rules: docs.github.com/webhooks, docs.gitlab.com/user/project/integrations/webhooks, docs.gitea.com/usage/webhooks,
forgejo.org/docs/latest/user/webhooks, standardwebhooks.com.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

NAMES = {"github": "GitHub", "gitlab": "GitLab", "gitea": "Gitea", "forgejo": "Forgejo", "generic": "webhook"}
FORGES = tuple(NAMES)

MAX_DELIVERY = 128
MAX_EVENT = 60

_IDS = {
    "github": ("X-GitHub-Delivery",),
    # The first is the same for each attempt at one delivery; versions before 17.4 have only the other.
    "gitlab": ("Idempotency-Key", "webhook-id", "X-Gitlab-Event-UUID"),
    "gitea": ("X-Gitea-Delivery",),
    "forgejo": ("X-Forgejo-Delivery",),
    "generic": ("webhook-id",),
}
_EVENTS = {
    "forgejo": "X-Forgejo-Event",
    "gitea": "X-Gitea-Event",
    "gitlab": "X-Gitlab-Event",
    "github": "X-GitHub-Event",
    "generic": "webhook-id",
}
"""The header by which each is known, in the order in which they are asked: Forgejo sends those of Gitea and GitHub
besides its own, and Gitea those of GitHub."""


class Unknown(Exception):
    """The headers are of no forge that is known here; a sentence that says what was expected."""


@dataclass(frozen=True)
class Envelope:
    forge: str
    """One of FORGES."""
    event: str
    """As the forge calls it. Empty for a generic one: its body says."""
    delivery: str
    """One delivery's own, the same when it is sent again."""

    @property
    def name(self) -> str:
        return NAMES[self.forge]


def read_envelope(headers: Mapping[str, str], body: bytes) -> Envelope:
    """`headers` are found whatever their case. `Unknown`.

    A delivery without a number of its own is known by its body: whatever is the same to the last byte is the same.
    """
    for forge, by in _EVENTS.items():
        if by not in headers:
            continue
        event = "" if forge == "generic" else _word(by, headers[by], MAX_EVENT)
        for name in _IDS[forge]:
            if headers.get(name):
                return Envelope(forge, event, _word(name, headers[name], MAX_DELIVERY))
        return Envelope(forge, event, f"body:{hashlib.sha256(body).hexdigest()}")
    raise Unknown(
        "This is no webhook that is known here. Expected the headers of GitHub (X-GitHub-Event), GitLab "
        "(X-Gitlab-Event), Gitea (X-Gitea-Event), Forgejo (X-Forgejo-Event) or Standard Webhooks (webhook-id)."
    )


def _word(name: str, value: str, most: int) -> str:
    if not (1 <= len(value) <= most and value.isascii() and value.isprintable()):
        raise Unknown(f"{name}: expected 1 to {most} printable ASCII characters.")
    return value
