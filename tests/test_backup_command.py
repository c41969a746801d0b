"""`manage.py backup`: all of the database in one file that was checked, or no file at all."""

import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from unittest import mock

from django.test import SimpleTestCase, tag

from builds.management import backups
from builds.management.backups import Unusable
from builds.management.commands import _postgresql, _sqlite

from .support import ROOT
from .support.board import Board, environment
from .support.processes import Process, eventually
from .support.servers import postgres_url


class Backing:
    databases = {"default"}
    suffix = ""

    def make_board(self) -> Board:
        raise NotImplementedError

    def setUp(self) -> None:
        self.board: Board = self.enterContext(self.make_board())
        self.folder = Path(tempfile.mkdtemp(prefix="bb backups '"))
        self.addCleanup(shutil.rmtree, self.folder)

    def refused(self, file: Path, *options: str) -> str:
        before = {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}
        done = self.board.manage("backup", str(file), *options)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        after = {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}
        self.assertEqual(after, before)
        return done.stderr.removeprefix("CommandError: ").strip()

    def test_a_backup_is_its_owners_alone_and_never_overwrites_unless_it_is_told_to(self) -> None:
        done = self.board.manage("backup", str(self.folder), check=True)
        [made] = self.folder.iterdir()
        self.assertRegex(made.name, rf"^buildboard-20\d\d-\d\d-\d\dT\d{{6}}Z\{self.suffix}$")
        self.assertEqual(stat.S_IMODE(made.stat().st_mode), 0o600)
        self.assertRegex(done.stdout, r"^/.*: \d+\.\d MB, checked; its newest build is none yet\.\n$")
        self.assertEqual(self.refused(made), f"{made} exists already; --force overwrites it.")
        made.write_text("something else")
        self.board.manage("backup", str(made), "--force", check=True)
        self.assertEqual(backups.kind(made), "sqlite" if self.suffix == ".sqlite3" else "postgresql")

    def test_where_it_cannot_be_written_nothing_is_left(self) -> None:
        (self.folder / "file").write_text("x")
        missing = self.folder / "missing" / "file"
        self.assertEqual(self.refused(missing), f"{missing} cannot be written: No such file or directory.")
        below = self.folder / "file" / "below"
        self.assertEqual(self.refused(below), f"{below} cannot be written: Not a directory.")
        self.assertIn("cannot be written: ", self.refused(Path("/proc/backup")))

    def test_a_slash_at_the_end_means_a_folder_and_one_that_is_not_there_is_made(self) -> None:
        nightly = self.folder / "nightly"
        for nights in (1, 2):
            self.board.manage("backup", f"{nightly}/", "--force", check=True)
            self.assertTrue(nightly.is_dir())
            self.assertLessEqual(1, len(list(nightly.iterdir())), nights)
        self.assertEqual(stat.S_IMODE(nightly.stat().st_mode), 0o700)
        (self.folder / "file").write_text("x")
        for name, why in (
            ("file", "is a file: expected a folder"),
            ("missing/nightly", "cannot be made: No such file"),
        ):
            done = self.board.manage("backup", f"{self.folder / name}/")
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
            self.assertIn(why, done.stderr)

    def test_a_full_disk_leaves_nothing(self) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", "backup", str(self.folder / "copy")],
            cwd=ROOT,
            env=self.board.env,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)),
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertRegex(done.stderr, r"^CommandError: .*(could not be copied|pg_dump failed)")
        self.assertEqual(list(self.folder.iterdir()), [])


class SqliteTests(Backing, SimpleTestCase):
    suffix = ".sqlite3"

    def make_board(self) -> Board:
        return Board()

    def test_a_database_that_is_not_there_is_not_made(self) -> None:
        place = self.board.data / "buildboard.sqlite3"
        place.unlink()
        self.assertEqual(
            self.refused(self.folder / "copy"), f"There is no database at {place} (DATABASE_URL, BUILDBOARD_DATA)."
        )
        self.assertFalse(place.exists())
        sqlite3.connect(place).execute("CREATE TABLE t (x)").connection.close()
        self.assertEqual(self.refused(self.folder / "copy"), f"The database {place} has no Buildboard in it.")
        place.write_bytes(b"nonsense" * 1000)
        self.assertIn("file is not a database", self.refused(self.folder / "copy"))

    def test_who_may_only_read_gets_what_is_in_the_wal_too(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="bb-wal-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        source, target = folder / "live.sqlite3", folder / "copy.sqlite3"
        with closing(sqlite3.connect(source, isolation_level=None)) as writer:
            writer.execute("PRAGMA journal_mode=WAL")
            writer.execute("CREATE TABLE facts (number INTEGER)")
            writer.executemany("INSERT INTO facts VALUES (?)", [(number,) for number in range(50)])
            with mock.patch.object(_sqlite.os, "access", return_value=False):
                _sqlite.copy(source, target)
        with closing(sqlite3.connect(target)) as copied:
            self.assertEqual(copied.execute("SELECT count(*) FROM facts").fetchone(), (50,))

    def test_a_copy_is_one_moment_while_others_write_without_waiting(self) -> None:
        place, copy = self.board.data / "buildboard.sqlite3", self.folder / "copy"
        copy.touch()
        with closing(sqlite3.connect(place, isolation_level=None)) as writer:
            writer.execute("CREATE TABLE flood (number INTEGER, text TEXT)")
            writer.execute("INSERT INTO flood VALUES (0, '')")
            with mock.patch.multiple(_sqlite, PAGES=2, REST_SECONDS=0.01):
                copying = threading.Thread(target=_sqlite.copy, args=(place, copy))
                copying.start()
                written = 0
                while copying.is_alive():
                    written += 1
                    writer.execute("INSERT INTO flood VALUES (?, ?)", (written, "x" * 5_000))
        self.assertGreater(written, 100, "commits while it was copied")
        _sqlite.check(copy)
        with closing(sqlite3.connect(copy)) as copied:
            numbers = [row[0] for row in copied.execute("SELECT number FROM flood ORDER BY number")]
            self.assertEqual(copied.execute("PRAGMA journal_mode").fetchone(), ("delete",))
        self.assertEqual(numbers, list(range(len(numbers))))
        self.assertLess(len(numbers), written / 2, "it is of the moment at which it began")

    def test_stopped_half_way_it_leaves_nothing_and_says_so(self) -> None:
        slow = "from builds.management.commands import _sqlite\n_sqlite.PAGES, _sqlite.REST_SECONDS = 1, 0.2"
        code = f"import sys, manage\n{slow}\nsys.argv[1:] = ['backup', {str(self.folder)!r}]\nmanage.main()"
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.enterContext(Process([sys.executable, "-c", code], env=self.board.env))
            eventually(lambda: list(self.folder.iterdir()), 20, process.output)
            process.signal(number)
            self.assertEqual((process.wait(), process.output()), (1, "Stopped; nothing was written.\n"))
            self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_copy_that_is_damaged_is_not_kept(self) -> None:
        place = self.board.data / "buildboard.sqlite3"
        with place.open("r+b") as file:
            file.seek(4096 * 5)
            file.write(os.urandom(4096 * 20))
        self.assertRegex(self.refused(self.folder / "copy"), "damaged|malformed")


class PostgresqlTests(Backing, SimpleTestCase):
    suffix = ".dump"

    def make_board(self) -> Board:
        return Board(database_url=postgres_url())

    def test_a_server_that_is_away_is_said_in_one_line_without_its_password(self) -> None:
        url = "postgres://board:very-secret@127.0.0.1:1/x"
        self.board.env["DATABASE_URL"] = url
        said = self.refused(self.folder / "copy")
        self.assertRegex(said, r"^Cannot connect to the database x at 127\.0\.0\.1:1 .*refused\.$")
        self.assertNotIn("very-secret", said)

    def test_an_empty_database_is_no_board(self) -> None:
        self.board.env["DATABASE_URL"] = postgres_url()
        self.assertRegex(self.refused(self.folder / "copy"), r"^The database test_\d+ has no Buildboard in it\.$")

    def test_the_password_is_on_no_command_line(self) -> None:
        self.board.database_url = self.board.database_url.replace("buildboard@", "buildboard:very-secret@")
        with self.board.database():
            command, env = _postgresql._command("pg_dump"), _postgresql._environment()
        self.assertNotIn("very-secret", " ".join(command))
        self.assertIn("--no-password", command)
        self.assertEqual(env["PGPASSWORD"], "very-secret")


@tag("fast")
class ToolTests(SimpleTestCase):
    """Which of the programs that a machine has is called."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        places = (f"{self.folder}/*/bin",)
        self.enterContext(mock.patch.object(_postgresql, "_PLACES", places))
        self.enterContext(mock.patch.dict(os.environ, {"PATH": f"{self.folder}/path"}))

    def install(self, folder: str, said: str) -> str:
        place = self.folder / folder
        place.mkdir(parents=True)
        program = place / "pg_dump"
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
        return str(program)

    def test_the_oldest_that_fits_the_server(self) -> None:
        self.install("path", "pg_dump (PostgreSQL) 13.9")
        fits = self.install("15/bin", "pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)")
        self.install("17/bin", "pg_dump (PostgreSQL) 17beta1")
        self.assertEqual(_postgresql.tool("pg_dump", 14), fits)
        with self.assertRaisesMessage(
            Unusable,
            "pg_dump is of version 17, older than the server: expected 18 or later (Debian: postgresql-client-18)",
        ):
            _postgresql.tool("pg_dump", 18)

    def test_an_archive_is_read_by_the_oldest_that_can(self) -> None:
        def run(command: list[str]) -> str:
            if command[0].startswith("/15/"):
                raise Unusable("unsupported version (1.16) in file header")
            return ""

        installed = [(15, "/15/pg_restore"), (17, "/17/pg_restore"), (18, "/18/pg_restore")]
        with (
            mock.patch.object(_postgresql, "tool", return_value="/15/pg_restore"),
            mock.patch.object(_postgresql, "_installed", return_value=installed),
            mock.patch.object(_postgresql, "_run", run),
        ):
            self.assertEqual(_postgresql._restorer(Path("x.dump")), "/17/pg_restore")

    def test_none_or_one_that_does_not_run(self) -> None:
        with self.assertRaisesMessage(Unusable, "pg_dump is not installed: expected PostgreSQL's client programs"):
            _postgresql.tool("pg_dump", 15)
        self.install("path", "no version at all")
        with self.assertRaisesMessage(Unusable, "pg_dump is not installed"):
            _postgresql.tool("pg_dump", 15)


@tag("fast")
class NewerTests(SimpleTestCase):
    def test_migrations_of_apps_that_are_not_installed_any_more_are_not_of_a_newer_version(self) -> None:
        backups.refuse_newer({("builds", "0001_first"), ("gone", "0009_x")}, "It")
        with self.assertRaisesMessage(
            Unusable, "It was written by a newer version of Buildboard: this one does not know auth."
        ):
            backups.refuse_newer({("auth", "0999_x")}, "It")


@tag("fast")
class WithoutABoardTest(SimpleTestCase):
    def test_a_file_has_to_be_named(self) -> None:
        done = subprocess.run(
            [sys.executable, ROOT / "manage.py", "backup"],
            env=environment() | {"BUILDBOARD_DATA": tempfile.gettempdir(), "SECRET_KEY": "k"},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("the following arguments are required: FILE", done.stderr)
