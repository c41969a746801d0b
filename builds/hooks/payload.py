"""The body of a delivery → the object in it. Only what is signed gets here, and still anything may be in it."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class BadPayload(Exception):
    """It cannot be read, or lacks what its event should have: a sentence that says what was expected."""


def read_payload(forge: str, content_type: str, body: bytes) -> dict[str, Any]:
    """`BadPayload`. Of GitHub also a form whose field `payload` is the JSON: the signature is of the whole form there.

    Gitea signs what is in the field and not what it sends, so from there JSON alone is taken."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == FORM and forge == "github":
        body = _field(body)
    elif kind != JSON:
        raise BadPayload(
            f"Content-Type: expected {JSON}, not {kind[:80] or 'none'!r}. Choose it in the hook's settings."
        )
    try:
        found = json.loads(body.decode(), parse_constant=_refuse)
    except RecursionError:
        raise BadPayload("The JSON is nested too deeply.") from None
    except ValueError as error:  # of UTF-8, of JSON, or a number of a thousand digits
        raise BadPayload("The body is not JSON.") from error
    if not isinstance(found, dict):
        raise BadPayload("The JSON is not an object.")
    return found


def text(payload: Mapping[str, Any], *path: str) -> str:
    """What stands there, as every database takes it: without NUL and halves of surrogate pairs. Empty where nothing
    does, or something else than text."""
    found = _at(payload, path)
    return found.replace("\0", "").encode("utf-8", "replace").decode() if isinstance(found, str) else ""


def number(payload: Mapping[str, Any], *path: str) -> int | None:
    """A whole number from 0 to what a column holds; else None."""
    found = _at(payload, path)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**31 else None


def inner(payload: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """The object there; empty where there is none."""
    found = _at(payload, path)
    return found if isinstance(found, dict) else {}


def commit_of(payload: Mapping[str, Any], commit: str) -> dict[str, Any]:
    """What a push says of one of its `commits`; empty where it does not."""
    commits = payload.get("commits")
    for one in commits if isinstance(commits, list) else []:
        if isinstance(one, dict) and one.get("id") == commit:
            return one
    return {}


def _at(payload: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = payload
    for name in path:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def _field(body: bytes) -> bytes:
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=10)
    except ValueError as error:
        raise BadPayload("The body is not a form.") from error
    if len(fields.get("payload", ())) != 1:
        raise BadPayload("The form has no field 'payload', or more than one.")
    return fields["payload"][0].encode()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
