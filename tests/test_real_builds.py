"""Published packages, built as their authors' users build them: real git, a real worker, each with its own recipe."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.test import SimpleTestCase

from .support import ROOT, missing
from .support.board import Board, environment
from .support.sources import git, released, repository

C = """\
steps:
  - name: compile
    run: make -j2
  - name: check
    run: make check
  - name: package
    run: |
      make DESTDIR=out install
      tar -C out -czf figlet.tar.gz .
    artifacts: figlet.tar.gz
"""

PYTHON = f"""\
steps:
  - name: test
    matrix:
      kind: [list, dict, set]
    needs: []
    workspace: own
    run: >-
      {sys.executable} -m pytest -q -p no:cacheprovider -o addopts=
      --junit-xml=report-$MATRIX_KIND.xml tests/test_coverage_sorted$MATRIX_KIND.py
    reports: report-*.xml
"""

NODE = """\
steps:
  - name: install
    run: |
      mkdir tools && cd tools && echo '{}' > package.json  # --prefix would set aside what npm is told of this machine
      npm install --no-audit --no-fund --no-package-lock expect.js@0.3.1
    timeout: 2m
  - name: test
    run: node -r ./globals.js --test-reporter=junit --test-reporter-destination=report.xml tests.js
    env: {NODE_PATH: tools/node_modules}
    reports: report.xml
"""

ITSELF = f"""\
steps:
  - name: compile all
    run: {sys.executable} -m compileall -q buildboard builds
  - name: floors
    run: {sys.executable} manage.py test tests.test_floors tests.test_states tests.test_recipe
    env: {{DEBUG: "1"}}
"""


class RealBuildsTest(SimpleTestCase):
    databases = {"default"}

    folder: Path
    board: Board

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.folder = Path(tempfile.mkdtemp(prefix="bb-real-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.board = Board(BUILDBOARD_LOCAL_REPOSITORIES=str(cls.folder))
        cls.addClassCleanup(cls.board.close)
        cls.board.web()
        cls.board.workers(1)

    def built(self, slug: str, place: Path, seconds: float = 120) -> dict[str, Any]:
        """The build of `place`, which has passed."""
        self.board.project(slug, "", repository=str(place))
        build = self.board.wait(self.board.start(slug), seconds)
        log = self.board.get(f"/builds/{build['id']}/log.txt").text
        self.assertEqual(build["status"], "passed", log)
        self.assertEqual(build["commit"], git(place, "rev-parse", "HEAD"))
        return build

    def reported(self, build: dict[str, Any]) -> dict[str, Any]:
        answer = self.board.get(f"/api/v1/builds/{build['id']}/tests")
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json()  # type: ignore[no-any-return]

    def fetched_by_the_client(self, build: int, path: str, content: bytes) -> None:
        to = self.folder / "fetched"
        env = environment() | {"BUILDBOARD_URL": self.board.webs[0].url, "BUILDBOARD_TOKEN": self.board.token("alice")}
        words = ["artifacts", str(build), "--download", "*", "--to", str(to)]
        command = [sys.executable, "-m", "buildboard.client", *words]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((to / path).read_bytes(), content)

    def test_a_program_in_c_with_make(self) -> None:
        if not shutil.which("gcc"):
            missing("gcc")
        place = repository(self.folder / "figlet", released("figlet"), {".buildboard.yml": C})
        build = self.built("figlet", place)
        self.assertEqual([step["name"] for step in build["steps"]], ["check out", "compile", "check", "package"])
        [made] = self.board.get(f"/api/v1/builds/{build['id']}/artifacts").json()["items"]
        content = self.board.get(urlsplit(made["url"]).path).content
        self.assertEqual(hashlib.sha256(content).hexdigest(), made["sha256"])
        self.assertEqual(len(content), made["size"])
        self.fetched_by_the_client(build["id"], made["path"], content)

    def test_a_python_package_with_its_tests(self) -> None:
        place = repository(self.folder / "sorted", released("sortedcontainers"), {".buildboard.yml": PYTHON})
        build = self.built("sortedcontainers", place)
        self.assertEqual(len(build["steps"]), 4)
        found = self.reported(build)
        self.assertGreater(found["passed"], 100)
        self.assertEqual(found["failed"], 0)

    def test_a_node_package(self) -> None:
        if not shutil.which("npm"):
            missing("npm")
        added = {".buildboard.yml": NODE, "globals.js": 'Object.assign(globalThis, require("node:test"));\n'}
        place = repository(self.folder / "ms", released("node-ms"), added)
        self.assertGreater(self.reported(self.built("ms", place))["passed"], 30)

    def test_this_board(self) -> None:
        place = repository(self.folder / "itself", ROOT, {".buildboard.yml": ITSELF})
        build = self.built("itself", place, 240)
        self.assertIn("compile all", json.dumps(build["steps"]))
