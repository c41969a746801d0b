"""Builds whose steps run in containers of a real engine: by a real runner, and by whole boards."""

import contextlib
import os
import shlex
from pathlib import Path

import psutil
from django.test import SimpleTestCase, override_settings

from builds.models import Build
from builds.worker import containers, engine
from tests.support.board import Board
from tests.support.containers import IMAGE, OPTIONS, forget_containers, need_engine
from tests.support.processes import alive, eventually
from tests.test_worker_runner import RunnerCase


class RunnerTests(RunnerCase):
    def setUp(self) -> None:
        program = need_engine()
        self.addCleanup(forget_containers, program)
        super().setUp()
        changed = override_settings(
            BUILDBOARD_SANDBOX="container",
            BUILDBOARD_CONTAINER_ENGINE=program,
            BUILDBOARD_CONTAINER_IMAGE=IMAGE,
            BUILDBOARD_CONTAINER_OPTIONS=OPTIONS,
            BUILDBOARD_CONTAINER_IMAGES=["localhost/*"],
        )
        changed.enable()
        self.addCleanup(changed.disable)

    def test_steps_share_the_workspace_the_home_and_tmp_of_their_build(self) -> None:
        write = "echo work > file; echo home > ~/file; echo tmp > /tmp/file; pwd; echo $HOME $USER $CI $PATH"
        build = self.run_build(write, "cat file ~/file /tmp/file")
        self.assertEqual((build.status, build.reason), ("passed", ""))
        place = str(self.folder / "workspaces" / str(build.pk) / "work")
        self.assertEqual(self.log(build)[0], place)
        self.assertRegex(self.log(build)[1], "^/home/build build true .*/bin")
        self.assertEqual(self.log(build, 1), ["work", "home", "tmp"])
        self.assertEqual(os.listdir(self.folder / "workspaces"), [])

    def test_a_step_cannot_replace_the_script_of_the_next(self) -> None:
        build = self.run_build(
            "(echo 'echo mine' > ../2-s2.sh) 2>/dev/null || rm ../1-s1.sh || echo kept", "echo theirs"
        )
        self.assertEqual(build.status, "passed")
        self.assertEqual(self.log(build, 1), ["theirs"])

    def test_without_the_network_there_is_none(self) -> None:
        lease = self.queue("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '")
        Build.objects.update(network=False)
        self.assertEqual(self.log(self.run_lease(lease)), ["lo"])

    def test_a_step_with_a_workspace_of_its_own_that_is_tried_again(self) -> None:
        again = {"run": "test -e ~/again && pwd || { touch ~/again; exit 9; }", "workspace": "own", "retry": 1}
        build = self.run_build("echo x > shared", again)
        self.assertEqual((build.status, build.reason), ("passed", ""))
        self.assertTrue(self.log(build, 1)[-1].endswith("/own-2"))

    def test_an_image_that_is_not_allowed_or_not_there_is_the_steps_reason(self) -> None:
        build = self.run_build({"run": "echo never", "image": "docker.io/library/alpine"})
        self.assertRegex(
            build.reason, "^Step s1 could not be started: the image docker.io/library/alpine is none of those"
        )
        self.assertEqual(self.log(build), [])

    def test_an_image_that_cannot_be_pulled(self) -> None:
        build = self.run_build("echo never", "echo never", image="localhost/no/such:1")
        self.assertRegex(build.reason, "^Step s1: its image localhost/no/such:1 could not be pulled: .*[^.]\\.$")
        self.assertEqual(self.steps(build), ["failed", "skipped"])
        self.assertTrue(self.log(build))

    def test_a_step_ends_when_its_time_is_over_and_nothing_is_left(self) -> None:
        build = self.run_build({"run": "(setsid sleep 600 &); sleep 600", "timeout": 3})
        self.assertEqual(build.reason, "Step s1 took longer than its 3s.")
        self.assertEqual(os.listdir(self.folder / "workspaces"), [])
        self.assertEqual(engine.ask(need_engine(), "ps", "--all", "--quiet"), "")

    @override_settings(BUILDBOARD_MAX_STEP_TASKS=40)
    def test_a_limit_that_was_passed_is_said(self) -> None:
        build = self.run_build("for n in $(seq 60); do sleep 600 & done; wait")
        self.assertRegex(build.reason, r"^Step s1 ran \d\d processes and threads at a time; 40 are allowed\.$")

    def test_a_guardian_that_is_killed_leaves_no_container(self) -> None:
        lease = self.queue("echo up; sleep 600")

        def kill() -> None:
            def guardian() -> psutil.Process | None:
                with contextlib.suppress(psutil.Error):  # one that has just ended
                    for process in psutil.Process().children():
                        below = [one.cmdline() for one in process.children(recursive=True)]
                        if "guardian.py" in " ".join(process.cmdline()) and ["sleep", "600"] in below:
                            return process
                return None

            eventually(guardian, 60).kill()

        self.meanwhile(kill)
        build = self.run_lease(lease)
        self.assertEqual(build.reason, "Step s1 was stopped because its guardian process died.")
        self.assertEqual(engine.ask(need_engine(), "ps", "--all", "--quiet"), "")

    def test_a_worker_without_containers_runs_no_step_with_an_image(self) -> None:
        with override_settings(BUILDBOARD_SANDBOX="none"):
            build = self.run_build("echo never", image=IMAGE)
        self.assertRegex(build.reason, "^Step s1 could not be started: it names the image .*BUILDBOARD_SANDBOX=none")


class BoardTests(SimpleTestCase):
    databases = {"default"}

    def setUp(self) -> None:
        self.program = need_engine()
        self.addCleanup(forget_containers, self.program)
        self.board = Board(
            BUILDBOARD_SANDBOX="container",
            BUILDBOARD_CONTAINER_ENGINE=self.program,
            BUILDBOARD_CONTAINER_IMAGE=IMAGE,
            BUILDBOARD_CONTAINER_OPTIONS=shlex.join(OPTIONS),
            BUILDBOARD_LEASE_SECONDS="3",
            BUILDBOARD_GRACE_SECONDS="1",
            BUILDBOARD_PUBLIC="1",
        )
        self.addCleanup(self.board.close)

    def test_a_worker_tries_a_container_before_it_starts(self) -> None:
        with override_settings(
            BUILDBOARD_CONTAINER_ENGINE=self.program,
            BUILDBOARD_CONTAINER_IMAGE=IMAGE,
            BUILDBOARD_CONTAINER_OPTIONS=OPTIONS,
        ):
            self.assertEqual(containers.trouble(), "")
            with override_settings(BUILDBOARD_CONTAINER_OPTIONS=[*OPTIONS, "--device", "/dev/no-such"]):
                self.assertRegex(
                    containers.trouble(), f"^no container of the image {IMAGE} runs here: .* run said: .*no-such"
                )
        self.assertEqual(self.containers(), [])

    def containers(self) -> list[str]:
        return engine.ask(self.program, "ps", "--all", "--format", "{{.Names}}").split()

    def begin(self) -> int:
        self.board.project("p", "steps: [{name: a, run: '(setsid sleep 600 &); echo up; sleep 600'}]")
        build = self.board.enqueue("p")
        eventually(lambda: "up" in self.board.lines(build), 60, self.board.outputs)
        self.assertEqual(len(self.containers()), 1)
        return build

    def test_the_page_says_what_steps_ran_in(self) -> None:
        self.board.project("hello", "steps: [{name: a, run: 'echo hi'}]")
        self.board.web()
        self.board.workers(1)
        build = self.board.start("hello")
        self.board.wait(build, 60, status="passed")
        self.assertEqual(self.board.lines(build), ["hi"])
        page = self.board.get(f"/builds/{build}/", token=None).text
        self.assertRegex(page, r'>Sandbox</dt><dd class="cut" data-slot="sandbox" title="container">container</dd>')

    def test_a_build_that_is_cancelled_leaves_no_container(self) -> None:
        self.board.web()
        self.board.workers(1)
        build = self.begin()
        self.board.request("POST", f"/api/v1/builds/{build}/cancel")
        self.assertEqual(self.board.wait(build, 60)["status"], "cancelled")
        eventually(lambda: self.containers() == [], 30)

    def test_a_worker_that_is_killed_leaves_no_container(self) -> None:
        supervisor = self.board.workers(1)
        build = self.begin()
        [worker] = [child for child in psutil.Process(supervisor.pid).children() if "--one" in child.cmdline()]
        below = worker.children(recursive=True)
        worker.kill()
        eventually(lambda: not any(alive(process.pid) for process in below), 30)
        eventually(lambda: self.containers() == [], 30)
        self.assertEqual(self.board.wait(build, 30)["status"], "lost")
        eventually(lambda: not os.listdir(self.board.data / "workspaces"), 30)

    def test_a_machine_on_which_all_of_it_was_killed_is_swept_by_the_next_supervisor(self) -> None:
        supervisor = self.board.workers(1)
        self.begin()
        own = psutil.Process(supervisor.pid)
        for process in (own, *own.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has gone with the one before it
                process.kill()
        self.assertEqual(len(self.containers()), 1)
        self.board.workers(1)
        eventually(lambda: self.containers() == [], 60, self.board.outputs)


class RefusalTests(SimpleTestCase):
    databases = {"default"}

    def refused(self, **env: str) -> str:
        with Board(BUILDBOARD_SANDBOX="container", **env) as board:
            done = board.manage("worker", "--concurrency", "1")
        self.assertEqual(done.returncode, 1, done.stdout)
        return done.stderr

    def test_without_an_engine_no_worker_starts(self) -> None:
        said = self.refused(BUILDBOARD_CONTAINER_ENGINE="/no/such/podman")
        self.assertIn("BUILDBOARD_SANDBOX=container: the program /no/such/podman is not installed", said)
        self.assertIn("builds.W008", said)
        self.assertIn("builds.W009", said)

    def test_an_engine_that_is_none_is_quoted(self) -> None:
        said = self.refused(BUILDBOARD_CONTAINER_ENGINE=str(Path("/bin/false")), BUILDBOARD_CONTAINER_IMAGE="x")
        self.assertIn("BUILDBOARD_SANDBOX=container: /bin/false --version said: exit code 1.", said)
