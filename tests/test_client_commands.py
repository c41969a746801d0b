"""The command `buildboard` as pip installs it, without Django, typed against a real board."""

import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from django.test import SimpleTestCase, tag

from buildboard.client import wheel

from .support import ROOT
from .support.board import Board
from .support.processes import Process, free_port

RECIPE = """
inputs: {lines: {type: number, default: 3}, word: {default: hello}}
steps:
  - name: say
    run: |
      printf '\\033[32mgreen\\033[0m\\n'
      for n in $(seq 1 "$BUILDBOARD_INPUT_LINES"); do echo "$BUILDBOARD_INPUT_WORD $n"; sleep 0.02; done
  - {name: judge, run: 'test "$BUILDBOARD_INPUT_WORD" != bad'}
"""


class CommandTests(SimpleTestCase):
    databases = "__all__"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.folder = Path(tempfile.mkdtemp())
        subprocess.run([sys.executable, "-m", "venv", cls.folder / "venv"], check=True)
        pip = [cls.folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--no-index", ROOT], check=True, cwd="/")
        cls.board = Board()
        cls.addClassCleanup(cls.board.close)
        cls.board.project("hello", RECIPE)
        cls.web = cls.board.web()
        cls.board.workers(1)

    def setUp(self) -> None:
        self.home = Path(tempfile.mkdtemp())
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "BUILDBOARD_URL": self.web.url,
            "BUILDBOARD_TOKEN": self.board.token("alice"),
        }

    def type(self, *args: str, typed: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.folder / "venv/bin/buildboard", *args],
            env=self.env, cwd=self.home, input=typed, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, code, f"{done.stdout}\n{done.stderr}")
        self.assertNotIn(self.board.token("alice"), done.stdout + done.stderr)
        return done

    def test_it_is_installed_without_the_board(self) -> None:
        self.assertIn("follow", self.type("--help").stdout)
        python = self.folder / "venv/bin/python"
        here = [python, "-c", "import buildboard, os; print(os.path.dirname(buildboard.__file__))"]
        place = Path(subprocess.run(here, check=True, capture_output=True, text=True, cwd="/").stdout.strip())
        self.assertEqual(
            {path.name for path in place.iterdir()} - {"__pycache__"}, {"__init__.py", "client", "terminal"}
        )

    def test_login_keeps_the_token_for_its_owner_alone(self) -> None:
        del self.env["BUILDBOARD_URL"], self.env["BUILDBOARD_TOKEN"]
        self.assertIn("buildboard login", self.type("projects", code=4).stderr)
        token = self.board.token("alice")
        self.assertIn("unknown or expired", self.type("login", self.web.url, typed="bb_wrong\n", code=4).stderr)
        said = self.type("login", typed=f"{self.web.url}/\n{token}\n").stderr
        self.assertIn(f"Logged in to {self.web.url} as alice (good for: read, start, cancel, keep", said)
        kept = self.home / ".config/buildboard/login.json"
        self.assertEqual((kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777), (0o600, 0o700))
        self.assertIn("hello", self.type("projects").stdout)
        self.env["BUILDBOARD_URL"] = f"http://127.0.0.1:{free_port()}"
        self.assertIn("There is no token for", self.type("projects", code=4).stderr)  # not that of the other board
        del self.env["BUILDBOARD_URL"]
        kept.chmod(0o644)
        self.assertIn("chmod 600", self.type("projects", code=4).stderr)
        kept.chmod(0o600)
        self.type("logout")
        self.assertFalse(kept.exists())

    def test_start_follow_and_all_the_others(self) -> None:
        done = self.type("start", "hello", "--input", "word=bad", "--input", "lines=30", "--follow", code=1)
        self.assertEqual(done.stdout.splitlines(), ["green", *(f"bad {n}" for n in range(1, 31))])
        self.assertRegex(done.stderr, r"Build \d+ of hello: http://127.0.0.1:\d+/builds/\d+/\n")
        self.assertIn("── judge failed, exit code 1", done.stderr)
        self.assertRegex(done.stderr, r"Build \d+ failed. Step judge: exit code 1.\n\Z")
        [newest] = json.loads(self.type("builds", "--limit", "1", "--json").stdout)
        number = str(newest["id"])
        self.assertEqual(self.type("log", number).stdout, done.stdout)
        self.assertEqual(self.type("log", number, "--step", "say").stdout, done.stdout)
        self.assertIn("\x1b[32mgreen", self.type("log", number, "--step", "say", "--ansi").stdout)
        self.assertIn("no step 'nothing'", self.type("log", number, "--step", "nothing", code=4).stderr)
        again = json.loads(self.type("retry", f"#{number}", "--json").stdout)
        lines = [
            json.loads(line) for line in self.type("follow", str(again["id"]), "--json", code=1).stdout.splitlines()
        ]
        self.assertEqual([line["id"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertIn("already ended", self.type("cancel", number, code=4).stderr)
        self.assertIn(number, self.type("builds", "--project", "hello", "--status", "failed").stdout)
        none = self.type("builds", "--project", "hello", "--status", "lost")
        self.assertEqual(none.stderr, "There is no such build.\n")
        self.assertIn("no project 'nothing'", self.type("builds", "--project", "nothing", code=4).stderr)

    def test_a_project_is_created_and_what_is_wrong_is_told_line_by_line(self) -> None:
        (self.home / "recipe.yml").write_text(RECIPE)
        given = ("projects", "create", "made", "--name", "Made here", "--recipe", "recipe.yml")
        self.assertIn("alice may not add projects", self.type(*given, code=4).stderr)
        self.env["BUILDBOARD_TOKEN"] = self.board.token("admin")
        self.assertEqual(self.type(*given).stdout, f"Made here: {self.web.url}/projects/made/\n")
        self.assertIn("There is a project of that name in addresses already", self.type(*given, code=4).stderr)
        self.assertIn("made", self.type("projects").stdout)
        piped = self.type("projects", "create", "piped", "--recipe", "-", "--json", typed=RECIPE).stdout
        self.assertEqual(json.loads(piped)["settings"]["recipe"], RECIPE)
        said = self.type("projects", "create", "x", "--repository", "git://h/x", "--branch", "a..b", code=4).stderr
        self.assertIn("\n  repository: Addresses that begin with git:// are not taken", said)
        self.assertIn("\n  branch: Not a branch", said)
        for wrong in (("a b",), ("x", "--recipe", "nowhere.yml"), ()):
            self.type("projects", "create", *wrong, code=4)

    def test_cancel_and_what_follow_exits_with(self) -> None:
        number = str(json.loads(self.type("start", "hello", "--input", "lines=2000", "--json").stdout)["id"])
        following = Process([self.folder / "venv/bin/buildboard", "follow", number], env=self.env, cwd=self.home)
        following.wait_for("hello 5")
        self.type("cancel", number)
        self.assertEqual(following.wait(), 2)
        self.assertIn(f"Build {number} cancelled. Cancelled by alice (tests).", following.output())

    def test_ctrl_c_leaves_the_build_alone_and_says_how_to_come_back(self) -> None:
        number = str(json.loads(self.type("start", "hello", "--input", "lines=500", "--json").stdout)["id"])
        following = Process([self.folder / "venv/bin/buildboard", "follow", number], env=self.env, cwd=self.home)
        following.wait_for("hello 2")
        following.signal(signal.SIGINT)
        self.assertEqual(following.wait(), 130)
        self.assertIn(f"build {number} goes on", following.output())
        self.assertIn(f"buildboard follow {number}", following.output())
        self.assertIn(self.board.build(int(number))["status"], ("running", "passed"))
        self.type("cancel", number)

    def test_a_reader_that_goes_away(self) -> None:
        number = str(json.loads(self.type("start", "hello", "--input", "lines=100", "--json").stdout)["id"])
        typed = f'buildboard follow {number} | head -n 2; echo "${{PIPESTATUS[0]}}"'
        path = f"{self.folder / 'venv/bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", typed], env=self.env | {"PATH": path}, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.stdout.splitlines(), ["green", "hello 1", "141"])
        self.assertNotIn("Traceback", done.stderr)

    def test_what_is_wrong_is_told_all_at_once_and_nothing_is_started(self) -> None:
        said = self.type("start", "hello", "--input", "bad", "--input", "=x", code=4).stderr
        self.assertIn("--input 'bad': expected NAME=VALUE", said)
        self.assertIn("--input '=x': expected NAME=VALUE", said)
        self.assertIn("no project 'nowhere'", self.type("start", "nowhere", code=4).stderr)
        self.assertIn("expected a project's name", self.type("start", "../hello", code=4).stderr)
        self.assertIn("expected the number of a build", self.type("follow", "x", code=4).stderr)
        self.assertIn("There is no build 999999", self.type("follow", "999999", code=4).stderr)
        self.assertIn("Of which project?", self.type("start", code=4).stderr)
        self.env["BUILDBOARD_TOKEN"] = self.board.token("stranger")
        self.env["BUILDBOARD_PROJECT"] = "hello"
        self.assertIn("may not start builds", self.type("start", code=4).stderr)
        self.env["BUILDBOARD_URL"] = f"http://127.0.0.1:{free_port()}"
        self.assertIn("connection refused", self.type("builds", code=4).stderr)

    def test_on_a_terminal_there_are_colours(self) -> None:
        self.board.wait(self.board.start("hello"))
        for more, expected in (({}, True), ({"NO_COLOR": "1"}, False)):
            ours, theirs = pty.openpty()
            done = subprocess.run(
                [self.folder / "venv/bin/buildboard", "builds"], env=self.env | more, stdout=theirs, check=False
            )
            os.close(theirs)
            shown = os.read(ours, 65536).decode()
            os.close(ours)
            self.assertEqual(done.returncode, 0)
            self.assertEqual("\x1b[32m✓ passed" in shown, expected, shown)
            self.assertIn("✓ passed", shown)

    def test_a_start_goes_through_a_restart_once(self) -> None:
        before = len(json.loads(self.type("builds", "--limit", "1000", "--json").stdout))
        self.web.kill()
        starting = Process([self.folder / "venv/bin/buildboard", "start", "hello"], env=self.env, cwd=self.home)
        starting.wait_for("Trying again")
        self.web.start()
        self.assertEqual(starting.wait(40), 0, starting.output())
        self.assertEqual(len(json.loads(self.type("builds", "--limit", "1000", "--json").stdout)), before + 1)


@tag("fast")
class WheelTests(SimpleTestCase):
    def test_the_same_files_are_the_same_wheel_and_hooks_bring_what_they_say(self) -> None:
        first, second = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
        name = wheel.build_wheel(str(first))
        self.assertEqual((first / wheel.build_wheel(str(second))).read_bytes(), (second / name).read_bytes())
        self.assertTrue((first / wheel.build_sdist(str(first))).exists())
        self.assertTrue((first / wheel.build_editable(str(first))).exists())
        self.assertFalse([name for name in wheel.files() if "settings" in name])

    def test_the_client_imports_the_standard_library_alone(self) -> None:
        done = subprocess.run(
            [sys.executable, "-S", "-c", "import sys; sys.path.insert(0, '.'); import buildboard.client.__main__; "
             "assert 'django' not in sys.modules"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
