"""Steps that work in a copy of the shared workspace, and the copy itself, whatever lies there."""

import os
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

from django.test import SimpleTestCase, tag

from builds.worker.jobs import Desk, Stopped
from builds.worker.ownworkspace import MAX_DEPTH, copy

from .test_worker_course import CourseCase


class StepTests(CourseCase):
    def test_it_is_a_copy_as_the_shared_one_was_when_the_step_began(self) -> None:
        build = self.run_build(
            "echo one > a; mkdir d; ln -s ../a d/link; echo x > d/run; chmod 755 d/run; touch -d 2020-01-01 a",
            {"run": 'cat d/link; stat -c "%a %Y" a d/run | cut -c1-14; echo two > a; pwd', "workspace": "own"},
            {"run": "cat a; pwd"},
        )
        self.assertEqual((build.status, build.reason), ("passed", ""))
        own, shared = self.log(build, 1), self.log(build, 2)
        self.assertEqual((own[0], shared[0]), ("one", "one"))
        self.assertEqual(own[1], f"644 {int(time.mktime((2020, 1, 1, 0, 0, 0, 0, 0, -1)))}")
        self.assertTrue(own[2].startswith("755"))
        self.assertEqual((os.path.basename(own[3]), os.path.basename(shared[1])), ("own-2", "work"))
        self.assertEqual(os.listdir(self.folder / "workspaces"), [])

    def test_one_that_cannot_be_copied_fails_the_step_and_says_why(self) -> None:
        with mock.patch("builds.worker.ownworkspace._take_over", side_effect=OSError(28, "No space left on device")):
            build = self.run_build("echo > a", {"run": "echo never", "workspace": "own", "retry": 1})
        why = "The workspace could not be copied: No space left on device."
        self.assertEqual((build.status, self.reasons(build)), ("failed", ["", why]))
        self.assertEqual(build.reason, "Step s2: the workspace could not be copied: No space left on device.")


@tag("fast")
class CopyTests(SimpleTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-copy-")
        self.addCleanup(folder.cleanup)
        self.old, self.new = Path(folder.name) / "old", Path(folder.name) / "new"
        self.old.mkdir()
        (Path(folder.name) / "secret").write_text("of the board")
        self.desk = Desk(os.open(os.devnull, os.O_WRONLY), threading.Event())

    def test_links_stay_links_and_lead_nowhere_else(self) -> None:
        (self.old / "out").symlink_to("../secret")
        (self.old / "folder").symlink_to("..")
        (self.old / "nowhere").symlink_to("/no/such/place")
        copy(self.old, self.new, self.desk)
        self.assertEqual(os.readlink(self.new / "out"), "../secret")
        self.assertTrue((self.new / "folder").is_symlink() and (self.new / "nowhere").is_symlink())

    def test_holes_stay_holes(self) -> None:
        with open(self.old / "disk", "wb") as file:
            file.seek(1 << 40)
            file.write(b"end")
            file.truncate((1 << 40) + (1 << 30))
        (self.old / "hole").touch()
        os.truncate(self.old / "hole", 1 << 40)
        copy(self.old, self.new, self.desk)
        found = os.stat(self.new / "disk")
        self.assertEqual(found.st_size, (1 << 40) + (1 << 30))
        self.assertLess(found.st_blocks, 1_000)
        self.assertEqual(os.stat(self.new / "hole").st_size, 1 << 40)
        with open(self.new / "disk", "rb") as file:
            file.seek(1 << 40)
            self.assertEqual(file.read(4), b"end\0")

    def test_it_stops_within_a_large_file(self) -> None:
        (self.old / "large").write_bytes(bytes(range(256)) * 4096 * 5)
        told = threading.Event()

        def write(file: int, part: bytes, at: int) -> int:
            told.set()
            return pwrite(file, part, at)

        pwrite = os.pwrite
        desk = Desk(os.open(os.devnull, os.O_WRONLY), told)
        with mock.patch("os.pwrite", side_effect=write) as writes, self.assertRaises(Stopped):
            copy(self.old, self.new, desk)
        self.assertLessEqual(writes.call_count, 1)

    def test_what_becomes_a_link_meanwhile_is_passed_by(self) -> None:
        (self.old / "a").write_text("mine")
        (self.old / "b").write_text("mine")
        looked = os.stat

        def swap(name: str, **more: object) -> os.stat_result:
            found = looked(name, **more)  # type: ignore[arg-type]
            if name == "a":
                (self.old / "a").unlink()
                (self.old / "a").symlink_to("../secret")
            if name == "b":
                (self.old / "b").unlink()
            return found

        with mock.patch("os.stat", swap):
            copy(self.old, self.new, self.desk)
        self.assertEqual(os.listdir(self.new), [])

    def test_what_is_no_file_is_left_out(self) -> None:
        os.mkfifo(self.old / "pipe")
        (self.old / "empty").mkdir(0o750)
        copy(self.old, self.new, self.desk)
        self.assertEqual(os.listdir(self.new), ["empty"])
        self.assertEqual((self.new / "empty").stat().st_mode & 0o777, 0o750)

    def test_what_is_nested_too_deep_is_refused(self) -> None:
        folder = os.open(self.old, os.O_RDONLY)
        for _ in range(MAX_DEPTH):
            os.mkdir("d", dir_fd=folder)
            inner = os.open("d", os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = inner
        os.close(folder)
        with self.assertRaisesRegex(ValueError, "deeper than 200"):
            copy(self.old, self.new, self.desk)

    def test_it_ends_when_it_is_told_to(self) -> None:
        (self.old / "a").write_text("")
        stopping = threading.Event()
        stopping.set()
        with self.assertRaises(Stopped):
            copy(self.old, self.new, Desk(0, stopping))
