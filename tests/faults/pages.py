"""Someone who is signed in and asks each web for a page, again and again."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Sequence

from .world import fetch

EVERY = 1.0
PATIENCE = 15.0
"""Seconds after which a person takes the board for dead."""
PATHS = ("/", "/builds/1/", "/projects/warm/", "/api/v1/builds?limit=5", "/accounts/login/")


class Reader:
    """A thread per web. `answers`: how often each status came; `complaints`: what nobody should be shown."""

    def __init__(self, ports: Sequence[int], session: str) -> None:
        self.answers: Counter[int] = Counter()
        self.longest = 0.0
        self.complaints: list[str] = []
        self._session = session
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(port,), daemon=True) for port in ports]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, port: int) -> None:
        turn = 0
        while not self._ended.wait(EVERY):
            turn += 1
            self._ask(port, PATHS[turn % len(PATHS)])

    def _ask(self, port: int, path: str) -> None:
        began = time.monotonic()
        try:
            status, body = fetch(
                "GET", path, port=port, headers={"Cookie": f"sessionid={self._session}"}, seconds=PATIENCE
            )
        except TimeoutError:
            self._complain(path, began, f"no answer within {PATIENCE:.0f} s")
            return
        except (OSError, http.client.HTTPException):
            return  # this web is down, or was ended meanwhile
        self.answers[status] += 1
        self.longest = max(self.longest, time.monotonic() - began)
        if status not in (200, 302, 503):
            self._complain(path, began, f"{status} {body[:200]!r}")

    def _complain(self, path: str, began: float, what: str) -> None:
        self.complaints.append(f"GET {path} at {began - self._began:.1f} s: {what}")
