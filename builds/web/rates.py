"""How often one caller may ask the API: a bucket of tokens for each, in this process.

Another web process has buckets of its own, so a board of several takes so much from a caller in each of them: it is a
bound on what one program that has gone wrong costs, not an account.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from django.conf import settings

WINDOW_SECONDS = 60
MOST_CALLERS = 10_000
"""Remembered at a time; who asked longest ago is forgotten, and so has a full bucket."""


class Rate(NamedTuple):
    """What a caller is told of their bucket."""

    allowed: bool
    most: int
    """It holds so many, and is filled within WINDOW_SECONDS."""
    left: int
    after: int
    """Seconds until the next request is taken, or where there are some left until it is full."""

    @property
    def headers(self) -> dict[str, str]:
        """RateLimit header fields for HTTP (draft-ietf-httpapi-ratelimit-headers)."""
        return {
            "RateLimit-Policy": f'"default";q={self.most};w={WINDOW_SECONDS}',
            "RateLimit": f'"default";r={self.left};t={self.after}',
        }


class Rates:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By caller: how many there were, and when."""

    def take(self, caller: str, most: int) -> Rate:
        """One request of `caller`, who has `most` in a minute, at once or spread."""
        now, pace = self._clock(), most / WINDOW_SECONDS
        with self._lock:
            had, since = self._buckets.pop(caller, (float(most), now))
            has = min(float(most), had + (now - since) * pace)
            allowed = has >= 1
            has -= allowed
            self._buckets[caller] = (has, now)
            while len(self._buckets) > MOST_CALLERS:
                self._buckets.popitem(last=False)
        wait = (most - has if allowed else 1 - has) / pace
        return Rate(allowed, most, int(has), max(int(wait + 0.999), 1))


rates = Rates()


def take(caller: str, times: int = 1) -> Rate | None:
    """`times`: of what BUILDBOARD_API_RATE says. None: there is no limit."""
    most = settings.BUILDBOARD_API_RATE * times
    return rates.take(caller, most) if most else None
