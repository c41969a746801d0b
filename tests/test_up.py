"""`manage.py up` as people run it: real processes, on a data folder of its own."""

import contextlib
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import urllib.request
from pathlib import Path

import psutil
from django.test import SimpleTestCase

from .support.board import Board, environment
from .support.processes import Process, alive, eventually, free_port
from .support.servers import postgres_url

PASSWORD = re.compile(r"Sign in as admin with the password (\S+)")
RECIPE = "steps: [{name: wait, run: 'echo begun; sleep 300'}]"


class UpTest(SimpleTestCase):
    def setUp(self) -> None:
        self.data = Path(tempfile.mkdtemp(prefix='bb up\'s "data" '))
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)
        self.port = free_port()

    def up(self, *options: str, stdout: int | None = None, **env: str) -> Process:
        whole = environment() | {"BUILDBOARD_DATA": str(self.data), "PORT": str(self.port)} | env
        process = Process(
            [sys.executable, "manage.py", "up", *options], env=whole, **({"stdout": stdout} if stdout else {})
        )
        self.addCleanup(process.close)
        return process

    def ready(self, process: Process) -> str:
        return process.wait_for("Ctrl-C stops it.", 60)

    def children(self, process: Process, word: str) -> list[psutil.Process]:
        found = psutil.Process(process.pid).children()
        return [child for child in found if alive(child.pid) and word in child.cmdline()]

    def test_the_first_run_prints_a_password_once_and_a_data_folder_has_one_board(self) -> None:
        first = self.up("--workers", "0")
        said = self.ready(first)
        self.assertEqual(len(PASSWORD.findall(said)), 1, said)
        self.assertIn(f"http://127.0.0.1:{self.port}/", said)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/accounts/login/", timeout=20) as answer:
            self.assertEqual(answer.status, 200)
        for port in (self.port, free_port()):
            second = self.up("--workers", "0", PORT=str(port))
            self.assertEqual(second.wait(), 1)
            there = f"This board already runs at http://127.0.0.1:{self.port} (process {first.pid})."
            self.assertEqual(second.output().strip(), f"CommandError: {there}")
        self.assertTrue(first.running)
        [web] = self.children(first, "web")
        first.kill()
        web.send_signal(signal.SIGSTOP)  # nothing that it leaves behind keeps the folder
        self.addCleanup(self.end, web)
        self.port = free_port()
        again = self.up("--workers", "0", "--server", "uvicorn")
        self.ready(again)
        again.signal(signal.SIGINT)
        self.assertEqual(again.wait(8), 0, again.output())
        self.assert_a_later_start_creates_nothing_and_outlives_its_reader()

    def end(self, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()

    def test_two_first_starts_on_one_database_make_one_administrator(self) -> None:
        """As on two machines: each has a data folder of its own."""
        url = postgres_url()
        starters = []
        for name in ("one", "two"):
            env = {"BUILDBOARD_DATA": str(self.data / name), "PORT": str(free_port()), "SECRET_KEY": "k" * 50}
            starters.append(self.up("--workers", "0", DATABASE_URL=url, **env))
        said = [self.ready(process) for process in starters]
        self.assertEqual(sum(len(PASSWORD.findall(text)) for text in said), 1, said)
        for process, number in zip(starters, (signal.SIGINT, signal.SIGHUP), strict=True):
            process.signal(number)
            self.assertEqual(process.wait(), 0, process.output())

    def test_a_database_that_cannot_be_reached_is_said_in_one_line(self) -> None:
        away = free_port()
        process = self.up(DATABASE_URL=f"postgres://nobody:very-secret@127.0.0.1:{away}/x")
        self.assertEqual(process.wait(), 1)
        [line] = process.output().splitlines()
        self.assertRegex(line, rf"Cannot connect to the database x at 127\.0\.0\.1:{away} .*refused\.$")
        self.assertNotIn("very-secret", line)
        process = self.up(DATABASE_URL=f"sqlite:///{self.data}/no folder/x.sqlite3")
        self.assertEqual(process.wait(), 1)
        [line] = process.output().splitlines()
        self.assertRegex(line, r"Cannot connect to the database .*no folder/x\.sqlite3 .*: unable to open database")

    def assert_a_later_start_creates_nothing_and_outlives_its_reader(self) -> None:
        """Its output goes into a pipe that nobody reads any more, as after `make run | head -1`."""
        read, write = os.pipe()
        third = self.up("--workers", "0", BUILDBOARD_ADMIN_PASSWORD="not taken any more", stdout=write)
        os.close(write)
        text = b""
        while b"ready" not in text:
            text += os.read(read, 1000)
        os.close(read)
        self.assertNotIn(b"password", text)
        self.assertTrue(third.running)
        self.assertEqual(third.terminate(8), 0)

    def test_a_taken_port_is_named_and_nothing_is_started(self) -> None:
        with socket.create_server(("127.0.0.1", self.port)):
            process = self.up()
            self.assertEqual(process.wait(), 1)
        self.assertRegex(process.output(), rf"PORT={self.port} is taken")
        self.assertNotIn("Traceback", process.output())
        self.assertEqual(list(self.data.glob("*.sqlite3")), [])

    def test_a_wrong_setting_is_refused_by_name(self) -> None:
        process = self.up(BUILDBOARD_WORKERS="many")
        self.assertNotEqual(process.wait(), 0)
        self.assertIn("BUILDBOARD_WORKERS='many'", process.output())

    def test_stopping_cancels_the_running_build_says_why_and_leaves_nothing(self) -> None:
        board = self.enterContext(Board())
        board.project("slow", RECIPE)
        process = self.up("--workers", "1", **board.env | {"PORT": str(self.port)})
        self.ready(process)
        build_id = board.enqueue("slow")
        board.wait(build_id, 30, "running")
        eventually(lambda: "begun" in board.lines(build_id), 20)
        family = process.children()
        self.assertEqual(process.terminate(8), 0, process.output())
        build = board.build(build_id)
        self.assertEqual(build["status"], "cancelled", process.output())
        self.assertTrue(build["reason"])
        eventually(lambda: not any(alive(child.pid) for child in family), 5, str(family))

    def test_a_child_that_crashes_is_started_again_and_ends_when_its_parent_is_killed(self) -> None:
        board = self.enterContext(Board())
        process = self.up("--workers", "1", **board.env | {"PORT": str(self.port)})
        self.ready(process)
        for word in ("web", "worker"):
            [child] = self.children(process, word)
            os.kill(child.pid, signal.SIGKILL)
            process.wait_for(f"{word} ended by itself (signal SIGKILL)")
            eventually(lambda word=word: self.children(process, word), 10, f"{word} was not started again")

        def answers() -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        eventually(answers, 30, "it is not ready again")
        family = process.children()
        process.kill()
        eventually(lambda: not any(alive(child.pid) for child in family), 15, f"they live on: {family}")
