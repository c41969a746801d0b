"""Ends calls of the database that never come back.

A database server that is stopped, but not gone, keeps its connections open and answers nothing: its driver waits for
ever, and TCP sees nothing wrong. This hangs up after a while, so that the call fails as it does when a server dies,
and what is done then is done. The lease and the expected head tell later what had landed.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
"""A call that took longer is hung up on: its transactions are a few rows, or a few megabytes that are deleted."""
CONNECT_SECONDS = 3
"""So long a new connection may take: it has a limit of its own."""
_LOOK_SECONDS = 0.5


class Watchdog:
    """Watches the calls of one thread: the one that enters `limit`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: float | None = None
        self._connection: BaseDatabaseWrapper | None = None
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def limit(self, seconds: float = ANSWER_SECONDS) -> Iterator[None]:
        """In it, a query that does not come back within so long fails with `OperationalError`. SQLite never hangs."""
        found = connections[DEFAULT_DB_ALIAS]
        if found.vendor != "postgresql":
            yield
            return
        with self._lock:
            self._connection = found
            self._until = time.monotonic() + seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._until = None

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            with self._lock:  # so that what is hung up is this call's connection, and no later one's
                if self._until is not None and time.monotonic() > self._until and self._hang_up():
                    self._until = None

    def _hang_up(self) -> bool:
        """False: there is no connection yet, and making one has a limit of its own."""
        try:
            file = os.dup(self._connection.connection.pgconn.socket)  # type: ignore[union-attr]
        except Exception:
            return False
        with socket.socket(fileno=file) as other_end, contextlib.suppress(OSError):
            other_end.shutdown(socket.SHUT_RDWR)
        logger.warning("action=database state=hung-up: no answer in time")
        return True


limit = Watchdog().limit
"""For a process of one thread."""
