"""Writes of a worker that outlive a database that is away for a while."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.db import IntegrityError, connection

from buildboard.presence import AWAY

from ..leases import disconnect
from . import disk
from .watchdog import CONNECT_SECONDS, limit

logger = logging.getLogger(__name__)
T = TypeVar("T")

_FIRST_REST, _LONGEST_REST = 0.1, 1.0
"""Well below the shortest lease: after an outage the renewal comes before any watcher may judge."""


def without_pool() -> None:
    """For a process of one thread, before its first query: a pool would only put its own pace of reconnecting, many
    seconds at worst, between this process and a database that is back. Nor does it wait long for one that is away."""
    options = connection.settings_dict["OPTIONS"]
    options.pop("pool", None)
    if connection.vendor == "postgresql":
        options["connect_timeout"] = min(int(options.get("connect_timeout", CONNECT_SECONDS)), CONNECT_SECONDS)


def wants_room(error: Exception) -> bool:
    """Whether SQLite had no room to write. (PostgreSQL's disk is another machine's: that is an outage like others.)"""
    name = getattr(error.__cause__, "sqlite_errorname", "")
    return name == "SQLITE_FULL" or (name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")) and disk.is_full())


class Outage(Exception):
    """The database was away for longer than the outage limit."""


class Storing:
    """Calls a verb until the database took it. Every verb given to it may be repeated: the lease and the expected head
    tell what had landed already."""

    def __init__(self, meanwhile: Callable[[float], None] | None = None, outage: float | None = None) -> None:
        """`meanwhile`: how to rest so many seconds between two attempts. `outage`: for so long a verb is
        repeated, else BUILDBOARD_OUTAGE_SECONDS."""
        self._rest = meanwhile or time.sleep
        self._outage = settings.BUILDBOARD_OUTAGE_SECONDS if outage is None else outage
        self.disk_is_full = False
        """The last attempt failed for want of room. That lasts as long as it lasts: it is no outage."""
        self.last_took = 0.0
        """Seconds that the last successful call took, without the failed ones."""

    def __call__(self, verb: Callable[..., T], *arguments: object, **options: object) -> T:
        """What `verb` returns. `Outage` after the limit; whatever else it raises is raised here.

        On PostgreSQL what it points to may be deleted before it is committed, as who comes after a build or is told of
        it: asked once more, it does not point there.
        """
        began = time.monotonic()
        rest = _FIRST_REST
        refused = False
        while True:
            attempt = time.monotonic()
            try:
                with limit():
                    result = verb(*arguments, **options)
            except AWAY as error:
                self.disk_is_full = wants_room(error)
                disconnect()
                if not self.disk_is_full and time.monotonic() - began >= self._outage:
                    raise Outage(f"no database for {self._outage:.0f} s: {error}") from error
                logger.warning("action=store state=retry verb=%s error=%s", verb.__name__, error)
                self._rest(rest)
                rest = min(rest * 2, _LONGEST_REST)
            except IntegrityError as error:
                if refused:
                    raise
                refused = True
                logger.warning("action=store state=refused verb=%s error=%s", verb.__name__, error)
            else:
                self.disk_is_full = False
                self.last_took = time.monotonic() - attempt
                return result
