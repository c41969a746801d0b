"""`manage.py newworld`: after a restore by other means, and never under workers that are at work."""

from unittest import mock

from django.test import SimpleTestCase

from builds.management.backups import Unusable
from builds.management.commands import newworld

from .support.board import Board


class NewWorldTests(SimpleTestCase):
    databases = {"default"}

    def test_workers_at_work_are_named_and_those_of_a_backup_are_not_waited_for(self) -> None:
        board = self.enterContext(Board(BUILDBOARD_LEASE_SECONDS="3"))
        board.project("slow", "steps: [{name: wait, run: sleep 600}]")
        worker = board.workers(2)
        build = board.enqueue("slow")
        board.wait(build, status="running")
        done = board.manage("newworld")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(
            done.stderr, r"^CommandError: Workers use this database: (\S+:\d+:\w+(, )?){2}\. Stop them first"
        )
        self.assertEqual(board.build(build)["status"], "running")
        with board.database():
            self.assertEqual(len(newworld._beating()), 2)
        worker.kill_all()
        with board.database():
            self.assertEqual(newworld._beating(), [], "their rows are still there")
        done = board.manage("newworld", "--keep-queued", check=True)
        self.assertIn(f"Build {build} of slow was running, and is lost.", done.stdout)
        self.assertIn("The next build is number 11000.", done.stdout)

    def test_a_database_that_workers_use_is_not_migrated_under_them(self) -> None:
        options = {"next_build": None, "keep_queued": False, "end_sessions": False}
        with (
            mock.patch.object(newworld, "_beating", return_value=["host:1:x"]),
            mock.patch.object(newworld, "call_command") as called,
            self.assertRaisesMessage(Unusable, "Workers use this database: host:1:x. Stop them first"),
        ):
            newworld.begin(options, is_alone=False)
        called.assert_not_called()

    def test_of_many_builds_the_first_are_named(self) -> None:
        board = self.enterContext(Board())
        board.project("p", "steps: [{name: a, run: a}]")
        for _ in range(23):
            board.enqueue("p")
        done = board.manage("newworld", "--keep-queued", check=True)
        self.assertEqual(done.stdout.count(" of p is queued, and will run: cancel it if it has run since."), 20)
        self.assertIn("… and 3 more like it.", done.stdout)
        self.assertEqual(board.build(1)["status"], "queued")

    def test_without_a_database_none_is_made(self) -> None:
        board = self.enterContext(Board())
        place = board.data / "buildboard.sqlite3"
        place.unlink()
        done = board.manage("newworld")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"There is no database at {place}", done.stderr)
        self.assertFalse(place.exists())
