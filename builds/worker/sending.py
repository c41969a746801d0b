"""Lets messages leave by themselves: where some are due, a supervisor runs a sender as a child, until none has been due
for a while. A board that tells nobody anything has no such process."""

import logging

from django.db import Error

from .. import outbox
from ..leases import disconnect
from .child import Child

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
REST_SECONDS = 10.0
"""After a sender has ended: one that dies at once is not started at once."""


class Sending(Child):
    """`look()` again and again, from a loop that must not wait; `tell()` when the supervisor ends."""

    def __init__(self, now: float) -> None:
        super().__init__("send", logger)
        self._look_at = now + LOOK_SECONDS

    def look(self, now: float) -> None:
        """Start a sender where a message is due and none runs here. Other machines may have one, too."""
        if now < self._look_at:
            return
        ran = self._process is not None
        self._look_at = now + LOOK_SECONDS
        if not self.is_over(now):
            return
        if ran:
            self._look_at = now + REST_SECONDS
            return
        try:
            if outbox.is_due():
                self.start("worker", "--send")
        except Error as error:
            disconnect()
            logger.warning("action=send state=failed error=%s", error)
