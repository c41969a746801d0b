"""One module a forge: its events → what they come to."""

from collections.abc import Callable, Mapping
from typing import Any

from ..envelope import Envelope
from ..wanted import Ignored, Wanted
from . import generic, gitea, github, gitlab

_READERS: dict[str, Callable[[str, Mapping[str, Any]], Wanted | Ignored]] = {
    "github": github.read,
    "gitlab": gitlab.read,
    "gitea": gitea.read,
    "forgejo": gitea.read,  # what Forgejo sends is what Gitea does, under names of its own
    "generic": generic.read,
}


def read(envelope: Envelope, payload: Mapping[str, Any]) -> Wanted | Ignored:
    """What the delivery asks for. `BadPayload` where it lacks what its event should have."""
    return _READERS[envelope.forge](envelope.event, payload)
