"""Exchanges with forges and chat servers, after the documentation of their APIs: what is sent, and what they answer.

One file each, a list of exchanges: `message` (what is sent, by the words of the outbox), `request` (method, path,
headers and body as they have to be) and `answer`. Sources are named in each.
"""

import json
from typing import Any

from ..support import ROOT


def of(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "tests/exchanges" / f"{name}.json").read_text())
