"""Steps in a sandbox, for real: its options, its troubles, and that they end as any step does."""

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
from django.conf import settings
from django.test import SimpleTestCase, override_settings, tag

from builds.worker import leftovers, sandbox
from builds.worker.limits import Limits
from builds.worker.sandbox import Sandbox
from tests.support import ROOT
from tests.support.processes import alive, eventually
from tests.support.steps import need_sandbox
from tests.support.users import as_nobody
from tests.test_worker_limits import LimitTests

from .sandboxes import SandboxCase

SYSTEM_PYTHON = "/usr/bin/python3"


@tag("fast")
class OptionTests(SimpleTestCase):
    def options(self, **given: Any) -> str:
        return " ".join(Sandbox(Path("/w"), Path("/h"), Path("/t"), **given).options()) + " "

    def test_the_network_is_taken_away_on_request(self) -> None:
        self.assertNotIn("--unshare-net ", self.options())
        off = self.options(network=False)
        self.assertIn("--unshare-net ", off)
        self.assertNotIn("resolv.conf", off)

    def test_all_else_always_is(self) -> None:
        for name in ("user", "pid", "ipc", "uts"):
            self.assertIn(f"--unshare-{name} ", self.options())
        for option in ("--clearenv", "--cap-drop ALL", "--die-with-parent", "--new-session", "--disable-userns"):
            self.assertIn(option, self.options())

    def test_what_is_hidden_is_veiled_where_a_readable_folder_would_show_it(self) -> None:
        inside = ROOT / "builds"
        veiled = self.options(readable=[ROOT], hidden=[inside, ROOT / "manage.py", Path("/nowhere"), Path("/etc")])
        self.assertIn(f"--ro-bind {ROOT} {ROOT} --tmpfs {inside} ", veiled)
        self.assertIn(f"--ro-bind /dev/null {ROOT / 'manage.py'} ", veiled)
        self.assertIn(f"--remount-ro {inside} ", veiled)
        self.assertNotIn("--tmpfs /etc ", veiled)

    def test_a_path_that_does_not_exist_or_may_not_be_seen_is_left_out(self) -> None:
        self.assertNotIn("/no/such", self.options(readable=[Path("/no/such")]))

    def test_the_data_folder_and_a_database_elsewhere_are_hidden(self) -> None:
        database = {"default": {"ENGINE": "buildboard.sqlite3", "NAME": "/srv/x.sqlite3"}}
        elsewhere = override_settings(BUILDBOARD_DATA=Path("/srv/data"), BUILDBOARD_STORAGE="/srv/files")
        with elsewhere, mock.patch.object(settings, "DATABASES", database):
            found = sandbox.hidden()
        own = [Path("/srv/data"), ROOT / "var", Path("/srv/files")]
        self.assertEqual(found[:5], [*own, Path("/srv/x.sqlite3"), Path("/srv/x.sqlite3-wal")])


class TroubleTests(SimpleTestCase):
    """Why there can be none, in words."""

    def setUp(self) -> None:
        sandbox._probe.cache_clear()
        self.addCleanup(sandbox._probe.cache_clear)

    def test_where_it_works_there_is_none(self) -> None:
        need_sandbox()
        self.assertEqual(sandbox.trouble(), "")

    def test_a_program_that_is_missing(self) -> None:
        with mock.patch.dict(os.environ, {"PATH": "/nowhere"}):
            self.assertRegex(sandbox.trouble(), "bwrap is not installed .*package bubblewrap")

    def test_a_kernel_that_refuses_is_quoted(self) -> None:
        need_sandbox()
        sandbox._probe.cache_clear()
        with mock.patch.object(Sandbox, "options", lambda _: ["--unshare-user", "--uid", "no"]):
            self.assertRegex(sandbox.trouble(), "bwrap said: bwrap: .*uid.* needs version 0.8 or newer, and a kernel")

    def test_readable_paths_that_cannot_be(self) -> None:
        need_sandbox()
        inside = settings.BUILDBOARD_DATA
        for path, why in (("/no/such", "does not exist"), (str(inside), "in the data folder"), ("/", "everything")):
            inside.mkdir(exist_ok=True)
            with self.subTest(path), override_settings(BUILDBOARD_SANDBOX_READABLE=[path]):
                self.assertIn(why, sandbox.trouble())


class EndingTests(SandboxCase):
    """As without one: see test_worker_process.py."""

    def test_exit_codes_and_signals_are_told_as_they_are(self) -> None:
        for script, code in (("exit 3", 3), ("exit 137", 137), ("kill -9 $$", -9), ("kill -TERM $$", -15), ("true", 0)):
            with self.subTest(script):
                self.assertEqual(self.inside(script).wait().over().process.exit_code, code)

    def test_a_command_that_does_not_exist_is_127_with_a_message(self) -> None:
        step = self.inside("", argv=["no-such-shell"]).wait()
        self.assertEqual((step.process.exit_code, step.output), (127, "no-such-shell: not found\n"))

    def test_output_comes_from_a_terminal_as_it_was_written(self) -> None:
        step = self.inside("test -t 1 && test -t 2 && printf 'a\\nb\\n' && cat && stty size <&1").wait()
        self.assertEqual((step.output, step.process.exit_code), ("a\nb\n48 160\n", 0))

    def test_what_it_left_running_lives_on_and_is_read_until_it_is_stopped(self) -> None:
        step = self.inside("(sleep 0.5; echo late; sleep 60) & echo hi").wait()
        self.assertEqual((step.process.exit_code, step.process.is_over), (0, False))
        step.says("hi\nlate\n")
        step.over()

    def test_a_step_may_clean_up_when_it_is_told_to_end(self) -> None:
        step = self.inside("trap 'sleep 0.3; echo cleaned; exit 4' TERM; echo ready; while :; do sleep 0.05; done")
        step.says("ready")
        step.process.stop(20)
        self.assertEqual(step.wait().process.exit_code, 4)
        self.assertTrue(step.output.endswith("cleaned\n"), step.output)

    def test_what_resists_and_what_daemonised_is_killed(self) -> None:
        step = self.inside(
            "trap '' TERM; (setsid sh -c 'trap \"\" TERM; while :; do sleep 0.1; done' &); echo up; sleep 60"
        )
        step.says("up")
        processes = psutil.Process(step.process._guardian.pid).children(recursive=True)
        self.assertGreaterEqual(len(processes), 5)
        step.over(0.2)
        self.assertFalse([process for process in processes if alive(process.pid)])
        self.assertEqual(step.process.exit_code, -signal.SIGKILL)

    def test_when_its_worker_is_gone_nothing_stays(self) -> None:
        step = self.inside("(setsid sleep 60 &); trap '' TERM; echo up; sleep 60; sleep 60", grace=600)
        step.says("up")
        processes = psutil.Process(step.process._guardian.pid).children(recursive=True)
        step.process.close()
        eventually(lambda: not any(alive(process.pid) for process in processes), 20)

    def test_when_its_guardian_is_killed_nothing_stays(self) -> None:
        step = self.inside("(setsid sleep 60 &); echo up; sleep 60")
        step.says("up")
        guardian = psutil.Process(step.process._guardian.pid)
        processes = guardian.children(recursive=True)
        guardian.kill()
        eventually(lambda: not any(alive(process.pid) for process in processes), 20)
        step.read()
        self.assertEqual((step.process.is_over, step.process.exit_code), (True, None))

    def test_its_processes_are_known_outside_by_their_mark(self) -> None:
        step = self.inside("echo up; sleep 60", mark={"BUILDBOARD_BUILD": "some-world/123456789"})
        step.says("up")
        self.assertGreater(leftovers.kill("some-world", 123456789), 0)
        step.over()

    def test_a_sandbox_that_cannot_be_made_is_told_from_a_step_that_fails(self) -> None:
        step = self.inside("echo never", readable=[*sandbox.readable()], hidden=[Path(sys.base_prefix)])
        eventually(lambda: step.read() is not None and step.process.is_over, 20)
        self.assertEqual(step.process.exit_code, None)
        self.assertGreater(step.process.unmade, 0)
        self.assertIn("bwrap: execvp ", step.output)
        with mock.patch.object(sandbox, "PROGRAM", "/no/such/bwrap"):
            step = self.inside("echo never")
        eventually(lambda: step.read() is not None and step.process.is_over, 20)
        self.assertEqual((step.process.unmade, step.output[:13]), (126, "/no/such/bwra"))


class InsideLimitTests(LimitTests):
    """All that holds without a sandbox holds in one."""

    def setUp(self) -> None:
        super().setUp()
        need_sandbox()
        self.sandbox = {"readable": sandbox.readable()}


class NobodyTests(SandboxCase):
    """As a user without any right, the way workers are meant to run."""

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="bb-nobody-")  # a checkout may be its owner's alone
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def as_nobody(self, act: Any) -> None:
        if os.geteuid() == 0 and not os.access(SYSTEM_PYTHON, os.X_OK):
            self.skipTest("the interpreter of the tests is root's own, and there is no other")
        python = SYSTEM_PYTHON if os.geteuid() == 0 else sys.executable
        with mock.patch.object(sys, "executable", python):
            as_nobody(self.folder, act)

    def test_a_step_runs_and_ends_with_its_own_code(self) -> None:
        def act() -> None:
            step = self.inside("id -u; echo a > file; exit 7", readable=[]).wait().over()
            self.assertEqual((step.process.exit_code, step.output), (7, "1000\n"))

        self.as_nobody(act)

    def test_a_real_bomb_is_held_by_the_kernel_also_where_nobody_measures(self) -> None:
        # Nowhere else: only here the kernel bounds it, whatever becomes of the guardian.
        bomb = "ulimit -p; bomb() { bomb & bomb; }; bomb"

        def act() -> None:
            with mock.patch.object(Limits, "watched", lambda _: {"memory": 0, "tasks": 0}):
                step = self.inside(bomb, limits=Limits(tasks=40), readable=[])
            step.says("80\n")
            step.says("annot fork")
            self.assertLess(len(psutil.Process(step.process._guardian.pid).children(recursive=True)), 90)
            step.over()

        self.as_nobody(act)

    def test_nothing_stays_of_it(self) -> None:
        def act() -> None:
            step = self.inside("(setsid sleep 60 &); trap '' TERM; echo up; sleep 60; sleep 60", readable=[])
            step.says("up")
            processes = psutil.Process(step.process._guardian.pid).children(recursive=True)
            step.over()
            self.assertFalse([process for process in processes if alive(process.pid)])

        self.as_nobody(act)
