"""Disks that are nearly full, and disks that are: what becomes of builds, and who can still read."""

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from django.test import SimpleTestCase, override_settings, tag

from builds import events
from builds.models import Worker
from builds.states import Status
from builds.worker import disk, endings
from builds.worker.disk import Room, shortage
from tests.support.board import Board
from tests.support.browser import session_cookie
from tests.support.disks import fill, small_disk
from tests.support.processes import eventually
from tests.support.servers import postgres_url
from tests.support.sse import SseClient
from tests.test_worker_runner import RunnerCase

MEGABYTE = 1024 * 1024


def disk_with(free: int, total: int = 10 * 1024) -> Any:
    """In it, the disk has so many megabytes free, and in all."""
    found = SimpleNamespace(f_bavail=free, f_blocks=total, f_frsize=MEGABYTE)
    return mock.patch.object(os, "statvfs", return_value=found)


@tag("fast")
class RoomTests(SimpleTestCase):
    @override_settings(BUILDBOARD_MIN_FREE_MB=200)
    def test_the_bound_is_as_much_as_is_required(self) -> None:
        with disk_with(200):
            self.assertEqual(shortage(), "")
        with disk_with(199):
            self.assertEqual(shortage(), "The worker's disk is full: 199 MB free of 10 GB, and 200 MB are required.")

    @override_settings(BUILDBOARD_MIN_FREE_MB=0)
    def test_where_nothing_is_required_nothing_is_short(self) -> None:
        with disk_with(0):
            self.assertEqual(shortage(), "")
            self.assertTrue(disk.is_full())

    @override_settings(BUILDBOARD_MIN_FREE_MB=200)
    def test_once_it_was_short_the_build_ends_with_that_reason(self) -> None:
        room = Room()
        with disk_with(12, 500):
            ending = room.look()
        with disk_with(10_000):
            self.assertEqual(room.look(), ending)
        reason = "The worker's disk is full: 12 MB free of 500 MB, and 200 MB are required."
        self.assertEqual((ending.status, ending.build_reason, ending.step_reason), (Status.FAILED, reason, reason))

    @override_settings(BUILDBOARD_MIN_FREE_MB=0)
    def test_a_database_without_room_is_a_reason_whatever_is_required(self) -> None:
        room = Room()
        with disk_with(0, 500):
            self.assertIsNone(room.look())
            room.failed_to_store()
        self.assertEqual(room.ending.build_reason, "The worker's disk is full: 0 MB free of 500 MB.")

    @override_settings(BUILDBOARD_MIN_FREE_MB=200)
    def test_a_step_that_failed_for_want_of_room_says_so_and_keeps_its_exit_code(self) -> None:
        failed = endings.exited("a", 3)
        with disk_with(10_000):
            self.assertEqual(Room().explain(failed), failed)
        with disk_with(5):
            said = Room().explain(failed)
        self.assertEqual(said.exit_code, 3)
        self.assertTrue(said.build_reason.startswith("Step a: exit code 3. The worker's disk is full: 5 MB free"))

    def test_a_data_folder_that_is_not_there_yet_is_on_the_disk_of_its_parent(self) -> None:
        with tempfile.TemporaryDirectory() as folder, override_settings(BUILDBOARD_DATA=Path(folder, "a", "b")):
            self.assertGreater(disk._room()[1], 0)


class SettingTests(RunnerCase):
    """Without a small disk: the bound is above what this one has."""

    def test_a_build_ends_when_there_is_too_little_room(self) -> None:
        lease = self.queue("echo before; sleep 60", "echo never")
        with override_settings(BUILDBOARD_MIN_FREE_MB=9_999_999):
            build = self.run_lease(lease)
        self.assertEqual(build.status, "failed")
        self.assertRegex(build.reason, r"^The worker's disk is full: .* free of .*, and 9,766 GB are required\.$")
        self.assertEqual(self.steps(build)[-1], "skipped")


class SmallDiskTests(SimpleTestCase):
    databases = {"default"}

    def board(self, required: int) -> Board:
        self.disk = self.enterContext(small_disk(120))
        settings = {"MIN_FREE_MB": str(required), "LEASE_SECONDS": "3", "GRACE_SECONDS": "1"}
        env = {f"BUILDBOARD_{name}": value for name, value in settings.items()}
        return self.enterContext(Board(disk=self.disk, **env))

    def note(self, board: Board) -> str:
        with board.database():
            return Worker.objects.get().note

    def test_a_build_that_fills_the_disk_ends_and_the_next_one_runs(self) -> None:
        board = self.board(required=60)
        board.workers(1)
        board.project(
            "fills", "steps: [{name: a, run: 'dd if=/dev/zero of=big bs=1M count=80 2>&1; echo written; sleep 60'}]"
        )
        board.project("after", "steps: [{name: a, run: echo fine}]")
        ended = board.wait(board.enqueue("fills"), 30)
        self.assertEqual(ended["status"], "failed")
        self.assertRegex(
            ended["reason"], r"^The worker's disk is full: \d\d MB free of 120 MB, and 60 MB are required\.$"
        )
        board.wait(board.enqueue("after"), 30, status="passed")

    def test_a_worker_waits_until_there_is_room_and_says_why(self) -> None:
        board = self.board(required=60)
        board.web()
        board.workers(1)
        board.project("p", "steps: [{name: a, run: echo fine}]")
        filler = self.disk / "filler"
        filler.write_bytes(b"\0" * 80 * MEGABYTE)
        eventually(lambda: "disk is full" in self.note(board), 20, board.outputs)
        build_id = board.enqueue("p")
        with self.assertRaises(AssertionError):
            board.wait(build_id, 3)
        self.assertEqual(board.build(build_id)["status"], "queued")
        filler.unlink()
        board.wait(build_id, 20, status="passed")
        eventually(lambda: not self.note(board), 10)

    def test_a_step_whose_own_writes_fail_says_why(self) -> None:
        board = self.board(required=30)
        board.workers(1)
        board.project("p", "steps: [{name: a, run: 'dd if=/dev/zero of=big bs=1M'}]")
        ended = board.wait(board.enqueue("p"), 30)
        self.assertEqual(ended["status"], "failed")
        self.assertIn("The worker's disk is full:", ended["reason"])

    def test_on_a_disk_without_one_byte_left_everyone_can_read_and_the_build_ends_once_it_can(self) -> None:
        board = self.board(required=0)
        web = board.web()
        supervisor = board.workers(1)
        board.project("p", "steps: [{name: a, run: 'while :; do echo line; sleep 0.01; done'}]")
        build_id = board.enqueue("p")
        eventually(lambda: len(board.lines(build_id)) > 20, 20, board.outputs)
        cookie = "=".join(session_cookie(board, "admin"))
        with SseClient(web.port, f"/builds/{build_id}/events/", token=board.token("alice")) as viewer:
            viewer.read_until(lambda message: message.event == "log")
            fill(self.disk / "filler")
            eventually(lambda: "database or disk is full" in supervisor.output(), 30, board.outputs)
            for _ in range(3):
                for path in (
                    f"/builds/{build_id}/log.txt",
                    f"/builds/{build_id}/log/?step=a",
                    f"/builds/{build_id}/events.json?after=0",
                    f"/api/v1/builds/{build_id}",
                    "/api/v1/projects",
                    "/healthz",
                ):
                    self.assertEqual(board.get(path).status, 200, path)
                for path in ("/", "/projects/p/", f"/builds/{build_id}/", "/admin/builds/build/"):
                    answer = board.get(path, headers={"Cookie": cookie})
                    self.assertEqual(answer.status, 200, path)
            self.assertEqual(board.build(build_id)["status"], "running")
            (self.disk / "filler").unlink()
            ended = board.wait(build_id, 30)
            self.assertEqual(ended["status"], "failed", ended["reason"])
            self.assertRegex(ended["reason"], r"^The worker's disk is full: \d+ MB free of 120 MB\.$")
            self.assertEqual(viewer.read_all(20)[-1].event, "end")
        with board.database():
            self.assertEqual(events.gaps(build_id), [])
        board.project("after", "steps: [{name: a, run: echo fine}]")
        board.wait(board.enqueue("after"), 30, status="passed")
        self.assertNotIn("state=died", supervisor.output())

    def test_a_workspace_without_room_ends_the_build_and_the_database_elsewhere_takes_that(self) -> None:
        with small_disk(20) as place, Board(postgres_url(), disk=place, BUILDBOARD_MIN_FREE_MB="0") as board:
            board.workers(1)
            board.project("p", "steps: [{name: a, run: echo fine}]")
            fill(place / "filler")
            ended = board.wait(board.enqueue("p"), 30)
            self.assertEqual(ended["status"], "failed")
            self.assertRegex(ended["reason"], r"could not be (made|started): No space left on device\.$")
            (place / "filler").unlink()
            board.wait(board.enqueue("p"), 30, status="passed")

    def test_a_web_process_that_is_alone_on_a_full_disk_can_read(self) -> None:
        """SQLite makes files even for reading, once the last connection is closed: one is kept open."""
        board = self.board(required=0)
        board.web()
        board.project("p", "steps: [{name: a, run: 'true'}]")
        cookie = "=".join(session_cookie(board, "admin"))
        self.assertEqual(board.get("/", headers={"Cookie": cookie}).status, 200)
        fill(self.disk / "filler")
        for path in ("/", "/projects/p/", "/api/v1/projects", "/events.json") * 3:
            self.assertEqual(board.get(path, headers={"Cookie": cookie}).status, 200, path)
