"""What docker is asked, and in which order, by a stand-in for it: also where it hangs, dies, or refuses."""

import json
import os
import time
from typing import Any
from unittest import mock

import psutil
from django.test import override_settings

from builds.worker import containers, endings, engine, isolation
from builds.worker.containers import Container
from builds.worker.limits import Limits
from tests.support.docker import Docker
from tests.support.processes import alive, eventually
from tests.support.steps import Step, StepCase


class DockerCase(StepCase):
    def setUp(self) -> None:
        super().setUp()
        (self.folder / "docker").mkdir()
        self.docker = Docker(self.folder / "docker", images={"tools:1"})
        self.addCleanup(self.docker.close)
        changed = override_settings(BUILDBOARD_CONTAINER_ENGINE=str(self.docker.program))
        changed.enable()
        self.addCleanup(changed.disable)
        self.engine = engine.get()
        self.docker.calls.clear()
        self.docker.environments.clear()

    def begin(self, script: str, *, image: str = "tools:1", env: dict[str, str] | None = None, **given: Any) -> Step:
        options = {name: given.pop(name) for name in ("grace",) if name in given}

        def around(*places: Any) -> Container:
            return Container(self.engine, image, *places, pipe=self.folder / "environment", **given)

        return self.step(script, enclosure=around, bare_env=env or {}, **options)

    def over(self, step: Step, seconds: float = 30) -> None:
        eventually(lambda: step.read() is not None and step.process.is_over, seconds, lambda: str(self.docker.calls))

    def name(self, step: Step) -> str:
        assert isinstance(step.process.sandbox, Container)
        return step.process.sandbox.name


class CallTests(DockerCase):
    def test_a_step_is_an_image_a_container_its_start_its_end_and_its_removal(self) -> None:
        step = self.begin("echo hi $MINE; exit 3", env={"MINE": "all mine"}).wait()
        self.over(step)
        self.assertEqual((step.output, step.process.exit_code, step.process.fault), ("hi all mine\n", 3, ""))
        self.assertEqual(self.docker.words(), ["image", "create", "start", "inspect", "rm"])
        name = self.name(step)
        self.assertEqual(self.docker.calls[2], ["start", "--attach", "--sig-proxy=false", name])
        self.assertEqual(self.docker.calls[4], ["rm", "--force", "--volumes", name])
        self.assertEqual(self.docker.containers, {})

    def test_the_whole_command_that_makes_one(self) -> None:
        marks = {"BUILDBOARD_BUILD": "world/7", "BUILDBOARD_STEP": "unit tests"}
        limits = Limits(memory=512, tasks=100, file=10, open_files=256)
        with override_settings(BUILDBOARD_CONTAINER_OPTIONS=["--dns", "192.0.2.1"]):
            step = self.begin("true", limits=limits, mark=marks, labels=marks, network=False, files=[self.folder / "s"])
        self.over(step)
        f = str(self.folder)
        create = self.docker.calls[1]
        name = self.name(step)
        self.assertRegex(name, r"^buildboard\.world\.7\.[0-9a-f]{12}\.[0-9a-f]{16}$")
        self.assertEqual(
            create[: create.index("-c")],
            [
                *("create", "--name", name, "--pull", "never", "--tty", "--hostname", "build"),
                *("--label", "buildboard.build=world/7", "--label", "buildboard.step=unit tests"),
                *("--user", f"{os.geteuid()}:{os.getegid()}"),
                *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--stop-signal", "KILL"),
                *("--log-driver", "none", "--no-healthcheck", "--shm-size", "512m", "--oom-score-adj", "500"),
                *("--network", "none", "--memory", "512m", "--memory-swap", "512m", "--pids-limit", "101"),
                *("--ulimit", "fsize=10485760", "--ulimit", "nofile=256"),
                *("--mount", f"type=bind,source={f}/home,target=/home/build"),
                *("--mount", f"type=bind,source={f}/tmp,target=/tmp"),
                *("--mount", f"type=bind,source={f}/tmp,target=/var/tmp"),
                *("--mount", f"type=bind,source={f}/work,target={f}/work"),
                *("--mount", f"type=bind,source={f}/s,target={f}/s,readonly"),
                *("--mount", f"type=bind,source={f}/environment,target={f}/environment,readonly"),
                *("--workdir", f"{f}/work", "--dns", "192.0.2.1", "--entrypoint", "sh", "tools:1"),
            ],
        )
        self.assertEqual(create[-5:], ["sh", f"{f}/environment", "sh", "-c", "true"])

    def test_docker_learns_nothing_of_a_steps_environment(self) -> None:
        env = {
            "TOKEN": "not-for-docker",
            "DOCKER_HOST": "tcp://evil.example",
            "LD_PRELOAD": "/x.so",
            "PATH": "/usr/bin:/bin",
        }
        with mock.patch.dict(os.environ, {"DOCKER_CONFIG": "/etc/docker-config", "SECRET_KEY": "of-the-board"}):
            step = self.begin("echo $DOCKER_HOST", env=env)
        self.over(step)
        self.assertIn("tcp://evil.example\n", step.output)
        told = json.dumps([self.docker.calls, self.docker.environments])
        for held in ("not-for-docker", "evil.example", "x.so", "of-the-board"):
            self.assertNotIn(held, told)
        self.assertEqual({env.get("DOCKER_CONFIG") for env in self.docker.environments}, {"/etc/docker-config"})

    def test_an_image_that_is_not_there_is_pulled_and_the_log_says_so(self) -> None:
        step = self.begin("echo hi", image="tools:2")
        self.over(step)
        self.assertEqual(self.docker.words()[:3], ["image", "pull", "create"])
        self.assertEqual(self.docker.calls[1], ["pull", "tools:2"])
        self.assertEqual(step.output, "Pulling from tools:2\nhi\n")

    def test_the_kernel_that_ends_a_step_for_its_memory_is_believed(self) -> None:
        self.docker.starved = True
        step = self.begin("exit 137", limits=Limits(memory=64))
        self.over(step)
        self.assertEqual(step.process.excess, ("memory", 64))
        with override_settings(BUILDBOARD_MAX_STEP_MEMORY_MB=64):
            reason = isolation.ended("test", step.process).build_reason
        self.assertEqual(reason, "Step test used all of the 64 MiB of memory that are allowed.")


class RefusalTests(DockerCase):
    def refused(self, step: Step) -> str:
        self.over(step)
        self.assertIsNone(step.process.exit_code)
        self.assertFalse(step.process.sandbox.name in self.docker.containers)
        ending = isolation.ended("test", step.process)
        self.assertEqual(ending.status, "failed")
        return ending.build_reason

    def test_an_image_that_needs_a_password(self) -> None:
        said = "Error response from daemon: pull access denied for tools, may require 'docker login'"
        self.docker.fails["pull"] = said
        step = self.begin("echo never", image="tools:3")
        self.assertEqual(self.refused(step), f"Step test: its image tools:3 could not be pulled: {said}.")
        self.assertEqual(self.docker.words(), ["image", "pull"])
        self.assertIn("pull access denied", step.output)

    def test_a_container_that_cannot_be_made_and_one_that_cannot_be_started(self) -> None:
        self.docker.fails["create"] = (
            "unknown flag: --mine\n\nUsage:  docker create\n\nRun 'docker create --help' for more"
        )
        self.assertEqual(
            self.refused(self.begin("echo never")), "Step test: its container could not be made: unknown flag: --mine."
        )
        del self.docker.fails["create"]
        os.unlink(self.folder / "environment")
        self.docker.fails["start"] = 'Error response from daemon: exec: "sh": executable file not found in $PATH'
        self.assertRegex(
            self.refused(self.begin("echo never")),
            '^Step test: its container could not be started: .* "sh": executable',
        )
        self.assertEqual(self.docker.words()[-2:], ["start", "rm"])

    def test_the_engines_error_is_told_once_and_without_the_containers_number(self) -> None:
        number, image = "0123456789abcdef" * 4, "sha256:" + "fedcba9876543210" * 4
        self.docker.fails["start"] = f"Error: unable to start container {number}: crun: no {image}: '{number}' refused"
        step = self.begin("echo never")
        self.assertEqual(
            self.refused(step),
            "Step test: its container could not be started: "
            f"Error: unable to start container: crun: no {image}: refused.",
        )
        self.assertNotIn("unable to start", step.output)

    def test_a_worker_tries_its_image_where_that_is_there_and_quotes_the_engine(self) -> None:
        self.docker.fails["run"] = (
            "docker: Error response from daemon: cgroups: no.\n\nRun 'docker run --help' for more"
        )
        with override_settings(BUILDBOARD_CONTAINER_IMAGE="tools:2"):
            self.assertEqual(containers.trouble(), "", "it is pulled by the first step")
        with override_settings(BUILDBOARD_CONTAINER_IMAGE="tools:1", BUILDBOARD_CONTAINER_OPTIONS=["--mine"]):
            self.assertRegex(
                containers.trouble(),
                "^no container of the image tools:1 runs here: .*/docker run said: "
                r"docker: Error response from daemon: cgroups: no\.$",
            )
            self.assertIn("--mine", next(call for call in self.docker.calls if call[0] == "run"))
            self.docker.hangs, self.docker.fails = {"run"}, {}
            with mock.patch.object(containers, "TRY_SECONDS", 1):
                self.assertIn("run has not answered for 1 s", containers.trouble())
            self.assertEqual(self.docker.words()[-2:], ["run", "rm"])

    def test_a_daemon_that_is_away(self) -> None:
        self.docker.crash()
        self.assertRegex(
            self.refused(self.begin("echo never")),
            "^Step test: its image tools:1 could not be pulled: Cannot connect to",
        )

    def test_one_that_hangs_is_given_up(self) -> None:
        with mock.patch.object(containers, "ANSWER_SECONDS", 1):
            for word, what in (("create", "did not answer within 1 s (create)"), ("start", "has not begun within 1 s")):
                self.docker.hangs = {word}
                with self.subTest(word):
                    self.assertIn(what, self.refused(self.begin("echo never")))
                os.unlink(self.folder / "environment")
        self.assertEqual(self.docker.containers, {})

    def test_a_step_that_is_told_to_end_while_docker_hangs_ends(self) -> None:
        for word in ("image", "create", "start"):
            self.docker.hangs = {word}
            step = self.begin("echo never")
            eventually(lambda: word in self.docker.words(), 20)  # noqa: B023
            step.process.stop(30)
            with self.subTest(word):
                began = time.monotonic()
                self.over(step)
                self.assertLess(time.monotonic() - began, 25)
                self.assertNotIn("never", step.output)
            self.docker.calls.clear()
            (self.folder / "environment").unlink(missing_ok=True)
        self.assertEqual(self.docker.containers, {})

    def test_one_that_dies_while_a_step_runs(self) -> None:
        step = self.begin("echo up; sleep 600")
        step.says("up")
        self.docker.crash()
        self.over(step)
        self.assertRegex(
            step.process.fault, "^Its container engine was lost while it ran: Cannot connect to the Docker"
        )
        self.assertEqual(isolation.ended("test", step.process).status, endings.Status.FAILED)

    def test_one_that_lets_go_of_a_step(self) -> None:
        step = self.begin("echo up; sleep 600")
        step.says("up")
        [client] = [
            child
            for child in psutil.Process(step.process._guardian.pid).children(recursive=True)
            if "start" in child.cmdline()
        ]
        client.kill()
        self.over(step)
        self.assertEqual(step.process.fault, "Its container engine let go of it while it ran: it is running.")
        self.assertEqual(self.docker.containers, {})


class EndingTests(DockerCase):
    """Its processes are none of the guardian's: only docker can end them."""

    def test_a_step_may_clean_up_when_it_is_told_to_end(self) -> None:
        step = self.begin("trap 'echo cleaned; exit 4' TERM; echo ready; while :; do sleep 0.05; done")
        step.says("ready")
        step.process.stop(60)
        self.over(step)
        self.assertEqual(step.process.exit_code, 4)
        self.assertTrue(step.output.endswith("cleaned\n"), step.output)  # a shell may say what became of its sleep
        self.assertEqual(self.docker.words()[-3:], ["exec", "inspect", "rm"])
        self.assertEqual(self.docker.calls[3][1:], [self.name(step), "sh", "-c", "kill -TERM -1"])

    def running(self, step: Step) -> list[int]:
        step.says("up")
        first = self.docker.containers[self.name(step)].process
        below = psutil.Process(first.pid).children(recursive=True)
        self.assertTrue(below)
        return [first.pid, *(process.pid for process in below)]

    def gone(self, pids: list[int]) -> None:
        eventually(lambda: not any(map(alive, pids)), 20)
        self.assertEqual(self.docker.containers, {})

    def test_what_resists_is_removed(self) -> None:
        step = self.begin("trap '' TERM; echo up; while :; do sleep 0.05; done")
        pids = self.running(step)
        step.process.stop(600)
        eventually(lambda: "exec" in self.docker.words(), 30)
        step.process.stop(0.1)  # in a hurry
        self.over(step)
        self.gone(pids)
        self.assertEqual(self.docker.words()[-2:], ["exec", "rm"])

    def test_when_its_worker_is_gone_it_is_removed(self) -> None:
        step = self.begin("trap '' TERM; echo up; while :; do sleep 0.05; done")
        pids = self.running(step)
        step.process.close()
        self.gone(pids)

    def test_when_who_made_it_is_killed_the_guardian_removes_it(self) -> None:
        step = self.begin("echo up; sleep 600")
        pids = self.running(step)
        psutil.Process(step.process._guardian.pid).children()[0].kill()
        self.over(step)
        self.gone(pids)
        self.assertEqual(step.process.exit_code, -9)

    def test_when_its_guardian_is_killed_the_worker_removes_it(self) -> None:
        step = self.begin("echo up; sleep 600")
        pids = self.running(step)
        psutil.Process(step.process._guardian.pid).kill()
        self.over(step)
        isolation.release(step.process)
        self.gone(pids)
