"""Webhooks, signed as Standard Webhooks has it (standardwebhooks.com, version 1.0.0).

The same message is the same `webhook-id` and the same body, however often it is sent; its time and so its signature are
the attempt's own.
"""

import hmac
import json
from base64 import b64decode, b64encode

from ...outbox import Claimed
from .exchange import Answer, Request
from .outcome import Outcome, judge

PREFIX = "whsec_"


def request(claimed: Claimed, board: str, now: float) -> Request:
    """`now`: seconds since 1970."""
    body = json.dumps(content(claimed, board), separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    moment = str(int(now))
    headers = {
        "Content-Type": "application/json",
        "webhook-id": claimed.key,
        "webhook-timestamp": moment,
        "webhook-signature": signature(claimed.target.opened(), claimed.key, moment, body),
    }
    return Request("POST", claimed.target.address, headers, body)


def content(claimed: Claimed, board: str) -> dict:
    """What its receiver reads: `type`, `timestamp` (when it was so) and `data`."""
    payload = claimed.payload
    data = {name: payload[name] for name in ("project", "build", "change", "before", "failed_steps") if name in payload}
    if claimed.what == "test":
        return {"type": "test", "timestamp": payload["at"], "data": data}
    path = payload["build"]["path"]
    data["build"] = {name: value for name, value in payload["build"].items() if name != "path"}
    data["build"]["url"] = board + path if board else None
    return {"type": f"build.{claimed.what}", "timestamp": payload["at"], "data": data}


def signature(secret: str, key: str, moment: str, body: bytes) -> str:
    """`v1`: HMAC-SHA256 of number, time and body, with the key that is in the secret as Base64."""
    signed = f"{key}.{moment}.".encode() + body
    return f"v1,{b64encode(hmac.digest(b64decode(secret.removeprefix(PREFIX)), signed, 'sha256')).decode()}"


def outcome(claimed: Claimed, answer: Answer) -> Outcome:
    """What a receiver refuses today it may take when it is mended; 410 is its word for never."""
    return judge(answer, patient=True)
