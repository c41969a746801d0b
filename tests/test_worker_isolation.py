"""Builds whose steps run in a sandbox, or within limits, by a real runner."""

import os
import sys
from pathlib import Path
from unittest import mock

import psutil
from django.test import override_settings

from builds.models import Build
from builds.worker import isolation, sandbox
from tests.support.processes import alive, eventually
from tests.support.steps import need_sandbox
from tests.test_worker_limits import BOMB, HOG
from tests.test_worker_runner import RunnerCase


class LimitTests(RunnerCase):
    """Without a sandbox."""

    def test_a_step_that_goes_beyond_a_limit_says_which_and_what_was_measured(self) -> None:
        with override_settings(BUILDBOARD_MAX_STEP_MEMORY_MB=100):
            build = self.run_build(HOG)
        self.assertEqual(build.status, "failed")
        self.assertRegex(build.reason, r"^Step s1 used \d{3} MiB of memory; 100 MiB are allowed\.$")
        self.assertRegex(build.steps.get().reason, r"^It used \d{3} MiB of memory; 100 MiB are allowed\.$")

    def test_a_step_with_too_many_processes(self) -> None:
        with override_settings(BUILDBOARD_MAX_STEP_TASKS=100):
            build = self.run_build(BOMB, "echo never")
        self.assertRegex(build.reason, r"^Step s1 ran \d{3} processes and threads at a time; 100 are allowed\.$")
        self.assertEqual(self.steps(build), ["failed", "skipped"])

    def test_a_file_that_grew_too_large(self) -> None:
        with override_settings(BUILDBOARD_MAX_FILE_MB=1):
            build = self.run_build("head -c 3000000 /dev/zero > big")
        self.assertRegex(
            build.reason, r"^Step s1: exit code 153\. A file grew beyond 1 MiB, the most that is allowed\.$"
        )

    @override_settings(BUILDBOARD_MAX_WORKSPACE_MB=2)
    def test_a_workspace_that_takes_too_much_ends_the_build(self) -> None:
        build = self.run_build("head -c 5000000 /dev/zero > large; sync; sleep 60", "echo never")
        self.assertRegex(build.reason, r"^The build's workspace takes \d MiB of the disk; 2 MiB are allowed\.$")
        self.assertEqual(self.steps(build), ["failed", "skipped"])

    def test_a_build_without_the_network_is_not_run_where_nothing_holds_that(self) -> None:
        lease = self.queue("echo never")
        Build.objects.update(network=False)
        build = self.run_lease(lease)
        self.assertEqual((build.status, self.steps(build)), ("failed", ["skipped"]))
        self.assertRegex(build.reason, "^The project's steps are to have no network, and only a sandbox can hold that")


@override_settings(BUILDBOARD_SANDBOX="bubblewrap")
class SandboxTests(RunnerCase):
    def setUp(self) -> None:
        need_sandbox()
        super().setUp()

    def test_steps_share_the_workspace_the_home_and_tmp_of_their_build(self) -> None:
        write = "echo work > file; echo home > ~/file; echo tmp > /tmp/file; pwd; echo $HOME $USER $TMPDIR"
        with mock.patch.dict(os.environ, {"TMPDIR": "/somewhere"}):
            build = self.run_build(write, "cat file ~/file /tmp/file")
        self.assertEqual((build.status, build.reason), ("passed", ""))
        place = str(self.folder / "workspaces" / str(build.pk) / "work")
        self.assertEqual(self.log(build), [place, "/home/build build"])
        self.assertEqual(self.log(build, 1), ["work", "home", "tmp"])
        self.assertEqual(os.listdir(self.folder / "workspaces"), [])

    def test_a_step_cannot_replace_the_script_of_the_next(self) -> None:
        build = self.run_build(
            "ls -A .. | sort; (echo 'echo mine' > ../2-s2.sh) || rm ../1-s1.sh || echo kept",
            "echo theirs",
        )
        self.assertEqual(build.status, "passed")
        self.assertEqual(self.log(build)[:2], ["1-s1.sh", "work"])
        self.assertIn("kept", self.log(build))
        self.assertEqual(self.log(build, 1), ["theirs"])

    def test_without_the_network_there_is_none(self) -> None:
        lease = self.queue("tail -n +3 /proc/net/dev | cut -d: -f1")
        Build.objects.update(network=False)
        self.assertEqual(self.log(self.run_lease(lease)), ["    lo"])

    def test_steps_with_a_workspace_of_their_own_see_no_other(self) -> None:
        look = {"run": "ls -A .. | sort; pwd; echo x > file", "workspace": "own"}
        build = self.run_build("echo x > shared", look)
        self.assertEqual(build.status, "passed")
        self.assertEqual(self.log(build, 1)[:2], ["2-s2.sh", "own-2"])

    def test_of_the_board_a_step_finds_nothing(self) -> None:
        (self.folder / "secret-key").write_text("the key of the board")
        (self.folder / "workspaces" / "99").mkdir(parents=True)
        look = f"ls -A {self.folder} {self.folder}/workspaces; cat {self.folder}/secret-key; echo; true"
        build = self.run_build(look)
        log = "\n".join(self.log(build))
        self.assertNotIn("the key of the board", log)
        self.assertNotIn("99\n", log)
        self.assertIn("secret-key: No such file or directory", log)

    def test_the_python_of_the_board_is_there_as_it_is_outside(self) -> None:
        build = self.run_build(f"{sys.executable} -c 'import sys, django; print(sys.prefix, django.VERSION[0])'")
        self.assertEqual((build.status, self.log(build)), ("passed", [f"{sys.prefix} 5"]))

    def test_it_ends_as_any_step(self) -> None:
        build = self.run_build("kill -9 $$")
        self.assertEqual(build.reason, "Step s1 was ended by signal 9 (SIGKILL).")
        self.assertEqual(build.steps.get().exit_code, -9)

    def test_a_step_is_ended_when_its_time_is_over_and_nothing_is_left(self) -> None:
        daemon = "(setsid sh -c 'echo up; while :; do sleep 0.1; done' &); sleep 60"
        build = self.run_build({"run": daemon, "timeout": 1})
        self.assertEqual(build.reason, "Step s1 took longer than its 1s.")
        self.assertEqual(os.listdir(self.folder / "workspaces"), [])

    def test_a_step_whose_guardian_is_killed_fails_and_leaves_nothing(self) -> None:
        lease = self.queue("echo up; sleep 60")

        def kill() -> None:
            def guardian() -> psutil.Process | None:
                for process in psutil.Process().children():
                    if any("guardian.py" in word for word in process.cmdline()) and len(process.children(True)) > 3:
                        return process
                return None

            found = eventually(guardian, 20)
            self.below = found.children(recursive=True)
            found.kill()

        self.meanwhile(kill)
        build = self.run_lease(lease)
        self.assertEqual(build.reason, "Step s1 was stopped because its guardian process died.")
        self.assertFalse([process for process in self.below if alive(process.pid)])

    def test_a_sandbox_that_cannot_be_made_is_the_steps_reason(self) -> None:
        with mock.patch.object(sandbox, "hidden", lambda: [Path(sys.base_prefix)]):
            build = self.run_build("echo never")
        self.assertRegex(
            build.reason, "^Step s1 could not be started: its sandbox could not be made .exit code 1; its log says why."
        )
        self.assertIn("bwrap: ", self.log(build)[0])

    def test_a_program_of_the_recipe_and_its_home_are_taken_over_the_machines(self) -> None:
        build = self.run_build({"run": "echo $HOME", "env": {"HOME": "/tmp"}})
        self.assertEqual(self.log(build), ["/tmp"])

    @override_settings(BUILDBOARD_MAX_STEP_MEMORY_MB=100)
    def test_limits_hold_in_it(self) -> None:
        build = self.run_build(HOG)
        self.assertRegex(build.reason, r"^Step s1 used \d{3} MiB of memory; 100 MiB are allowed\.$")


class MachineTests(RunnerCase):
    def test_without_a_sandbox_the_machines_variables_are_as_they_are(self) -> None:
        with mock.patch.dict(os.environ, {"HOME": "/h", "TMPDIR": "/t"}):
            self.assertEqual(isolation.machine(), dict(os.environ))
            with override_settings(BUILDBOARD_SANDBOX="bubblewrap"):
                self.assertEqual(
                    (isolation.machine()["HOME"], isolation.machine().get("TMPDIR")), ("/home/build", None)
                )
