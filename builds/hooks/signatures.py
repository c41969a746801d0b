"""Whether whoever sent a delivery knows the project's secret. On the raw body, in constant time, before it is read.

GitHub, Gitea and Forgejo sign the body; GitLab sends the secret itself, or signs as Standard Webhooks does; Standard
Webhooks signs its number, its time and the body, so that an old delivery cannot be sent again later.
"""

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping

from .envelope import Envelope

PREFIX = "whsec_"
"""Of a secret of Standard Webhooks: what follows is its key in Base64."""
TOLERANCE_SECONDS = 5 * 60
"""So far from now, either way, a signed time may be."""
_MOST_SIGNATURES = 10
"""In one header, while its sender changes keys."""


class Forged(Exception):
    """It does not fit the secret; a sentence that says what did not, without what would have."""


def new_secret() -> str:
    """256 random bits, as Standard Webhooks writes them. Forges take them as text."""
    return PREFIX + b64encode(secrets.token_bytes(32)).decode()


def verify(envelope: Envelope, headers: Mapping[str, str], body: bytes, secret: str, now: float) -> None:
    """`now`: seconds since 1970. `Forged`; whoever sends gets no other answer than "no"."""
    if envelope.forge == "github":
        _verify_hex("X-Hub-Signature-256", headers, body, secret, prefix="sha256=")
    elif envelope.forge == "gitea":
        _verify_hex("X-Gitea-Signature", headers, body, secret)
    elif envelope.forge == "forgejo":
        _verify_hex("X-Forgejo-Signature", headers, body, secret)
    elif envelope.forge == "gitlab" and "webhook-signature" not in headers:
        _verify_token(headers, secret)
    else:
        _verify_standard(headers, body, secret, now)


def _verify_hex(name: str, headers: Mapping[str, str], body: bytes, secret: str, prefix: str = "") -> None:
    given = headers.get(name, "")
    if not given:
        raise Forged(f"It has no signature ({name}): the hook at the forge has no secret.")
    wanted = prefix + hmac.digest(secret.encode(), body, "sha256").hex()
    if not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
        raise Forged(f"Its signature ({name}) does not fit: the hook at the forge has another secret.")


def _verify_token(headers: Mapping[str, str], secret: str) -> None:
    given = headers.get("X-Gitlab-Token", "")
    if not given:
        raise Forged("It has neither X-Gitlab-Token nor webhook-signature: the hook at the forge has no secret.")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode()):
        raise Forged("Its X-Gitlab-Token does not fit: the hook at the forge has another secret.")


def _verify_standard(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> None:
    number, sent, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not given:
        raise Forged("It has no signature (webhook-signature).")
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 15):
        raise Forged("webhook-timestamp: expected whole seconds since 1970.")
    signed = f"{number}.{sent}.".encode("utf-8", "replace") + body
    wanted = [b64encode(hmac.digest(key, signed, "sha256")) for key in _keys(secret)]
    fits = False
    for one in given.split()[:_MOST_SIGNATURES]:  # every one, so that the time does not tell which
        version, _, text = one.partition(",")
        for each in wanted:
            fits |= hmac.compare_digest(text.encode("utf-8", "replace"), each) and version == "v1"
    if not fits:
        raise Forged("Its signature (webhook-signature) does not fit: its sender has another secret.")
    age = now - int(sent)
    if abs(age) > TOLERANCE_SECONDS:
        when = f"{abs(age):.0f} s {'ago' if age > 0 else 'ahead'}"
        raise Forged(f"It was signed {when}; at most {TOLERANCE_SECONDS} s are taken. Is a clock wrong?")


def _keys(secret: str) -> list[bytes]:
    """As libraries of Standard Webhooks have it, and as it is written, for what does not know of them."""
    literal = secret.encode()
    try:
        return [b64decode(secret.removeprefix(PREFIX), validate=True), literal]
    except ValueError:
        return [literal]
