"""What is no backup is refused and changes nothing; what was damaged is kept."""

import sqlite3
import subprocess
import sys
from pathlib import Path

from django.test import SimpleTestCase

from builds.management.backups import Unusable
from builds.management.commands import _postgresql

from .restoring import OnPostgresql, OnSqlite, Restoring
from .support import ROOT


class Refusing(Restoring):
    def refused(self, file: Path, *options: str, most_bytes: int | None = None) -> str:
        """What a restore says that is refused; it has changed nothing. `most_bytes`: of any file, as on a full disk."""
        before = self.world(), sorted(path.name for path in self.board.data.iterdir())
        limit = ["prlimit", f"--fsize={most_bytes}"] if most_bytes else []
        done = subprocess.run(
            [*limit, sys.executable, "manage.py", "restore", str(file), *options],
            cwd=ROOT,
            env=self.board.env,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        after = self.world(), sorted(path.name for path in self.board.data.iterdir())
        self.assertEqual(after, before)
        return done.stderr.removeprefix("CommandError: ").strip()

    def check_common_refusals(self, other: bytes) -> None:
        board, bad = self.board, self.file.with_name("bad")
        (board.data / "up.lock").touch()
        board.enqueue("count")
        board.manage("backup", str(self.file), check=True)
        whole = self.file.read_bytes()
        self.assertEqual(
            self.refused(board.data / "none"), f"{board.data}/none cannot be read: No such file or directory."
        )
        self.assertIn("cannot be read: Is a directory", self.refused(board.data))
        for content, said in (
            (b"", "is not a backup: expected a file that was made by"),
            (b"hello\n" * 1000, "is not a backup: expected a file that was made by"),
            (
                b"-- PostgreSQL database dump\n",
                "plain SQL: load it with psql into an empty database, then run manage.py new",
            ),
            (b"\x1f\x8b" + whole, "is compressed: unpack it first"),
            (other, "they cannot be restored into each other"),
            (whole[:100], "is damaged: "),
            (whole[: len(whole) // 2], "is damaged: "),
            (whole[:-2000], "is damaged: "),
        ):
            bad.write_bytes(content)
            self.assertIn(said, self.refused(bad))
            bad.unlink()
        self.assertIn(
            "--next-build: The next build cannot be number 1: expected 2 to", self.refused_late("--next-build", "1")
        )

    def refused_late(self, *options: str) -> str:
        return self.refused(self.file, *options)


class SqliteTests(Refusing, OnSqlite, SimpleTestCase):
    def test_what_is_no_backup_is_refused_and_nothing_is_changed(self) -> None:
        self.check_common_refusals(b"PGDMP\x01\x0e\x00")
        place = self.board.data / "buildboard.sqlite3"
        self.assertEqual(self.refused(place), f"{place} is the board's database itself.")
        with sqlite3.connect(self.file.with_name("foreign")) as foreign:
            foreign.execute("CREATE TABLE t (x)")
        foreign.close()
        self.assertIn("could not be copied", self.refused(self.file, most_bytes=40_000))
        self.assertIn("not a Buildboard's: it has no table builds_board", self.refused(self.file.with_name("foreign")))

    def test_a_damaged_database_is_replaced_and_kept_and_a_missing_one_is_made(self) -> None:
        board, place = self.board, self.board.data / "buildboard.sqlite3"
        over = board.enqueue("count")
        board.manage("backup", str(self.file), check=True)
        place.write_bytes(b"not a database at all" * 1000)
        done = board.manage("restore", str(self.file), check=True)
        [aside] = board.data.glob("buildboard-before-*.sqlite3")
        self.assertTrue(aside.read_bytes().startswith(b"not a database"))
        self.assertIn(str(aside), done.stdout)
        self.assertEqual(board.build(over)["status"], "cancelled")
        place.unlink()
        done = board.manage("restore", str(self.file), check=True)
        self.assertNotIn("before", done.stdout)
        self.assertRegex(done.stdout, r"The next build is number 11000\.")
        self.assertEqual(board.build(over)["status"], "cancelled")


class PostgresqlTests(Refusing, OnPostgresql, SimpleTestCase):
    def test_what_is_no_backup_is_refused_and_nothing_is_changed(self) -> None:
        self.check_common_refusals(b"SQLite format 3\0" + b"\0" * 4096)

    def refused_late(self, *options: str) -> str:
        """Loading is one transaction, what follows another: it says what is left to be done."""
        done = self.board.manage("restore", str(self.file), *options)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        return done.stderr

    def test_an_archive_that_breaks_off_while_it_is_loaded_changes_nothing(self) -> None:
        """It is read through before; this is what would become of a disk that fails in between."""
        board = self.board
        for _ in range(20):
            board.enqueue("count")
        board.manage("backup", str(self.file), check=True)
        later = board.enqueue("count")
        before, world = board.stored(later), self.world()
        whole = self.file.read_bytes()
        for size in (len(whole) // 2, len(whole) * 3 // 4):
            self.file.write_bytes(whole[:size])
            with (
                board.database(),
                self.assertRaisesMessage(Unusable, "Nothing was restored, and the database is as it was: "),
            ):
                _postgresql.load(self.file)
            self.assertEqual((board.stored(later), self.world()), (before, world))
