"""One message → its kind → what came of it. Asks no database; whatever goes wrong is an outcome."""

import ipaddress
import logging
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from ... import outbox, vault
from ...outbox import Claimed
from . import forges, letter, matrix, slack, webhook
from .exchange import Network, Refused, Request, Unreachable, exchange
from .outcome import Outcome

logger = logging.getLogger(__name__)

AGENT = "Buildboard"


@dataclass(frozen=True)
class Terms:
    """On which messages are sent."""

    board: str
    """The board's own address, without a slash at its end; empty: not known."""
    seconds: float
    """In which an exchange has to be over."""
    allowed: tuple[Network, ...] = ()


def terms() -> Terms:
    allowed = tuple(ipaddress.ip_network(network) for network in settings.BUILDBOARD_OUTBOX_ALLOW_PRIVATE)
    return Terms(settings.BUILDBOARD_URL, settings.BUILDBOARD_OUTBOX_TIMEOUT_SECONDS, allowed)


def deliver(claimed: Claimed, on: Terms) -> Outcome:
    try:
        found = _deliver(claimed, on)
    except vault.Unreadable as error:
        return Outcome("never", f"{error} Give the target its secret anew.")
    except (Refused, outbox.NoPlace) as error:
        return Outcome("never", str(error))
    except Unreachable as error:
        return Outcome("again", str(error))
    except Exception as error:
        logger.exception("action=send state=failed key=%s kind=%s", claimed.key, claimed.target.kind)
        return Outcome("again", f"The board could not make the message: {type(error).__name__}.")
    return found._replace(said=_without(claimed, found.said))


def _deliver(claimed: Claimed, on: Terms) -> Outcome:
    kind = claimed.target.kind
    if kind == "mail":
        return letter.send(claimed, on.board, on.seconds)
    module = {"webhook": webhook, "slack": slack, "matrix": matrix}.get(kind, forges)
    answer = exchange(_request(claimed, on), seconds=on.seconds, allowed=on.allowed)
    return module.outcome(claimed, answer)


def _request(claimed: Claimed, on: Terms) -> Request:
    kind = claimed.target.kind
    if kind == "webhook":
        made = webhook.request(claimed, on.board, time.time())
    elif kind == "slack":
        made = slack.request(claimed, on.board)
    elif kind == "matrix":
        made = matrix.request(claimed, on.board)
    else:
        made = forges.request(claimed, on.board)
    return Request(made.method, made.url, {"User-Agent": AGENT, **made.headers}, made.body)


def _without(claimed: Claimed, said: str) -> str:
    """What a receiver says is shown: it may say what it was told."""
    secret = claimed.target.opened() if claimed.target.secret else ""
    parts = [secret]
    if claimed.target.kind == "slack":  # a server that knows nothing there likes to repeat the path
        parts.append(urlsplit(secret).path.strip("/"))
    for part in parts:
        said = said.replace(part, "…") if len(part) >= 8 else said
    return said
