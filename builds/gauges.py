"""What this process counts about its streams: plain numbers, read by `/metrics`. Thread-safe; imports nothing.

They stand apart from the live wing so that whoever shows them does not depend on it.
"""

import threading
from collections import Counter
from typing import Any

LAG_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds in seconds; what is above the last one is counted in the total alone."""


class Gauges:
    """Counters of one process, since it began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self._opened: Counter[str] = Counter()
        self._closed: Counter[str] = Counter()
        self._frames = 0
        self._flushes = 0
        self._lag_counts = [0] * len(LAG_BUCKETS)
        self._lag_total = 0
        self._lag_seconds = 0.0

    def opened(self, kind: str) -> None:
        """A viewer came. `kind`: what it watches and how, such as `build`, `board`, `poll`."""
        with self._lock:
            self._open[kind] += 1
            self._opened[kind] += 1

    def closed(self, kind: str, reason: str) -> None:
        """A viewer of `kind` left: `gone` by itself, or told `end`, `reset`, `restart`, `problem`, `denied`."""
        with self._lock:
            self._open[kind] -= 1
            self._closed[reason] += 1

    def refused(self, reason: str) -> None:
        """A stream was ended before it became a viewer: `reset`, `full`, `problem`."""
        with self._lock:
            self._closed[reason] += 1

    def sent(self, frames: int, writes: int = 1) -> None:
        """`frames` were handed to viewers, in so many writes."""
        with self._lock:
            self._frames += frames
            self._flushes += writes

    def lag(self, seconds: float) -> None:
        """The newest event of a flush went out `seconds` after it was written."""
        with self._lock:
            self._lag_total += 1
            self._lag_seconds += max(seconds, 0.0)
            for place, bound in enumerate(LAG_BUCKETS):
                if seconds <= bound:
                    self._lag_counts[place] += 1

    def snapshot(self) -> dict[str, Any]:
        """`open`, `opened` by kind; `closed` by reason; `resets`, `frames`, `writes`; `lag`: {buckets, count, sum}.

        The buckets are cumulative, as Prometheus wants them: [(upper bound in seconds, how many), …].
        """
        with self._lock:
            return {
                "open": dict(self._open),
                "opened": dict(self._opened),
                "closed": dict(self._closed),
                "resets": self._closed["reset"],
                "frames": self._frames,
                "writes": self._flushes,
                "lag": {
                    "buckets": list(zip(LAG_BUCKETS, self._lag_counts, strict=True)),
                    "count": self._lag_total,
                    "sum": self._lag_seconds,
                },
            }


streams = Gauges()
