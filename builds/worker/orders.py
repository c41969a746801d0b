"""What a worker process is told: by its supervisor through its standard input, or by signals sent to itself."""

import contextlib
import os
import select
import signal

DRAIN, STOP = b"d", b"s"


class Orders:
    """`draining`: finish the build at hand and take no other. `stopping`: end the build at hand too, now.

    The end of standard input says that the supervisor is dead, and means stop: nobody watches this worker any more.
    """

    def __init__(self, file: int | None = None) -> None:
        self.file = file
        """Readable when there may be news; None: there is nobody to hear from."""
        self.draining = False
        self.stopping = ""
        """Why, in a sentence; empty: not stopping."""

    def listen_to_signals(self) -> None:
        """TERM or INT sent to this very process: the first drains, the second stops."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.signalled())

    def signalled(self) -> None:
        if self.draining:
            self._stop("The worker was stopped.")
        self.draining = True

    def hear(self, seconds: float = 0.0) -> None:
        """Take what has been said; waits for it up to `seconds`."""
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
            self.draining = True

    def _stop(self, why: str) -> None:
        self.draining = True
        self.stopping = self.stopping or why
