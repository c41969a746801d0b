"""Lantern: a small project with a repository, as the pictures of the docs show one. Its tests are real, and one of them
fails where the water is made lower. Whom it tells listens on this machine."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .receiver import Receiver, Reply
from .support.repositories import HttpGit, Origin

if TYPE_CHECKING:
    from .support.board import Board

FILES = {
    "src/__init__.py": "",
    "tests/__init__.py": "",
    "src/tide.py": '''\
"""When the water is high enough to leave the harbour."""

DEPTHS = {"low": 2.1, "mean": 3.4, "high": 4.6}


def leaves(draught: float, tide: str) -> bool:
    return DEPTHS[tide] - draught >= 0.5
''',
    "tests/test_tide.py": """\
import unittest

from src.tide import leaves


class TideTest(unittest.TestCase):
    def test_a_boat_leaves_at_high_water(self) -> None:
        self.assertTrue(leaves(3.2, "high"))

    def test_a_ship_waits_at_low_water(self) -> None:
        self.assertFalse(leaves(2.8, "low"))

    def test_half_a_metre_is_kept_below_the_keel(self) -> None:
        self.assertTrue(leaves(2.9, "mean"))

    @unittest.skip("no gauge here")
    def test_the_gauge_agrees(self) -> None:
        pass
""",
    "report.py": '''\
"""Runs the tests and writes what became of them as JUnit's XML."""

import sys
import time
import unittest
from xml.sax.saxutils import quoteattr


class Report(unittest.TextTestResult):
    cases: list[str] = []

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def note(self, test, inside=""):
        took = f"{time.monotonic() - self.began:.3f}"
        of, name = quoteattr(type(test).__qualname__), quoteattr(test._testMethodName)
        where = f'classname={of} name={name} file="tests/test_tide.py" time="{took}"'
        self.cases.append(f"<testcase {where}>{inside}</testcase>")

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, f"<skipped message={quoteattr(reason)}/>")

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.note(test, f"<failure message={quoteattr(str(error[1]))}/>")
        print(f"::error file=tests/test_tide.py,title={test._testMethodName}::{error[1]}")


suite = unittest.defaultTestLoader.discover("tests", top_level_dir=".")
found = unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=Report).run(suite)
with open("junit.xml", "w", encoding="utf-8") as file:
    file.write(f"<testsuite>{''.join(Report.cases)}</testsuite>")
sys.exit(not found.wasSuccessful())
''',
    ".buildboard.yml": """\
# Tests on each Python and database; what is packed is kept, and deployed by hand.
inputs:
  target: {choices: [staging, production], default: staging, help: where it goes}
timeout: 10m
steps:
  - name: compile
    run: |
      @PYTHON@ -m compileall -q src
      mkdir -p dist
      @PYTHON@ -m zipfile -c dist/lantern-1.4.zip src
      @PYTHON@ -m zipfile -l dist/lantern-1.4.zip | tee dist/contents.txt
    artifacts: [dist/*]
  - name: lint
    run: @PYTHON@ -m ruff check --no-cache --output-format github src
    needs: []
  - name: test
    matrix: {python: ["3.11", "3.12"], database: [sqlite, postgresql]}
    needs: compile
    run: sleep 0.4; @PYTHON@ report.py
    reports: [junit.xml]
  - name: types
    needs: compile
    run: |
      echo "::warning file=src/tide.py,line=6::no type of the tide is checked yet"
      exit 1
    allow_failure: true
  - name: package
    needs: [test, lint]
    run: sha256sum dist/*
  - name: deploy
    needs: package
    if: branch == "main" and inputs.target == "production"
    secrets: [DEPLOY_TOKEN]
    run: echo "deployed with a token of ${#DEPLOY_TOKEN} characters"
""",
}


class Lantern(ExitStack):
    """A context: its repository over http, and two receivers. `settings`: of a board that may reach them."""

    schedule = 0
    """The number of the schedule that is looked at."""

    def __init__(self) -> None:
        super().__init__()
        root = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="bb-lantern-")))
        self.origin = Origin(root / "lantern.git")
        self.server = HttpGit(root)
        self.callback(self.server.close)
        self.hears = self.enter_context(Receiver(Reply(200)))
        self.refuses = self.enter_context(Receiver(Reply(503, b"closed for the night")))
        self.settings = {"BUILDBOARD_OUTBOX_ALLOW_PRIVATE": "127.0.0.0/8", "BUILDBOARD_URL": "https://board.example"}

    def build(self, board: "Board") -> tuple[int, int]:
        """Two commits, pushed, built and told of: the numbers of a build that passed and of one that failed."""
        from builds import lifecycle
        from builds.models import Project

        files = {name: text.replace("@PYTHON@", sys.executable) for name, text in FILES.items()}
        first = self.origin.commit(files, "Leave half a metre below the keel")
        board.project(
            "lantern",
            "",
            name="Lantern",
            description="Says when a boat may leave the harbour",
            repository=f"{self.server.address}/lantern.git",
            branch="main",
        )
        with board.database():
            self._set_up(Project.objects.get(slug="lantern"))
        passed = self._push(board, first, "Leave half a metre below the keel")
        lower = files["src/tide.py"].replace("3.4", "3.2")
        second = self.origin.commit({"src/tide.py": lower}, "The harbour has silted up")
        failed = self._push(board, second, "The harbour has silted up")
        with board.database():
            project = Project.objects.get(slug="lantern")
            deployed = lifecycle.enqueue(project, by="alice", ref=first, inputs={"target": "production"}).pk
        board.wait(deployed, 120)
        return passed, failed

    def _push(self, board: "Board", commit: str, title: str) -> int:
        from builds import deliveries
        from builds.hooks import Envelope, Wanted
        from builds.models import Hook
        from builds.source import Source

        with board.database():
            source = Source("push", "main", commit=commit, title=title, author="Ada Lovelace")
            taken = deliveries.take(
                Hook.objects.get(), Envelope("github", "push", commit), Wanted("main", source, title, "ada")
            )
            assert taken.build is not None
            number = taken.build.pk
        board.wait(number, 120)
        return number

    def _set_up(self, project: Any) -> None:
        from builds import deliveries, hooks, safe, schedules
        from builds.hooks import Envelope, Ignored
        from builds.models import Hook, Schedule, Target
        from builds.outbox import targets

        deliveries.make_secret(project, by="admin")
        hook = Hook.objects.get()
        deliveries.take(hook, Envelope("github", "ping", "1"), Ignored("A ping: the hook works."))
        deliveries.refuse(hook, Envelope("github", "push", "2"), "Its signature does not fit.")
        for name, when, ref in (("nightly", "30 3 * * *", "main"), ("release candidates", "0 12 * * 1-5", "release")):
            made = Schedule(project=project, name=name, cron=when, zone="Europe/Berlin", ref=ref, made_by="admin")
            schedules.save(made)
            self.schedule = self.schedule or made.pk
        told = {"project": project, "kind": "webhook", "tells": "passed failed"}
        targets.save(Target(**told, name="Deployment", address=f"{self.hears.url}/builds"), hooks.new_secret())
        targets.save(Target(**told, name="Harbour office", address=f"{self.refuses.url}/bell"), hooks.new_secret())
        safe.put(project, "DEPLOY_TOKEN", "a-token-of-the-harbour", by="admin", branches="main")
        safe.put(project, "NPM_TOKEN", "a-token-of-the-registry", by="admin")
