"""`manage.py startbuild`, as a shell meets it."""

import io
import re
import signal
from typing import Any
from unittest.mock import patch

from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import SimpleTestCase, TestCase, override_settings, tag

from builds import events, lifecycle
from builds.models import Build, Project

from .support.board import Board

RECIPE = "steps: [{name: compile, run: 'true'}]"


def run(*args: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(*args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@tag("fast")
class StartTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.project = Project.objects.create(name="Open", slug="open", recipe=RECIPE)

    def refused(self, *args: str) -> str:
        with self.assertRaises(CommandError) as caught:
            run("startbuild", *args)
        self.assertFalse(Build.objects.exists())
        return str(caught.exception)

    def test_it_prints_the_number_and_the_address(self) -> None:
        out, _ = run("startbuild", "open", "--ref", "main")
        build = Build.objects.get()
        self.assertEqual(out, f"Build {build.pk} of open: /builds/{build.pk}/\n")
        self.assertEqual(build.ref, "main")
        self.assertRegex(build.started_by, r"^command \(.+\)$")

    @override_settings(BUILDBOARD_URL="https://board.example")
    def test_the_address_is_whole_where_the_board_knows_its_own(self) -> None:
        out, _ = run("startbuild", "open")
        self.assertIn(f": https://board.example/builds/{Build.objects.get().pk}/\n", out)

    def test_unknown_and_disabled_projects_are_named_with_what_exists(self) -> None:
        self.assertEqual(self.refused("nowhere"), "There is no project 'nowhere'. Projects: open.")
        Project.objects.update(enabled=False)
        self.assertIn("open is disabled", self.refused("open"))

    def test_inputs_and_refs_that_do_not_fit_are_named(self) -> None:
        self.assertIn("'speed'", self.refused("open", "--input", "speed=9"))
        self.assertIn("expected NAME=VALUE", self.refused("open", "--input", "speed"))
        self.assertIn("expected NAME=VALUE", self.refused("open", "--input", "=9"))
        self.assertIn("given twice", self.refused("open", "--input", "a=1", "--input", "a=2"))
        self.assertIn("ref", self.refused("open", "--ref", "a\nb"))
        Project.objects.update(recipe="inputs: {a: {}, b: {}, c: {}, d: {}, e: {}}\nsteps: [{name: a, run: x}]")
        self.assertIn("Input a: it has no default", self.refused("open", "--input", "a="))
        given = [word for name in "abcde" for word in ("--input", f"{name}={'x' * 2_000}")]
        self.assertIn("Inputs: expected at most 8,192 bytes in all", self.refused("open", *given))

    def test_a_full_queue_is_an_error(self) -> None:
        with override_settings(BUILDBOARD_MAX_QUEUED=1):
            run("startbuild", "open")
            with self.assertRaisesMessage(CommandError, "The queue is full (1 builds at most)"):
                run("startbuild", "open")

    def test_a_recipe_that_is_wrong_names_its_line(self) -> None:
        Project.objects.update(recipe="steps:\n  - name: a")
        self.assertIn("line 2", self.refused("open"))

    def test_a_database_that_goes_away_is_asked_again_from_where_it_was(self) -> None:
        errors = [OperationalError("away"), OperationalError("still away")]

        def read(build_id: int, after: int) -> list[events.Record]:
            if after and errors:
                raise errors.pop()
            return stored(build_id, after)

        def rest(seconds: float) -> None:
            if not errors and Build.objects.get().status == "queued":
                lifecycle.cancel(Build.objects.get().pk, by="alice")

        stored = events.read
        where = "builds.management.commands.startbuild"
        out, err = io.StringIO(), io.StringIO()
        with (
            patch(f"{where}.events.read", read),
            patch(f"{where}.time.sleep", rest),
            patch(f"{where}.connection"),
            self.assertRaises(SystemExit) as ended,
        ):
            call_command("startbuild", "open", "--follow", stdout=out, stderr=err)
        self.assertEqual(ended.exception.code, 2)
        self.assertEqual(err.getvalue().count("The database does not answer"), 1)
        self.assertIn("cancelled. Cancelled by alice", err.getvalue())


class FollowTests(SimpleTestCase):
    """One board with one worker; each test is a process that follows."""

    databases = {"default"}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = cls.enterClassContext(Board())
        cls.board.project("good", "steps: [{name: say, run: 'printf \"\\033[31mred\\033[0m\\nlast\"'}]")
        cls.board.project("bad", "steps: [{name: say, run: 'echo so; exit 7'}]")
        cls.board.project("long", "steps: [{name: wait, run: 'echo begun; sleep 300'}]")
        cls.board.workers(1)

    def follow(self, slug: str) -> Any:
        process = self.board.spawn("startbuild", slug, "--follow")
        self.addCleanup(process.close)
        return process

    def test_a_passed_build_is_0_and_stdout_is_what_its_steps_printed(self) -> None:
        done = self.board.manage("startbuild", "good", "--follow")
        self.assertEqual((done.returncode, done.stdout), (0, "red\nlast\n"), done.stderr)
        self.assertRegex(done.stderr, r"Build \d+ of good: /builds/\d+/\n")
        self.assertIn("── say\n── say passed\n", done.stderr)
        self.assertRegex(done.stderr, r"Build \d+ passed\.\n$")

    def test_a_failed_build_is_1(self) -> None:
        done = self.board.manage("startbuild", "bad", "--follow")
        self.assertEqual((done.returncode, done.stdout), (1, "so\n"), done.stderr)
        self.assertIn("exit code 7", done.stderr)

    def test_a_cancelled_build_is_2(self) -> None:
        process = self.follow("long")
        build_id = int(re.search(r"Build (\d+)", process.wait_for("begun")).group(1))
        with self.board.database():
            lifecycle.cancel(build_id, by="alice")
        self.assertEqual(process.wait(), 2, process.output())
        self.assertIn("Cancelled by alice", process.output())

    def test_a_lost_build_is_3(self) -> None:
        process = self.follow("long")
        build_id = int(re.search(r"Build (\d+)", process.wait_for("begun")).group(1))
        with self.board.database():
            token = Build.objects.values_list("lease_token", flat=True).get(pk=build_id)
            lifecycle.lose(build_id, token, "Its worker is gone.")
        self.assertEqual(process.wait(), 3, process.output())

    def test_ctrl_c_stops_following_and_leaves_the_build(self) -> None:
        process = self.follow("long")
        text = process.wait_for("begun")
        process.signal(signal.SIGINT)
        self.assertEqual(process.wait(), 130, process.output())
        self.assertIn("Stopped following", process.output())
        build_id = int(re.search(r"Build (\d+)", text).group(1))
        self.assertEqual(self.board.build(build_id)["status"], "running")
        with self.board.database():
            lifecycle.cancel(build_id, by="alice")
        self.board.wait(build_id)


class WaitingTests(SimpleTestCase):
    databases = {"default"}

    def test_without_a_worker_it_says_so_and_waits(self) -> None:
        with Board() as board:
            board.project("good", RECIPE)
            process = board.spawn("startbuild", "good", "--follow")
            process.wait_for("Waiting for a worker: none is alive.")
            self.assertTrue(process.running)
