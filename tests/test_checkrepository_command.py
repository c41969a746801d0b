"""`manage.py checkrepository`, as an operator types it on a worker's machine."""

import os
import tempfile
from pathlib import Path

from django.test import SimpleTestCase

from builds.models import Project
from tests.support.board import Board
from tests.support.repositories import Origin

RECIPE = "steps:\n  - {name: one, run: x}\n  - {name: two, run: x}\n"


class CheckRepositoryTest(SimpleTestCase):
    databases = {"default"}

    def test_what_a_build_would_find(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-check-")
        self.addCleanup(folder.cleanup)
        origin = Origin(Path(os.path.realpath(folder.name)) / "widgets")
        origin.commit({"a.txt": "", ".buildboard.yml": RECIPE})
        with Board(BUILDBOARD_LOCAL_REPOSITORIES=str(origin.path.parent)) as board:
            board.project("w", "", repository=str(origin.path))
            board.project("none", "steps: [{name: a, run: x}]")
            done = board.manage("checkrepository", "w")
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            self.assertIn("A change (Ada Lovelace", done.stdout)
            self.assertNotRegex(done.stdout, r"[\r\x1b]", "nothing that moves or colours a terminal")
            self.assertIn("Recipe (.buildboard.yml): one, two", done.stdout)
            with board.database():  # the start form knows its inputs before the first build
                self.assertEqual(Project.objects.get(slug="w").known_recipe, RECIPE)
            for arguments, why in (
                (("w", "--ref", "nope"), "There is no branch, tag or commit nope"),
                (("w", "--ref", "a..b"), "ref: not a branch, tag or commit"),
                (("none",), "has no repository"),
                (("x",), "There is no project 'x'"),
            ):
                with self.subTest(arguments):
                    done = board.manage("checkrepository", *arguments)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(why, done.stdout + done.stderr)
                    self.assertNotRegex(done.stdout + done.stderr, r"[\r\x1b]")
            origin.commit({".buildboard.yml": "steps: 1"})
            done = board.manage("checkrepository", "w")
            self.assertIn("The recipe is not valid (.buildboard.yml): line 1", done.stderr)
