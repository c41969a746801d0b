"""The examples of docs/secrets.md, as they stand there: typed on a real board, and run by a real worker."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from django.test import SimpleTestCase

from builds import vault
from builds.models import Secret

from .support import ROOT
from .support.board import Board

BLOCK = re.compile(r"^```(sh|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = {
    "curl": 'echo "curl $*"',
    "sign": 'echo "signed with $(cat)"',
    "make": "echo made",
    "fetch-token": "echo tok-42",
}
"""Stand-ins for what the examples call."""


class SecretsPageTest(SimpleTestCase):
    databases = {"default"}  # the board's own

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        python = self.folder / ".venv/bin/python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        (self.folder / "manage.py").symlink_to(ROOT / "manage.py")
        for name, script in PROGRAMS.items():
            (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (self.folder / name).chmod(0o755)
        self.page = (ROOT / "docs/secrets.md").read_text()
        self.blocks = [text for _, text in BLOCK.findall(self.page)]

    def block(self, word: str) -> str:
        [found] = [block for block in self.blocks if word in block]
        return found

    def test_the_examples_do_what_the_page_says(self) -> None:
        path = f"{self.folder}:{os.environ['PATH']}"
        with Board(PATH=path) as board:
            recipe = self.block("publish")
            board.project("lantern", recipe)
            (self.folder / "token.txt").write_text("tok-of-lantern\n")
            (self.folder / "key.pem").write_text("-----BEGIN-----\nkey-of-lantern\n-----END-----\n")
            typed = self.block("setsecret").splitlines()
            for line in typed[:2]:
                self.type(board, line)
            with board.database():
                values = {one.name: vault.unseal(one.value) for one in Secret.objects.all()}
                Secret.objects.update(branches="")
            self.assertEqual(values["DEPLOY_TOKEN"], "tok-of-lantern")
            self.assertEqual(values["SIGNING_KEY"], (self.folder / "key.pem").read_text())

            board.workers(1)
            build_id = board.enqueue("lantern")
            state = board.wait(build_id)
            self.assertEqual(state["status"], "passed", f"{state} {board.lines(build_id, 1)}")
            self.assertEqual(board.lines(build_id, 0), ["made"])
            said = "curl --fail --oauth2-bearer *** --upload-file release.tar "
            self.assertEqual(board.lines(build_id, 1), [said])
            self.assertEqual(board.lines(build_id, 2), ["signed with ***", "***", "***"])

            script = self.block("add-mask") + 'echo "fetched $token"\n'
            board.project("masks", f"steps: [{{name: fetch, run: {script!r}}}]".replace("\\n", "\n\n"))
            build_id = board.enqueue("masks")
            self.assertEqual(board.wait(build_id)["status"], "passed")
            self.assertEqual(board.lines(build_id), ["::add-mask::***", "fetched ***"])

            board.env["BUILDBOARD_SECRETS_KEYS"] = "tWzM0bd1DGbO0pKz8sR8z7nYbQ4c0m6Yk1c2oJx2mX8="
            self.assertIn("secret.value: 2 sealed anew", self.type(board, self.block("rotatesecrets")))
            self.type(board, typed[2])
            with board.database():
                self.assertEqual([one.name for one in Secret.objects.all()], ["SIGNING_KEY"])

    def type(self, board: Board, text: str) -> str:
        done = subprocess.run(
            ["sh", "-ec", text], cwd=self.folder, env=board.env, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, f"{text}\n{done.stdout}{done.stderr}")
        return done.stdout

    def test_every_refusal_of_the_page_is_one(self) -> None:
        """The table's first column, in the words of `safe`."""
        source = (ROOT / "builds/safe.py").read_text()
        for text in re.findall(r"^\| (?:needs the secret A|…), (which [^|]+?) \|", self.page, re.MULTILINE):
            said = text.replace("builds of main alone, not of topic", "builds of").strip()
            self.assertIn(said, re.sub(r'"\n\s+f?"', "", source), text)
