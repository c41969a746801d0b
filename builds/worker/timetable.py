"""Lets schedules and chains start what is due: each supervisor looks every few seconds."""

import logging

from django.db import Error

from .. import chains, schedules
from ..leases import disconnect
from .watchdog import limit

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0


class Timetable:
    def __init__(self) -> None:
        self._look_at = float("-inf")

    def look(self, now: float) -> None:
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        try:
            with limit():
                started = [*schedules.start_due(), *chains.start_due()]
        except Error as error:
            disconnect()
            logger.warning("action=start-due state=failed error=%s", error)
        except Exception:  # whatever it is: workers go on
            logger.exception("action=start-due state=failed")
        else:
            for build in started:
                logger.info("action=start-due build=%d by=%s", build.pk, build.started_by)
