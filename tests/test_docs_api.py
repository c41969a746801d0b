"""The example of docs/api.md, typed into a shell before a real board."""

import json
import re
import shutil
import subprocess

from django.test import SimpleTestCase

from builds import vault
from builds.models import Hook, Project, Schedule, Secret
from builds.outbox.rules import NEWS
from builds.web.schemas import ProjectItem

from .support import ROOT, missing
from .support.board import Board

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


class KeysTest(SimpleTestCase):
    def test_the_page_names_every_key_of_a_project_and_every_word_of_tells(self) -> None:
        text = (ROOT / "docs/api.md").read_text()
        [listed] = re.findall(r'^\| `GET /api/v1/projects` \| `{"items": \[\{(.*?)\}\]', text, re.MULTILINE)
        self.assertEqual(set(re.findall(r'"(\w+)"', listed)), set(ProjectItem.model_fields))
        [told] = re.findall(r"`tells`: any of (.*?);", text)
        self.assertEqual(tuple(re.findall(r"`(\w+)`", told)), NEWS)


class ApiPageTest(SimpleTestCase):
    databases = "__all__"

    def test_a_script_sets_a_project_up(self) -> None:
        if shutil.which("curl") is None:
            missing("curl")
        [script] = [text for text in BLOCK.findall((ROOT / "docs/api.md").read_text()) if "api POST projects" in text]
        with Board() as board:
            env = board.env | {"BOARD": board.web().url, "TOKEN": board.token("admin")}
            done = subprocess.run(["sh", "-ec", script], env=env, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            with board.database():
                project = Project.objects.get()
                self.assertEqual((project.slug, project.branch, project.max_running), ("lantern", "main", 2))
                self.assertEqual(vault.unseal(Secret.objects.get().value), "token-of-lantern")
                self.assertEqual(str(Schedule.objects.get()), "nightly")
                hook = Hook.objects.get()
                secret = vault.unseal(hook.secret)
            made = json.loads(done.stdout[done.stdout.rindex('{"address"') :])
            self.assertEqual((made["secret"], made["branches"]), (secret, ["main", "release/*"]))
            again = subprocess.run(["sh", "-ec", script], env=env, capture_output=True, text=True, check=False)
            self.assertNotEqual(again.returncode, 0)
            self.assertIn("There is a project of that name in addresses already.", again.stdout)
