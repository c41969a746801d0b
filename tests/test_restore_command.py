"""A board that is backed up while it works, goes on, dies and is restored: real processes on both databases."""

import os
import shutil
import sqlite3
import time
from pathlib import Path
from unittest import mock

import psutil
from django.test import SimpleTestCase

from builds.management.commands import _sqlite, restore

from .restoring import COUNTED, OnPostgresql, OnSqlite, Restoring
from .support.processes import alive, eventually, free_port
from .support.servers import postgres_url
from .support.sse import SseClient


class GoingOn(Restoring):
    """What holds on both databases."""

    def test_a_restored_board_goes_on(self) -> None:
        board = self.board
        web, worker = board.web(), board.workers(1)
        over = board.start("count")
        board.wait(over, status="passed")
        stored = board.stored(over)
        running = self.begin_flood()
        waiting = board.start("flood")
        world = self.world()
        told = board.manage("backup", str(self.file), check=True).stdout
        self.assertIn(f"checked; its newest build is {waiting}.", told)
        taken = self.revision(), self.head(running)

        # The old world goes on: the log grows, the build ends, what was queued runs, another one is started.
        eventually(lambda: self.head(running) > taken[1] + 20, 30)
        board.post(f"/api/v1/builds/{running}/cancel")
        board.wait(running, status="cancelled")
        board.wait(waiting, status="running")
        eventually(lambda: len(board.lines(waiting)) > 1_000, 30)
        later = board.start("count")
        heads = {number: self.head(number) for number in (running, waiting)}
        revision = self.revision()
        refused = board.manage("restore", str(self.file))
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertRegex(
            refused.stderr, r"^CommandError: .* in use.*[Ss]top the web processes and workers of this board"
        )
        worker.kill_all()
        web.kill()

        done = board.manage("restore", str(self.file), check=True)
        self.assertIn(f"Build {running} of flood was running, and is lost.", done.stdout)
        self.assertIn(f"Build {waiting} of flood was queued, and is cancelled", done.stdout)
        self.assertIn(f"The next build is number {later + 1}.", done.stdout)
        self.assertRegex(done.stdout, r"The database of before is kept as .*before-20")
        self.assertNotEqual(self.world(), world)

        board.webs[0].start()
        board.workers(1)
        self.assertEqual(board.stored(over), stored)
        self.assertEqual(board.lines(over), COUNTED)
        self.assertEqual(board.get(f"/builds/{over}/log.txt").text, "".join(f"{line}\n" for line in COUNTED))
        lost = board.build(running)
        self.assertEqual(lost["status"], "lost")
        self.assertRegex(lost["reason"], r"^The board was restored from a backup of 20.* This build was running then")
        lines = board.lines(running)
        self.assertGreater(len(lines), 1_000)
        self.assertEqual(lines, [str(number) for number in range(1, len(lines) + 1)])
        cancelled = board.build(waiting)
        self.assertEqual(cancelled["status"], "cancelled")
        self.assertIn("whether it has run since is not known", cancelled["reason"])
        self.assertEqual(board.get(f"/api/v1/builds/{later}").status, 404)

        self.check_old_cursors({running: taken[1], waiting: 1}, heads, world)
        for cursor in (1, taken[0] - 1, taken[0], taken[0] + 1, revision, revision + 1_000):
            for query in ("", f"&world={world}"):
                self.assertEqual(self.answer(f"/events/?after={cursor}{query}"), "reset", cursor)
        self.check_a_reader_without_a_cursor(running)

        number = board.start("count")
        self.assertEqual(number, later + 1)
        board.wait(number, status="passed")
        self.assertEqual(board.lines(number), COUNTED)
        self.assertEqual([record.seq for record in board.stored(number)][:3], [1, 2, 3])

    def check_old_cursors(self, taken: dict[int, int], heads: dict[int, int], world: str) -> None:
        """Below, at and above the head that the backup has, up to the old world's own head and beyond it."""
        for number, head in taken.items():
            for cursor in sorted({1, max(head - 2, 1), head, head + 1, head + 2, heads[number], heads[number] + 99}):
                for query in ("", f"?world={world}"):
                    path = f"/builds/{number}/events/{query}"
                    self.assertEqual(self.answer(path, last_event_id=cursor), "reset", f"{path} {cursor}")
                query = query.replace("?", "&")
                page = self.board.get(f"/builds/{number}/events.json?after={cursor}{query}").json()
                self.assertIs(page.get("reset"), True, f"{number} {cursor}")

    def check_a_reader_without_a_cursor(self, number: int) -> None:
        """`reset` asks to come back with none: then all that is stored follows, to the end."""
        for query in ("", f"?world={self.world()}"):
            path = f"/builds/{number}/events/{query}"
            with SseClient(self.board.webs[0].port, path, token=self.board.token("alice")) as client:
                messages = client.read_all()
            self.assertEqual(messages[-1].event, "end")
            seqs = [message.seq for message in messages if message.seq is not None]
            self.assertEqual(seqs, list(range(seqs[0], seqs[-1] + 1)))
            self.assertEqual(seqs, [record.seq for record in self.board.stored(number)])

    def test_viewers_of_a_web_process_that_runs_through_a_restore_by_hand_load_again(self) -> None:
        board = self.board
        board.env["BUILDBOARD_LEASE_SECONDS"] = "60"  # web processes mind leases, too: newworld has to be faster
        web, worker = board.web(), board.workers(1)
        running = self.begin_flood()
        board.manage("backup", str(self.file), check=True)
        head = self.head(running)
        eventually(lambda: self.head(running) > head + 20, 30)
        worker.kill_all()
        token = board.token("alice")
        world = self.world()
        with (
            SseClient(web.port, f"/builds/{running}/events/?after={self.head(running) - 1}", token=token) as of_build,
            SseClient(web.port, f"/events/?after={self.revision()}&world={world}", token=token) as of_board,
        ):
            for client in (of_build, of_board):
                client.read_until(lambda message: message.event == "ping")
            self.replace_by_hand()
            told = board.manage("newworld", check=True).stdout
            self.assertIn(f"Build {running} of flood was running, and is lost.", told)
            for client in (of_build, of_board):
                client.read_until(lambda message: message.event == "reset", 15)
                self.assertEqual(client.read_all(5), [])
            self.assertEqual(self.answer(of_board_path := f"/events/?after={self.revision()}"), "ping", of_board_path)
        self.assertEqual(board.build(running)["status"], "lost")
        self.assertTrue(web.process.running)
        board.workers(1)
        again = board.start("count")
        self.assertGreaterEqual(again, 10_000, "nobody knows how far the old world came")
        board.wait(again, status="passed")

    def test_restoring_again_changes_nothing_but_the_world(self) -> None:
        board = self.board
        web, worker = board.web(), board.workers(1)
        running = self.begin_flood()
        board.manage("backup", str(self.file), check=True)
        worker.kill_all()
        web.kill()
        board.manage("restore", str(self.file), check=True)
        before = board.build(running), self.world(), self.head(running)
        again = board.manage("restore", str(self.file), "--keep-queued", "--next-build", "70", check=True)
        self.assertIn("The next build is number 70.", again.stdout)
        now = board.build(running)
        self.assertEqual({**now, "finished_at": 0, "steps": 0}, {**before[0], "finished_at": 0, "steps": 0})
        self.assertNotEqual(self.world(), before[1])
        self.assertGreater(self.head(running), before[2], "numbers of the world in between are void, too")
        third = board.manage("newworld", check=True)
        self.assertNotIn("is lost", third.stdout)
        self.assertEqual(board.build(running), now)

    def test_a_backup_of_an_older_version_is_migrated_and_one_of_a_newer_is_refused(self) -> None:
        board = self.board
        over = board.enqueue("count")
        board.manage("migrate", "builds", "0001", check=True)
        board.manage("backup", str(self.file), check=True)
        board.manage("migrate", check=True)
        board.manage("restore", str(self.file), check=True)
        self.assertEqual(board.build(over)["status"], "cancelled")

        with board.database():
            from django.db.migrations.recorder import MigrationRecorder

            MigrationRecorder.Migration.objects.create(app="builds", name="0999_later")
        newer = self.file.with_name("newer")
        board.manage("backup", str(newer), check=True)
        before = self.world()
        for command in (("restore", str(newer)), ("newworld",)):
            done = board.manage(*command)
            self.assertEqual(done.returncode, 1)
            self.assertIn(
                "was written by a newer version of Buildboard: this one does not know builds.0999_later.", done.stderr
            )
        self.assertEqual(self.world(), before)
        board.manage("restore", str(self.file), check=True)
        self.assertEqual(board.build(over)["status"], "cancelled")


class SqliteTests(GoingOn, OnSqlite, SimpleTestCase):
    def test_whenever_it_is_stopped_there_is_a_database_at_its_place(self) -> None:
        place = self.board.data / "buildboard.sqlite3"
        before, part = self.world(), self.board.data / "part"
        part.write_bytes(b"the backup")
        with mock.patch.object(Path, "replace", side_effect=SystemExit), self.assertRaises(SystemExit):
            restore._change_places(part, place)
        self.assertEqual(self.world(), before)
        restore._change_places(part, place)
        self.assertEqual(place.read_bytes(), b"the backup")
        self.assertIn(before, [_sqlite.world(kept) for kept in self.board.data.glob("buildboard-before-*")])

    def test_a_plain_copy_of_a_database_with_its_wal_is_a_backup(self) -> None:
        """And so is what `sqlite3 FILE .backup` makes."""
        board, place = self.board, self.board.data / "buildboard.sqlite3"
        holder = sqlite3.connect(place)
        self.addCleanup(holder.close)
        holder.execute("SELECT 1 FROM builds_board").fetchall()
        over = board.enqueue("count")
        for end in ("", "-wal"):
            shutil.copyfile(f"{place}{end}", f"{self.file}{end}")
        with sqlite3.connect(self.file.with_name("other")) as other:
            holder.backup(other)
        other.close()
        holder.close()
        for file in (self.file, self.file.with_name("other")):
            board.manage("restore", str(file), check=True)
            self.assertEqual(board.build(over)["status"], "cancelled")

    def test_sessions_and_tokens_are_those_of_the_backup_and_sessions_can_be_ended(self) -> None:
        from .support.browser import session_cookie

        board = self.board
        name, value = session_cookie(board, "alice")
        cookie = {"Cookie": f"{name}={value}"}
        board.manage("backup", str(self.file), check=True)
        done = board.manage("restore", str(self.file), check=True)
        self.assertIn("API tokens (1) are those of then", done.stdout)
        web = board.web()
        self.assertEqual(board.get("/", token=None, headers=cookie).status, 200)
        web.terminate()
        done = board.manage("restore", str(self.file), "--end-sessions", check=True)
        self.assertIn("Everyone has to sign in again.", done.stdout)
        web.start()
        self.assertEqual(board.get("/", token=None, headers=cookie).status, 302)
        self.assertEqual(board.get("/api/v1/projects").status, 200)

    def test_a_board_under_up_keeps_its_data_folder(self) -> None:
        board = self.board
        board.manage("backup", str(self.file), check=True)
        up = board.spawn("up", "--workers", "0", "--port", str(free_port()))
        up.wait_for("Ctrl-C stops it.", 60)
        for command in (("restore", str(self.file)), ("newworld",)):
            done = board.manage(*command)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(
                done.stderr, r"^CommandError: This board already runs at http://127\.0\.0\.1:\d+ \(process \d+\)\.$"
            )

    def test_whoever_restores_as_root_leaves_the_file_to_its_owner(self) -> None:
        board, place = self.board, self.board.data / "buildboard.sqlite3"
        board.manage("backup", str(self.file), check=True)
        if os.geteuid() == 0:
            os.chown(place, 12_345, 12_346)
        place.chmod(0o644)  # as an earlier version has made it
        before = place.stat()
        board.manage("restore", str(self.file), check=True)
        after = place.stat()
        self.assertEqual((after.st_uid, after.st_gid), (before.st_uid, before.st_gid))
        kept = [path.stat().st_mode & 0o777 for path in place.parent.glob("buildboard-before-*")]
        self.assertEqual((after.st_mode & 0o777, kept), (0o600, [0o600]))


class PostgresqlTests(GoingOn, OnPostgresql, SimpleTestCase):
    def test_a_worker_that_survived_writes_nothing_and_ends_its_steps(self) -> None:
        board = self.board
        board.web()
        worker = board.workers(1)
        running = self.begin_flood()
        step = int((board.data / "pids" / "step").read_text())
        board.manage("backup", str(self.file), check=True)
        family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children()]
        for process in family:
            process.suspend()  # as one on a machine that is cut off
        board.webs[0].terminate()
        with board.database():
            from django.db import connection

            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        eventually(lambda: "in use" not in board.manage("restore", str(self.file)).stderr, 20)
        before = board.stored(running)
        board.webs[0].start()
        for process in reversed(family):
            process.resume()
        eventually(lambda: not alive(step), 20, board.outputs)
        time.sleep(1)
        self.assertEqual(board.stored(running), before)
        self.assertEqual(board.build(running)["status"], "lost")
        number = board.start("count")  # it takes builds of the new world
        board.wait(number, status="passed")
        self.assertEqual(board.lines(number), COUNTED)

    def test_tables_of_a_newer_version_do_not_stay(self) -> None:
        board = self.board
        board.manage("backup", str(self.file), check=True)
        with board.database():
            from django.db import connection

            with connection.cursor() as cursor:
                cursor.execute("CREATE TABLE builds_later (id int, build bigint REFERENCES builds_build)")
        board.manage("restore", str(self.file), check=True)
        with board.database():
            from django.db import connection

            self.assertNotIn("builds_later", connection.introspection.table_names())

    def test_an_empty_database_is_filled(self) -> None:
        over = self.board.enqueue("count")
        self.board.manage("backup", str(self.file), check=True)
        self.board.env["DATABASE_URL"] = self.board.database_url = postgres_url()
        done = self.board.manage("restore", str(self.file), check=True)
        self.assertNotIn("before", done.stdout)
        self.assertIn("The next build is number 11000.", done.stdout)
        self.assertEqual(self.board.build(over)["status"], "cancelled")
