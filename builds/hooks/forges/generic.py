"""Whatever signs as Standard Webhooks does: `{"type": "push", "data": {"ref": "refs/heads/main", "commit": …}}`."""

from collections.abc import Mapping
from typing import Any

from ..payload import BadPayload, inner, number, text
from ..wanted import Ignored, Wanted, proposed, pushed

_EXPECTED = "type: expected 'push', 'pull_request' or 'ping'."


def read(event: str, payload: Mapping[str, Any]) -> Wanted | Ignored:
    kind = text(payload, "type")
    data = inner(payload, "data")
    if kind == "ping":
        return Ignored("A ping: the hook works.")
    if kind == "push":
        inputs = data.get("inputs")
        if inputs is not None and not isinstance(inputs, dict):
            raise BadPayload("data.inputs: expected an object of inputs by their names.")
        return pushed(
            text(data, "ref"),
            text(data, "commit"),
            message=text(data, "message"),
            author=text(data, "author"),
            sender=text(data, "sender"),
            inputs=inputs,
        )
    if kind == "pull_request":
        return proposed(
            number(data, "number"),
            "refs/pull/{}/head",
            text(data, "commit"),
            branch=text(data, "branch"),
            fork=data.get("fork") is not False,
            message=text(data, "message"),
            author=text(data, "author"),
            sender=text(data, "sender"),
        )
    if kind:
        return Ignored(f"Nothing is built for the type {kind[:60]}.")
    raise BadPayload(_EXPECTED)
