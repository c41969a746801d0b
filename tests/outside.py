"""What tests of `buildboard run` share: a real board, a folder, and the command."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from django.test import SimpleTestCase

from .support import ROOT
from .support.board import Board
from .support.processes import Process

CLIENT = [sys.executable, "-m", "buildboard.client"]


class RunCase(SimpleTestCase):
    databases = "__all__"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board(BUILDBOARD_OUTSIDE_LEASE_SECONDS="6", BUILDBOARD_LEASE_SECONDS="3")
        cls.addClassCleanup(cls.board.close)
        cls.board.project("hello", "steps: [{name: a, run: b}]")
        cls.web = cls.board.web()

    def setUp(self) -> None:
        if not self.web.process.running:  # a test that failed has left it so
            self.web.start()
        self.folder = Path(tempfile.mkdtemp())
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "BUILDBOARD_URL": self.web.url,
            "BUILDBOARD_TOKEN": self.board.token("alice"),
            "BUILDBOARD_PROJECT": "hello",
        }

    def run_here(self, script: str, *options: str, **more: object) -> subprocess.CompletedProcess[bytes]:
        command = [*CLIENT, "run", *options, "--", "sh", "-c", script]
        return subprocess.run(
            command, env=self.env, cwd=self.folder, capture_output=True, timeout=120, check=False, **more
        )

    def begin(self, script: str, *options: str) -> tuple[Process, int]:
        process = Process([*CLIENT, "run", *options, "--", "sh", "-c", script], env=self.env, cwd=self.folder)
        said = process.wait_for("── Build ", 40)
        return process, int(said.partition("── Build ")[2].partition(":")[0])

    def newest(self) -> int:
        return int(self.board.get("/api/v1/builds?limit=1").json()["items"][0]["id"])
