"""Webhooks: what a forge delivers, from the headers to the build that it asks for. Pure: no database, no settings.

    envelope.py     which forge, which event, which delivery: from the headers alone
    signatures.py   whether whoever sent it knows the secret: on the raw body, before anything of it is read
    payload.py      the body → an object, within bounds
    wanted.py       what it comes to: a build that is wanted, or why none is
    skip.py         words in a commit's message by which its author asks for no build
    forges/         one module a forge: its events → what they come to

In that order, each only after the one before it has not refused.
"""

from .envelope import FORGES, NAMES, Envelope, Unknown, read_envelope
from .forges import read
from .payload import BadPayload, read_payload
from .signatures import TOLERANCE_SECONDS, Forged, new_secret, verify
from .skip import why_skipped
from .wanted import Ignored, Wanted

__all__ = [
    "FORGES",
    "NAMES",
    "TOLERANCE_SECONDS",
    "BadPayload",
    "Envelope",
    "Forged",
    "Ignored",
    "Unknown",
    "Wanted",
    "new_secret",
    "read",
    "read_envelope",
    "read_payload",
    "verify",
    "why_skipped",
]
