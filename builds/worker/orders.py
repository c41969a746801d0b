"""What a worker process is told: by its supervisor through its standard input, or by signals sent to itself."""

import contextlib
import os
import select
import signal
import time

DRAIN, STOP = b"d", b"s"


class Orders:
    """`draining`: finish the build at hand and take no other. `stopping`: end the build at hand too, now.

    The end of standard input says that the supervisor is dead, and means stop: nobody watches this worker any more.
    """

    def __init__(self, file: int | None = None, drain_seconds: int = 0) -> None:
        """`drain_seconds`: the build at hand may go on for so long, then draining becomes stopping; 0: for ever."""
        self.file = file
        """Readable when there may be news; None: there is nobody to hear from."""
        self.stopping = ""
        """Why, in a sentence; empty: not stopping."""
        self._drain_seconds = drain_seconds
        self._draining_since: float | None = None

    @property
    def draining(self) -> bool:
        return self._draining_since is not None

    def listen_to_signals(self) -> None:
        """TERM or INT sent to this very process: the first drains, the second stops."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.signalled())

    def signalled(self) -> None:
        if self.draining:
            self._stop("The worker was stopped.")
        self.drain()

    def drain(self) -> None:
        if self._draining_since is None:
            self._draining_since = time.monotonic()

    def hear(self, seconds: float = 0.0) -> None:
        """Take what has been said; waits for it up to `seconds`."""
        self._listen(seconds)
        since, limit = self._draining_since, self._drain_seconds
        if since is not None and limit and time.monotonic() - since >= limit:
            self._stop(f"The worker was told to stop, and the build had not ended {limit} s later.")

    def _listen(self, seconds: float) -> None:
        if self.file is None:
            if seconds:
                select.select([], [], [], seconds)
            return
        if not select.select([self.file], [], [], seconds)[0]:
            return
        said = b""
        with contextlib.suppress(OSError):
            said = os.read(self.file, 64)
        if not said:
            self.file = None
            self._stop("The worker's supervisor died.")
        elif STOP in said:
            self._stop("The worker was stopped.")
        elif DRAIN in said:
            self.drain()

    def _stop(self, why: str) -> None:
        self.drain()
        self.stopping = self.stopping or why
