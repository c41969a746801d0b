"""Lets the board be pruned by itself: every so often one of its supervisors runs `manage.py prune` as a child."""

import logging
import subprocess
import sys

from django.conf import settings
from django.db import Error

from .. import retention
from ..leases import disconnect

logger = logging.getLogger(__name__)

FIRST_SECONDS = 3.0
"""A supervisor that has just started has better things to do."""
LOOK_SECONDS = 30.0
END_SECONDS = 2.5
"""A child that was told to end ends after its batch, within some milliseconds; after so long it is killed."""


class Pruning:
    """`look()` again and again, from a loop that must not wait; `tell()` when the supervisor ends."""

    def __init__(self, now: float) -> None:
        self._process: subprocess.Popen | None = None
        self._look_at = now + FIRST_SECONDS
        self._kill_at: float | None = None

    def look(self, now: float) -> None:
        """Take the board's turn where it is due, and start the child that makes use of it."""
        if self.is_over(now) and settings.BUILDBOARD_PRUNE_MINUTES and now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            try:
                if retention.take_turn(settings.BUILDBOARD_PRUNE_MINUTES):
                    self._start()
            except Error as error:
                disconnect()
                logger.warning("action=prune state=failed error=%s", error)

    def is_over(self, now: float) -> bool:
        """Whether no child lives. One that does not end when it was told to is killed."""
        if self._process is None:
            return True
        if self._process.poll() is None:
            if self._kill_at is not None and now >= self._kill_at:
                self._process.kill()
            return False
        if self._process.returncode and self._kill_at is None:
            logger.error("action=prune state=died exit=%d", self._process.returncode)
        self._process.stdin.close()
        self._process, self._kill_at = None, None
        return True

    def tell(self, now: float) -> None:
        """To end; what it has done stays done."""
        if self._process is not None and self._kill_at is None:
            self._kill_at = now + END_SECONDS
            self._process.terminate()

    def _start(self) -> None:
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "prune", "--by-itself", "--skip-checks"]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this program itself
                command, stdin=subprocess.PIPE, process_group=0, cwd=settings.BASE_DIR
            )
        except OSError as error:  # no memory or no process just now: the next turn will do
            logger.error("action=prune state=failed error=%s", error)
