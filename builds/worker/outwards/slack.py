"""Slack's incoming webhooks, which others (Mattermost, Rocket.Chat) take as well.

Rules: docs.slack.dev/messaging/formatting-message-text: `&`, `<` and `>` are escaped, and then no text can be a link, a
mention or `<!channel>`.
"""

import json

from ...outbox import Claimed
from .exchange import Answer, Request
from .outcome import Outcome, judge
from .wording import Note, note


def request(claimed: Claimed, board: str) -> Request:
    said = note(claimed.payload, board)
    body = {
        "text": escaped(said.title),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text(said)}}],
        "unfurl_links": False,
        "unfurl_media": False,
    }
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return Request("POST", claimed.target.opened(), headers, json.dumps(body).encode())


def text(said: Note) -> str:
    title = escaped(said.title)
    return "\n".join([f"<{said.link}|{title}>" if said.link else title, *map(escaped, said.lines)])


def escaped(plain: str) -> str:
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def outcome(claimed: Claimed, answer: Answer) -> Outcome:
    return judge(answer)
