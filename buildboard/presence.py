"""Whether the database answers, as this process knows it: one answer for all of its threads.

A database that is stopped refuses, and whoever asks learns it at once. One that is paused, or whose machine has lost
its power, says nothing at all: connections stay open and queries wait for ever. So a query that has heard nothing for a
moment, and a connection that breaks, raise a suspicion here; then one thread looks, by a connection of its own. Once
the database is known to be away, whoever asks for it is refused at once, whoever waits for it stops waiting, and nobody
but that thread touches it until it answers again.

Only web processes are guarded (`guard`, called by the doorman). Elsewhere the database is never away here: a worker
waits, and a migration may take its time.
"""

import logging
import threading
import time
import traceback
from collections.abc import Callable

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)

AWAY = (OperationalError, InterfaceError)
"""What a database that is away, locked for too long, or full raises: nothing that this program has done wrong."""
LOOK_SECONDS = 0.5
"""Between two looks at a database that is away."""


class Presence:
    """`is_away` may be read from any thread at any time."""

    def __init__(self) -> None:
        self.is_away = False
        self._look: Callable[[], None] | None = None
        self._renew: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._looking = self._broken = False

    @property
    def is_guarded(self) -> bool:
        return self._look is not None

    def guard(self, look: Callable[[], None], renew: Callable[[], None]) -> None:
        """From now on suspicions are followed. `look` asks the database once, in bounded time, and raises where it does
        not answer; `renew` lets go of every idle connection: those that were open before an outage are of no use."""
        self._look, self._renew = look, renew

    def suspect(self, *, broken: bool = False) -> None:
        """Something hung. Returns at once; a thread looks, and goes on until the database answers.

        `broken`: a connection has ended, and the others that were opened with it may have ended, too.
        """
        with self._lock:
            self._broken = self._broken or broken
            if self._looking or self._look is None:
                return
            self._looking = True
        try:
            threading.Thread(target=self._find_out, args=(self._look,), name="database-look", daemon=True).start()
        except RuntimeError as error:  # no thread can be had just now: the next suspicion tries again
            self._looking = False
            logger.error("action=database state=unknown error=%s", error)

    def _find_out(self, look: Callable[[], None]) -> None:
        since = time.monotonic()
        while (error := _failure(look)) is not None:
            if not self.is_away:
                self.is_away = self._broken = True
                logger.error("action=database state=away error=%s", " ".join(str(error).split())[:300])
                self._renew()  # whoever waits for a connection stops waiting
            time.sleep(LOOK_SECONDS)
        try:
            if self._broken:
                self._renew()
        finally:
            if self.is_away:
                self.is_away = False
                logger.warning("action=database state=back seconds=%.1f", time.monotonic() - since)
            with self._lock:
                self._looking = self._broken = False


def _failure(look: Callable[[], None]) -> Exception | None:
    try:
        look()
    except Exception as error:
        traceback.clear_frames(
            error.__traceback__
        )  # they hold the connection that was tried, until garbage is collected
        return error
    return None


database = Presence()
