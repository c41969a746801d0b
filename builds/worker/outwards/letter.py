"""Mail, by the server that the board's settings name."""

import smtplib
from html import escape
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from ...outbox import Claimed
from .outcome import Outcome
from .wording import Note, note

NO_SERVER = "No mail server is set: EMAIL_URL."


def send(claimed: Claimed, board: str, seconds: float) -> Outcome:
    """`seconds`: of patience with each answer of the server."""
    if not settings.EMAIL_HOST:
        return Outcome("never", NO_SERVER)
    letter = written(claimed, board)
    letter.connection = get_connection(timeout=seconds)
    try:
        letter.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return Outcome(_verdict(min(codes, default=450)), f"The mail server takes no letter to them: {_words(error)}")
    except smtplib.SMTPAuthenticationError as error:  # for whoever runs the board to mend
        return Outcome("again", f"The mail server does not let the board in: {_words(error)}")
    except smtplib.SMTPResponseException as error:
        return Outcome(_verdict(error.smtp_code), f"The mail server refused it: {_words(error)}")
    except (OSError, smtplib.SMTPException) as error:
        return Outcome("again", f"The mail server did not answer: {_words(error)}")
    return Outcome("sent", "The mail server has taken it.")


def written(claimed: Claimed, board: str) -> EmailMultiAlternatives:
    said = note(claimed.payload, board)
    letter = EmailMultiAlternatives(
        subject=said.title,
        body="\n".join([said.title, "", *said.lines, *(["", said.link] if said.link else [])]) + "\n",
        to=[address.strip() for address in claimed.target.address.split(",")],
        headers={
            "Message-ID": f"<{claimed.key}@{urlsplit(board).hostname or 'buildboard.localhost'}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    letter.attach_alternative(html(said), "text/html")
    return letter


def html(said: Note) -> str:
    lines = "".join(f"<p>{escape(line)}</p>\n" for line in said.lines)
    link = f'<p><a href="{escape(said.link)}">{escape(said.link)}</a></p>\n' if said.link else ""
    return f'<!doctype html>\n<html lang="en">\n<body>\n<h1>{escape(said.title)}</h1>\n{lines}{link}</body>\n</html>\n'


def _verdict(code: int) -> str:
    return "never" if 500 <= code < 600 else "again"


def _words(error: Exception) -> str:
    """Of what the server said, and never of what it was told."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{code} {_text(said)}" for code, said in list(error.recipients.values())[:3])
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]


def _text(said: bytes | str) -> str:
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else said)[:200]
