"""Writes of a worker that outlive a database that is away for a while."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

from ..leases import disconnect

logger = logging.getLogger(__name__)
T = TypeVar("T")

OUTAGE_SECONDS = 300.0
"""A worker that reached no database for so long stops its steps."""
_FIRST_REST, _LONGEST_REST = 0.1, 2.0
AWAY = (OperationalError, InterfaceError)


def without_pool() -> None:
    """For a process of one thread, before its first query: a pool would only put its own pace of reconnecting, many
    seconds at worst, between this process and a database that is back."""
    connection.settings_dict["OPTIONS"].pop("pool", None)


class Outage(Exception):
    """The database was away for longer than the outage limit."""


class Storing:
    """Calls a verb until the database took it. Every verb given to it may be repeated: the lease and the expected head
    tell what had landed already."""

    def __init__(self, meanwhile: Callable[[float], None] | None = None, outage: float = OUTAGE_SECONDS) -> None:
        """`meanwhile`: how to rest so many seconds between two attempts."""
        self._rest = meanwhile or time.sleep
        self._outage = outage
        self.last_took = 0.0
        """Seconds that the last successful call took, without the failed ones."""

    def __call__(self, verb: Callable[..., T], *arguments: object, **options: object) -> T:
        """What `verb` returns. `Outage` after the limit; whatever else it raises is raised here."""
        began = time.monotonic()
        rest = _FIRST_REST
        while True:
            attempt = time.monotonic()
            try:
                result = verb(*arguments, **options)
            except AWAY as error:
                disconnect()
                if time.monotonic() - began >= self._outage:
                    raise Outage(f"no database for {self._outage:.0f} s: {error}") from error
                logger.warning("action=store state=retry verb=%s error=%s", verb.__name__, error)
                self._rest(rest)
                rest = min(rest * 2, _LONGEST_REST)
            else:
                self.last_took = time.monotonic() - attempt
                return result
