"""Django's SQLite, whose connections know which file they have opened: one that was replaced under a process is left
by it (`builds/worlds.py`)."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from django.db.backends.sqlite3 import base

from buildboard import private

File = tuple[int, int]
"""Device and inode."""


class DatabaseWrapper(base.DatabaseWrapper):
    opened_file: File | None = None
    """What stood at its place just before it was opened; None: nothing did, or there is no place."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self._keep_private()
        # Before: were it replaced in between, one that is left for nothing does no harm, and one that is kept would.
        before = self.file()
        connection = super().get_new_connection(conn_params)
        self.opened_file = before or self.file()
        return connection

    def _keep_private(self) -> None:
        """What SQLite makes beside a database is as open as that is."""
        place = str(self.settings_dict["NAME"])
        if place == ":memory:" or place.startswith("file:"):  # of tests
            return
        private.make(place)
        for end in ("", "-wal", "-shm", "-journal"):
            private.narrow(place + end)

    @contextlib.contextmanager
    def without_waiting(self) -> Iterator[None]:
        """What is written in it fails at once where another writes just now."""
        self.ensure_connection()
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            usual = float(self.settings_dict["OPTIONS"]["timeout"])  # seconds
            self.connection.execute(f"PRAGMA busy_timeout = {usual * 1000:.0f}")

    def file(self) -> File | None:
        """What stands at its place now."""
        with contextlib.suppress(OSError):
            found = os.stat(self.settings_dict["NAME"])
            return found.st_dev, found.st_ino
        return None
