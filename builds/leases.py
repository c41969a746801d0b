"""Finds builds whose worker gives no sign of life any more."""

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from django.conf import settings
from django.db import Error, connection

from buildboard.presence import database

from . import lifecycle, worlds

logger = logging.getLogger(__name__)


class Silent(NamedTuple):
    """A lease whose worker gave no sign of life for so long."""

    build_id: int
    token: str
    renewal: int
    worker: str
    seconds: float


class LeaseWatch:
    """A lease has lapsed when the same renewal was seen for one whole lease, by looks that all succeeded and were at
    most a third of a lease apart; a failed or late look starts over.

    Only this process's own monotonic clock counts, so machines may disagree on the time, and a database that was away,
    or this process that was, loses no build.
    """

    def __init__(
        self, lease_seconds: float, clock: Callable[[], float] = time.monotonic, outside_seconds: float | None = None
    ) -> None:
        """`outside_seconds`: of builds that run outside, whose network may be away while this board is not; else
        BUILDBOARD_OUTSIDE_LEASE_SECONDS, and never less than `lease_seconds`."""
        self._lease = lease_seconds
        given = settings.BUILDBOARD_OUTSIDE_LEASE_SECONDS if outside_seconds is None else outside_seconds
        self._outside_lease = max(given, lease_seconds)
        self._clock = clock
        self._seen: dict[tuple[int, str], tuple[int, float]] = {}  # build, token → renewal, since when
        self._looked_at: float | None = None
        self.pace = lease_seconds / 6
        """Seconds between two looks that leave room for a late one."""

    def look(self) -> list[int]:
        """Ends the builds whose lease has lapsed; their numbers."""
        worlds.leave_replaced()
        before = self._clock()
        try:
            leases = lifecycle.leases()
        except Error as error:
            disconnect()
            if not database.is_away:  # that has been said once for all
                logger.warning("action=watch state=failed error=%s", error)
            self._seen.clear()
            self._looked_at = None
            return []
        after = self._clock()
        if self._looked_at is None or after - self._looked_at > self._lease / 3:
            self._seen.clear()
        self._looked_at = after
        lapsed = []
        seen = {}
        for build_id, (token, renewal, worker) in leases.items():
            known = self._seen.get((build_id, token))
            if known is None or known[0] != renewal:
                seen[build_id, token] = (renewal, after)
                continue
            seen[build_id, token] = known
            if before - known[1] >= self._lease:
                lapsed.append(Silent(build_id, token, renewal, worker, before - known[1]))
        self._seen = seen
        return [one.build_id for one in self._those_that_lapsed(lapsed) if self._lose(one)]

    def _those_that_lapsed(self, found: list[Silent]) -> list[Silent]:
        """Without those that run outside and have been silent for less than they may."""
        if not any(one.seconds < self._outside_lease for one in found):
            return found
        try:
            outside = lifecycle.outside([one.build_id for one in found])
        except Error as error:
            disconnect()
            logger.warning("action=watch state=failed error=%s", error)
            return []
        return [one for one in found if one.build_id not in outside or one.seconds >= self._outside_lease]

    def _lose(self, one: Silent) -> bool:
        build_id, token, renewal, worker, seconds = one
        lease = self._outside_lease if seconds >= self._outside_lease else self._lease
        reason = f"The worker {worker} gave no sign of life for {lease:g} s."
        try:
            lost = lifecycle.lose(build_id, token, reason, renewal=renewal)
        except Error as error:
            disconnect()
            del self._seen[build_id, token]  # its worker may have been unable to write as well: that starts over
            logger.warning("action=lose state=failed build=%d error=%s", build_id, error)
            return False
        if lost:
            logger.warning("action=lose build=%d worker=%s reason=lapsed", build_id, worker)
        return lost


def disconnect() -> None:
    """After a database error: the next query opens a new connection. A broken one stays broken for ever.

    SQLite's does not break, and stays: the last that closes takes the files along without which nobody can read, and
    a full disk has no room to make them again.
    """
    if connection.vendor != "sqlite" and not connection.in_atomic_block:
        connection.close()


def watch_in_background(lease_seconds: float) -> threading.Thread:
    """Look for as long as this process lives, in a thread of its own: so that a build is not left running for ever
    where the last supervisor died with its machine. Slower than a supervisor looks, and never later than it may be.
    """
    watch = LeaseWatch(lease_seconds)

    def look() -> None:
        while True:
            try:
                watch.look()
            except Exception:
                logger.exception("action=watch state=failed")
            finally:
                if connection.vendor != "sqlite":  # there one that stays lets everyone read on a full disk
                    connection.close()
            time.sleep(lease_seconds / 4)

    thread = threading.Thread(target=look, name="leases", daemon=True)
    thread.start()
    return thread
