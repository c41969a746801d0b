"""What README and docs/ name is there: commands, their options, variables, files. And what they tell to type, works."""

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.test import SimpleTestCase, tag

from buildboard.client import __main__ as client
from buildboard.client import environment
from builds.checks import GIVEN_TO_STEPS

from .support import ROOT
from .support.board import Board
from .support.servers import postgres_url

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TYPED = [*PAGES, *sorted((ROOT / "deploy").iterdir()), ROOT / "Makefile"]
COMMAND = re.compile(r"manage\.py ([a-z][a-z0-9_]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@functools.cache
def options(command: str) -> set[str]:
    found = load_command_class(get_commands()[command], command)
    parser = found.create_parser("manage.py", command)
    return {option for action in parser._actions for option in action.option_strings}


def pieces(path: Path) -> Iterator[str]:
    """What belongs together: a row of a table, a line of code, or a span of code within text."""
    in_code = path.suffix != ".md"
    for line in path.read_text().splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif in_code or line.startswith("|"):
            yield line
        else:
            yield from CODE.findall(line)


@tag("fast")
class NamesTest(SimpleTestCase):
    def test_every_command_is_one_and_has_these_options(self) -> None:
        seen = set()
        for path in TYPED:
            for piece in pieces(path):
                names = COMMAND.findall(piece)
                seen |= set(names)
                for name in names:
                    self.assertIn(name, get_commands(), f"{path.name}: {piece}")
                if not names:
                    continue
                known = set().union(*map(options, names))
                after = piece[piece.index("manage.py") :]
                for option in OPTION.findall(after):
                    self.assertIn(option, known, f"{path.name}: {piece}")
        self.assertGreater(seen, {"up", "web", "worker", "startbuild", "apitoken", "backup", "restore", "newworld"})

    def test_every_command_of_the_client_is_one_and_has_these_options(self) -> None:
        verbs = client.parser().verbs
        seen = set()
        for path in TYPED:
            for piece in pieces(path):
                for verb, after in re.findall(r"(?:^|`|\| )buildboard ([a-z]+)\b([^`|]*)", piece):
                    seen.add(verb)
                    self.assertIn(verb, verbs, f"{path.name}: {piece}")
                    known = {option for action in verbs[verb]._actions for option in action.option_strings}
                    for option in OPTION.findall(after.partition(" -- ")[0]):
                        self.assertIn(option, known, f"{path.name}: {piece}")
        self.assertEqual(set(verbs) - seen, set(), "no page tells of it")

    def test_every_command_of_the_board_is_in_the_readme(self) -> None:
        own = {name for name, app in get_commands().items() if app == "builds"}
        self.assertEqual(own - set(COMMAND.findall((ROOT / "README.md").read_text())), set())

    def test_every_variable_is_a_setting_or_given_to_steps(self) -> None:
        given = {f"BUILDBOARD_{name}" for name in GIVEN_TO_STEPS} | set(environment.VARIABLES)
        for path in TYPED:
            for name in set(re.findall(r"\bBUILDBOARD_[A-Z_]*[A-Z]\b", path.read_text())) - given:
                if name.startswith("BUILDBOARD_INPUT_"):
                    continue  # what a recipe's own input is called
                self.assertTrue(hasattr(settings, name), f"{path.name} names {name}, which is no setting")

    def test_every_link_to_a_file_of_this_project_has_one(self) -> None:
        for path in PAGES:
            for target in LINK.findall(path.read_text()):
                place, _, section = target.partition("#")
                if "://" in place or place.startswith("mailto:"):
                    continue
                file = path.parent / place if place else path
                self.assertTrue(file.exists(), f"{path.name} links to {target}")
                if section:
                    self.assertIn(section, sections(file), f"{path.name} links to {target}")

    def test_every_page_is_in_the_index(self) -> None:
        linked = set(LINK.findall((ROOT / "docs/index.md").read_text()))
        self.assertEqual({path.name for path in PAGES[1:]} - linked, {"index.md"})


def sections(path: Path) -> set[str]:
    """The names of its headings, as addresses have them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


class BackupPageTest(SimpleTestCase):
    """The commands of docs/backup.md, as they stand there, on a board whose services have been stopped."""

    databases = {"default"}
    stubs = "set -eu; systemctl() { :; }; install() { :; }\n"

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.blocks = BLOCK.findall((ROOT / "docs/backup.md").read_text())

    def block(self, *words: str) -> str:
        [found] = [block for block in self.blocks if all(word in block for word in words)]
        return found

    def type(self, board: Board, text: str) -> str:
        """In a folder of its own that has what a checkout has."""
        python = self.folder / ".venv/bin/python"
        if not python.exists():
            (self.folder / "manage.py").symlink_to(ROOT / "manage.py")
            python.parent.mkdir(parents=True)
            python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
            python.chmod(0o755)
        text = text.replace("/var/backups/buildboard", f"{self.folder}/backups")
        done = subprocess.run(
            ["sh", "-c", self.stubs + text],
            cwd=self.folder,
            env=board.env | {"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, f"{text}\n{done.stdout}{done.stderr}")
        return done.stdout

    def check(self, board: Board, *by_hand: str) -> None:
        board.project("p", "steps: [{name: a, run: echo}]")
        build = board.enqueue("p")
        (self.folder / "backups").mkdir()
        self.type(board, self.block("manage.py backup"))
        [made] = (self.folder / "backups").iterdir()
        restoring = re.sub(r"buildboard-20\S+", made.name, self.block("manage.py restore"))
        told = f"Build {build} of p was queued, and is cancelled"
        self.assertIn(told, self.type(board, restoring))
        self.assertEqual(board.build(build)["status"], "cancelled")
        build = board.enqueue("p")
        self.assertIn(f"Build {build} of p was queued, and is cancelled", self.type(board, self.block(*by_hand)))
        self.assertEqual(board.build(build)["status"], "cancelled")

    def test_sqlite(self) -> None:
        with Board() as board:
            if not shutil.which("sqlite3"):
                self.stubs += 'sqlite3() { cp "$1" "${2#.backup }"; }\n'
            self.check(board, "sqlite3 ", "newworld")

    def test_postgresql(self) -> None:
        with Board(database_url=postgres_url()) as board:
            self.check(board, "pg_restore", "newworld")

    def test_a_unit_calls_what_the_page_describes(self) -> None:
        unit = (ROOT / "deploy/buildboard-backup.service").read_text()
        self.assertIn("manage.py backup /var/backups/buildboard\n", unit)
        for name in re.findall(r"deploy/(buildboard-[a-z.-]+)", "".join(self.blocks)):
            self.assertTrue((ROOT / "deploy" / name).exists(), name)
