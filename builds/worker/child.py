"""A command of this program that a supervisor runs beside its workers, one at a time."""

import logging
import subprocess
import sys

from django.conf import settings

END_SECONDS = 2.5
"""A child that was told to end does so within some milliseconds, or as soon as it may; after so long it is killed."""


class Child:
    """`start()` where there is none; `tell()` when the supervisor ends. It has a pipe as its standard input, and ends
    with it: nobody outlives a supervisor that was killed."""

    def __init__(self, action: str, logger: logging.Logger) -> None:
        """`action`: what it does, as the log has it."""
        self._action = action
        self._logger = logger
        self._process: subprocess.Popen | None = None
        self._kill_at: float | None = None

    def start(self, *command: str) -> None:
        whole = [sys.executable, str(settings.BASE_DIR / "manage.py"), *command, "--skip-checks"]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this program itself
                whole, stdin=subprocess.PIPE, process_group=0, cwd=settings.BASE_DIR
            )
        except OSError as error:  # no memory or no process just now: the next time will do
            self._logger.error("action=%s state=failed error=%s", self._action, error)

    def is_over(self, now: float) -> bool:
        """Whether no child lives. One that does not end when it was told to is killed."""
        if self._process is None:
            return True
        if self._process.poll() is None:
            if self._kill_at is not None and now >= self._kill_at:
                self._process.kill()
            return False
        if self._process.returncode and self._kill_at is None:
            self._logger.error("action=%s state=died exit=%d", self._action, self._process.returncode)
        self._process.stdin.close()
        self._process, self._kill_at = None, None
        return True

    def tell(self, now: float) -> None:
        """To end; what it has done stays done."""
        if self._process is not None and self._kill_at is None:
            self._kill_at = now + END_SECONDS
            self._process.terminate()
