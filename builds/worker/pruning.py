"""Lets the board be pruned by itself: every so often one of its supervisors runs `manage.py prune` as a child."""

import logging

from django.conf import settings
from django.db import Error

from .. import retention
from ..leases import disconnect
from .child import Child

logger = logging.getLogger(__name__)

FIRST_SECONDS = 3.0
"""A supervisor that has just started has better things to do."""
LOOK_SECONDS = 30.0


class Pruning(Child):
    """`look()` again and again, from a loop that must not wait; `tell()` when the supervisor ends."""

    def __init__(self, now: float) -> None:
        super().__init__("prune", logger)
        self._look_at = now + FIRST_SECONDS

    def look(self, now: float) -> None:
        """Take the board's turn where it is due, and start the child that makes use of it."""
        if self.is_over(now) and settings.BUILDBOARD_PRUNE_MINUTES and now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            try:
                if retention.take_turn(settings.BUILDBOARD_PRUNE_MINUTES):
                    self.start("prune", "--by-itself")
            except Error as error:
                disconnect()
                logger.warning("action=prune state=failed error=%s", error)
