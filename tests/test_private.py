"""Files of the data folder: the board's own user's, whatever umask it was started with."""

import os
import stat
import tempfile
from pathlib import Path
from unittest import mock

from django.db import connections
from django.test import SimpleTestCase

from buildboard import databases, private
from buildboard.environment import Environment


class PrivateTest(SimpleTestCase):
    databases = {"default"}

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.place = self.folder / "board.sqlite3"
        self.addCleanup(os.umask, os.umask(0))

    def modes(self) -> dict[str, int]:
        return {path.name: stat.S_IMODE(path.stat().st_mode) for path in self.folder.iterdir()}

    def open(self) -> dict[str, int]:
        """The modes of the files while the board has its database open, and has written to it."""
        environment = Environment({"DATABASE_URL": f"sqlite:///{self.place}"})
        one = type(connections)({"default": databases.configured(environment, self.folder)})["default"]
        try:
            with one.cursor() as cursor:
                cursor.execute("CREATE TABLE IF NOT EXISTS t (x)")
            return self.modes()
        finally:
            one.close()

    def test_a_new_database_is_its_owners_alone_with_all_that_is_beside_it(self) -> None:
        expected = dict.fromkeys(("board.sqlite3", "board.sqlite3-wal", "board.sqlite3-shm"), 0o600)
        self.assertEqual(self.open(), expected)

    def test_one_of_before_is_put_right_when_it_is_opened(self) -> None:
        for end in ("", "-wal"):
            self.place.with_name(f"board.sqlite3{end}").touch(0o644)
        self.assertEqual(set(self.open().values()), {0o600})

    def test_a_group_keeps_what_it_has_in_a_folder_that_it_may_write(self) -> None:
        self.folder.chmod(0o2770)
        self.place.touch(0o664)
        self.assertEqual(set(self.open().values()), {0o660})

    def test_what_is_somebody_elses_or_is_not_there_is_left(self) -> None:
        self.place.touch(0o644)
        with mock.patch("os.geteuid", return_value=os.geteuid() + 1):
            private.narrow(self.place)
        self.assertEqual(self.modes(), {"board.sqlite3": 0o644})
        private.narrow(self.folder / "none")
        private.make(self.folder / "none" / "none")
        self.assertEqual(list(self.modes()), ["board.sqlite3"])
