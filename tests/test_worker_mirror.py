"""Mirrors on a whole board: a worker that is killed while it fetches, and projects that are gone."""

import contextlib
import os
import tempfile
from pathlib import Path

import psutil
from django.test import SimpleTestCase

from builds.models import Build, Project
from builds.worker import mirror
from tests.support.board import Board
from tests.support.processes import eventually
from tests.support.repositories import HttpGit, Origin

RECIPE = "steps: [{name: a, run: cat a.txt}]"


class MirrorTest(SimpleTestCase):
    databases = {"default"}

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-mirror-")
        self.addCleanup(folder.cleanup)
        srv = Path(os.path.realpath(folder.name))
        self.origin = Origin(srv / "widgets")
        self.origin.commit({"a.txt": "hello\n", ".buildboard.yml": RECIPE})
        self.server = HttpGit(srv)
        self.addCleanup(self.server.close)
        self.board = Board(BUILDBOARD_LEASE_SECONDS="3")
        self.addCleanup(self.board.close)
        self.board.project("widgets", "", repository=f"{self.server.address}/widgets/.git")

    def gits(self) -> list[psutil.Process]:
        """Living processes of git that fetch for this board."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.environ().get("HOME", "").startswith(str(self.board.data))
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def test_a_worker_killed_while_it_fetches_stops_no_later_build(self) -> None:
        workers = self.board.workers(1)
        self.server.hangs.set()
        build_id = self.board.enqueue("widgets")
        eventually(lambda: self.server.asked and len(self.gits()) > 1, 30)
        [worker] = [child for child in workers.children() if "--one" in child.cmdline()]
        worker.kill()
        lost = self.board.wait(build_id, 20, status="lost")
        self.assertIn("died (signal SIGKILL)", lost["reason"])
        eventually(lambda: not self.gits(), 10)
        self.server.hangs.clear()
        found = self.board.wait(self.board.enqueue("widgets"), 60)
        self.assertEqual((found["status"], found["reason"]), ("passed", ""))
        self.assertEqual(list((self.board.data / "mirrors").rglob("*/git/**/*.lock")), [])

    def test_the_mirror_of_a_project_that_is_gone_is_removed(self) -> None:
        self.board.workers(1)
        self.board.wait(self.board.enqueue("widgets"), 60, status="passed")
        [kept] = [path for path in (self.board.data / "mirrors").iterdir() if path.is_dir()]
        self.assertTrue((kept / "git/HEAD").exists())
        with self.board.database():
            Build.objects.all().delete()
            Project.objects.all().delete()
        eventually(lambda: not kept.exists(), 30)

    def test_what_is_stale_and_what_a_build_still_has(self) -> None:
        folder = self.board.data / "mirrors"
        for name in ("1", "2", "other"):
            (folder / name).mkdir(parents=True)
        self.assertEqual(mirror.stale(folder, lambda: [2]), [folder / "1"])
        self.assertEqual(mirror.stale(folder / "none", lambda: []), [])
        lock = mirror._open_lock(folder / "1")
        self.addCleanup(os.close, lock)
        self.assertTrue(mirror._take(lock, mirror.fcntl.LOCK_SH))
        self.assertFalse(mirror.remove(folder / "1"))
        self.assertTrue((folder / "1").exists())
        self.assertTrue(mirror.remove(folder / "2"))
        self.assertFalse((folder / "2").exists())
