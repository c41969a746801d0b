"""Matrix: a message of a bot in a room, by the client-server API (spec.matrix.org, v3 paths).

The message's key is its transaction id: a homeserver that gets it twice, by the same token, shows it once.
"""

import json
from html import escape
from urllib.parse import quote

from ...outbox import Claimed
from .exchange import Answer, Request
from .outcome import Outcome, judge
from .wording import Note, note


def request(claimed: Claimed, board: str) -> Request:
    target = claimed.target
    said = note(claimed.payload, board)
    body = {
        "msgtype": "m.notice",  # of a program: other programs do not answer it
        "body": "\n".join([said.title, *said.lines, *([said.link] if said.link else [])]),
        "format": "org.matrix.custom.html",
        "formatted_body": html(said),
        "m.mentions": {},  # nobody, whatever the text says
    }
    room, key = quote(target.place, safe=""), quote(claimed.key, safe="")
    url = f"{target.address.rstrip('/')}/_matrix/client/v3/rooms/{room}/send/m.room.message/{key}"
    headers = {"Authorization": f"Bearer {target.opened()}", "Content-Type": "application/json"}
    return Request("PUT", url, headers, json.dumps(body).encode())


def html(said: Note) -> str:
    title = f"<b>{escape(said.title)}</b>"
    if said.link:
        title = f'<a href="{escape(said.link)}">{title}</a>'
    return "<br>".join([title, *map(escape, said.lines)])


def outcome(claimed: Claimed, answer: Answer) -> Outcome:
    found = judge(answer)
    if answer.code == 429 and found.wait is None:
        return found._replace(wait=_asked(answer))
    return found


def _asked(answer: Answer) -> float | None:
    """Homeservers of before Retry-After say it in the body."""
    try:
        return float(json.loads(answer.body)["retry_after_ms"]) / 1000
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
