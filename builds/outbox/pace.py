"""When a message that could not be sent is tried again. Pure."""

import random

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 4 * 3600.0
_JITTER = 0.2


def seconds_until_next(attempts: int, asked: float | None = None) -> float:
    """After so many failed attempts: twice as long each time, within limits, and not all messages at once. `asked`: how
    long the receiver has asked to be left alone (Retry-After), in seconds; it is never asked sooner, and never waited
    for longer than LONGEST_SECONDS."""
    own = min(FIRST_SECONDS * 2 ** min(attempts - 1, 30), LONGEST_SECONDS)
    own *= random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - only so that messages do not come in step
    return max(own, min(asked or 0.0, LONGEST_SECONDS))
