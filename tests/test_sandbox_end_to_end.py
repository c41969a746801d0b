"""Whole boards whose real workers put steps into a sandbox: the demo projects, refusals at the start, and the page."""

import os
import re
import tempfile
from pathlib import Path
from unittest import mock

import psutil
import yaml
from django.test import SimpleTestCase

from builds import demo
from builds.recipe import parse
from tests.support import ROOT
from tests.support.board import Board
from tests.support.processes import alive, eventually
from tests.support.steps import need_sandbox

PAGE = (ROOT / "docs/sandbox.md").read_text()


class SandboxBoardTests(SimpleTestCase):
    databases = {"default"}

    def setUp(self) -> None:
        need_sandbox()

    def board(self, **env: str) -> Board:
        board = Board(BUILDBOARD_SANDBOX="bubblewrap", **env)
        self.addCleanup(board.close)
        return board

    def test_the_standard_library_is_compiled_in_a_sandbox(self) -> None:
        board = self.board()
        recipe = yaml.safe_load(demo.recipe("standard-library"))
        # "compile" starts an interpreter for each of hundreds of files, and "check" reads what became of it: they take
        # their time, in a sandbox or not.
        recipe["steps"] = [step for step in recipe["steps"] if step["name"] not in ("compile", "check")]
        board.project("standard-library", yaml.safe_dump(recipe))
        board.workers(1)
        build = board.enqueue("standard-library")
        self.assertEqual(board.wait(build, 300)["status"], "passed", board.outputs())

    def test_this_checkout_is_built_in_a_sandbox_as_its_demo_project_does(self) -> None:
        board = self.board(BUILDBOARD_MAX_STEP_MEMORY_MB="4000", BUILDBOARD_MAX_STEP_TASKS="500")
        recipe = demo.recipe("buildboard").replace("test --tag fast", "test tests.test_states tests.test_vault")
        board.project("buildboard", recipe)
        board.workers(1)
        build = board.enqueue("buildboard")
        self.assertEqual(board.wait(build, 300)["status"], "passed", board.lines(build)[-30:])

    def test_the_page_and_the_api_say_what_steps_ran_in(self) -> None:
        board = self.board(BUILDBOARD_PUBLIC="1")
        board.project("alone", "steps: [{name: a, run: 'test $(grep -c : /proc/net/dev) = 1'}]", network=False)
        board.web()
        board.workers(1)
        build = board.start("alone")
        board.wait(build, 60, status="passed")
        data = board.get(f"/api/v1/builds/{build}").json()
        self.assertEqual((data["sandbox"], data["network"]), ("bubblewrap", False))
        page = board.get(f"/builds/{build}/", token=None).text
        self.assertRegex(page, r'>Sandbox</dt><dd class="cut" data-slot="sandbox"[^>]*>bubblewrap, no network</dd>')
        self.assertIn("<span>no network</span>", board.get("/projects/alone/", token=None).text)

    def test_a_worker_that_is_killed_leaves_nothing_in_its_sandbox(self) -> None:
        board = self.board(BUILDBOARD_LEASE_SECONDS="3")
        board.project("p", "steps: [{name: a, run: '(setsid sleep 600 &); echo up; sleep 600'}]")
        supervisor = board.workers(1)
        build = board.enqueue("p")
        eventually(lambda: board.lines(build), 30, board.outputs)
        [worker] = [child for child in psutil.Process(supervisor.pid).children() if "--one" in child.cmdline()]
        below = worker.children(recursive=True)
        self.assertGreaterEqual(len(below), 5)
        worker.kill()
        eventually(lambda: not any(alive(process.pid) for process in below), 20)
        self.assertEqual(board.wait(build, 20)["status"], "lost")
        eventually(lambda: not os.listdir(board.data / "workspaces"), 20)


class RefusalTests(SimpleTestCase):
    """What is wrong is said when workers start, and not by the first build."""

    databases = {"default"}

    def refused(self, *args: str, **env: str) -> str:
        with Board(BUILDBOARD_SANDBOX="bubblewrap") as board:
            board.env |= env
            done = board.manage(*args)
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stderr

    def test_without_the_program_no_worker_starts(self) -> None:
        with tempfile.TemporaryDirectory() as empty:
            for args in (("worker", "--concurrency", "1"), ("up", "--port", "1")):
                said = self.refused(*args, PATH=empty)
                if args[0] == "worker":
                    sentence = "BUILDBOARD_SANDBOX=bubblewrap: the program bwrap is not installed"
                    self.assertIn(sentence, said)
                    self.assertIn("builds.W008", said)
                    self.assertIn(sentence, " ".join(PAGE.split()))

    def test_a_program_that_refuses_is_quoted(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            stand_in = Path(folder) / "bwrap"
            stand_in.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
            stand_in.chmod(0o755)
            said = self.refused("worker", PATH=f"{folder}:{os.environ['PATH']}")
        self.assertRegex(said, "bwrap said: bwrap: No permissions to create new namespace .it needs version 0.8")

    def test_a_wrong_word_is_refused_by_name(self) -> None:
        said = self.refused("check", BUILDBOARD_SANDBOX="chroot")
        self.assertRegex(said, "BUILDBOARD_SANDBOX='chroot': expected none, bubblewrap or container")


class DocumentTests(SimpleTestCase):
    """The sentences of docs/sandbox.md are those of the code."""

    def test_reasons(self) -> None:
        from builds.models import Build
        from builds.worker import endings, footprint, isolation
        from builds.worker.limits import Excess, Limits

        limits = Limits(memory=512, tasks=1000)
        page = " ".join(PAGE.split())
        for ending in (
            endings.excess("test", limits.excess(Excess("memory", 812))),
            endings.excess("test", limits.excess(Excess("tasks", 1204))),
            endings.step_timeout("test", 600),
            endings.no_room(footprint._sentence(1204, 1000)),
        ):
            self.assertIn(f"`{ending.build_reason}`", page)
        self.assertIn(f"`{isolation.refusal(Build(network=False))}`", page)
        memory = endings.excess("test", limits.excess(Excess("memory", 512)))
        self.assertIn(f"`{memory.build_reason}`", page)
        [recipe] = re.findall(r"^```yaml\n(.*?)```", PAGE, re.M | re.S)
        first, second = parse(recipe).steps
        self.assertEqual([first.image, second.image], ["docker.io/library/python:3.12", "docker.io/library/debian:12"])
        with self.assertRaises(OSError) as refused:
            isolation.start([], env={}, workspace=mock.Mock(), place=Path(), grace=1, network=True, image=first.image)
        self.assertIn(f"`{endings.not_started('test', refused.exception).build_reason}`", page)

    def test_its_commands_are_real(self) -> None:
        self.assertEqual(
            re.findall(r"^```sh\n(.*?)```", PAGE, re.M | re.S),
            [
                "BUILDBOARD_SANDBOX=bubblewrap manage.py worker\n",
                "BUILDBOARD_SANDBOX=container BUILDBOARD_CONTAINER_IMAGE=docker.io/library/debian:12 "
                "manage.py worker\n",
            ],
        )
