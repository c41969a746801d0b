"""What the processes of the board say of themselves: one line an event, on stderr."""

import logging
from typing import Any


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Whoever asks /readyz again and again has the answer, and so does whoever asks for a page while the database is
    away: it is no error of the board each time."""
    return (
        getattr(record, "status_code", 0) != 503 and getattr(getattr(record, "request", None), "path", "") != "/readyz"
    )


def without_traceback(record: logging.LogRecord) -> bool:
    """An unknown host is in the line itself; where in the code it was noticed helps nobody."""
    if record.name == "django.security.DisallowedHost":
        record.exc_info = record.exc_text = None
    return True


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {
        "worth a line": {"()": "django.utils.log.CallbackFilter", "callback": _worth_a_line},
        "without traceback": {"()": "django.utils.log.CallbackFilter", "callback": without_traceback},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["worth a line", "without traceback"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "builds": {"level": "INFO"},
        "buildboard": {"level": "INFO"},
        "django.request": {"level": "ERROR"},  # a client's mistake is told to the client
        # A server that is away is said once (presence.py, wakes.py); these say it again with every attempt.
        "psycopg.pool": {"level": "CRITICAL"},
        "channels_redis": {"level": "CRITICAL"},
    },
}
