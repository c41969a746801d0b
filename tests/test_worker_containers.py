"""Steps in containers of a real engine: what they see, what they cannot reach, and that they end as any step does."""

import os
from typing import Any
from unittest import mock

import psutil
from django.test import override_settings

from builds.worker import engine, isolation, usage
from builds.worker.containers import Container
from builds.worker.limits import Limits
from builds.worker.sandbox import HOME
from tests.support.containers import IMAGE, OPTIONS, need_engine
from tests.support.processes import alive, eventually
from tests.support.steps import Step, StepCase


class ContainerCase(StepCase):
    def setUp(self) -> None:
        super().setUp()
        self.program = need_engine()
        self.settings_of_it = override_settings(
            BUILDBOARD_CONTAINER_ENGINE=self.program, BUILDBOARD_CONTAINER_OPTIONS=OPTIONS
        )
        self.settings_of_it.enable()
        self.addCleanup(self.settings_of_it.disable)

    def inside(self, script: str, *, image: str = IMAGE, env: dict[str, str] | None = None, **given: Any) -> Step:
        options = {name: given.pop(name) for name in ("argv", "grace", "silence") if name in given}
        number = len(list(self.folder.glob("environment-*")))

        def around(*places: Any) -> Container:
            return Container(engine.get(), image, *places, pipe=self.folder / f"environment-{number}", **given)

        limits = given.get("limits", Limits())
        return self.step(script, enclosure=around, bare_env=env or {}, limits=limits, **options)

    def below(self, step: Step) -> list[int]:
        return [process.pid for process in psutil.Process(step.process._guardian.pid).children(recursive=True)]

    def containers(self) -> list[str]:
        return engine.ask(self.program, "ps", "--all", "--quiet").split()


class EndingTests(ContainerCase):
    def test_exit_codes_are_told_as_they_are_and_nothing_stays(self) -> None:
        for script, code in (("exit 3", 3), ("exit 125", 125), ("exit 137", 137), ("kill -9 $$", 137), ("true", 0)):
            with self.subTest(script):
                step = self.inside(script).wait().over()
                self.assertEqual((step.process.exit_code, step.process.fault, step.output), (code, "", ""))
        self.assertEqual(self.containers(), [])

    def test_a_program_that_does_not_exist_is_127_with_a_message(self) -> None:
        step = self.inside("", argv=["no-such-shell"]).wait().over()
        self.assertEqual(step.process.exit_code, 127)
        self.assertIn("no-such-shell", step.output)

    def test_output_comes_from_a_terminal_as_it_was_written(self) -> None:
        step = self.inside("test -t 1 && test -t 2 && printf 'a\\nb\\n' && cat && stty size <&1").wait().over()
        self.assertEqual((step.output, step.process.exit_code), ("a\nb\n48 160\n", 0))

    def test_a_line_is_there_the_moment_it_is_written(self) -> None:
        step = self.inside("mkfifo /tmp/go; echo first; cat /tmp/go; echo third")
        step.says("first\n")
        (self.folder / "tmp/go").write_text("second\n")
        step.says("first\nsecond\nthird\n")
        step.wait().over()

    def test_no_program_can_ask_somebody_on_the_terminal(self) -> None:
        step = self.inside("read line < /dev/tty && echo $line").wait().over()
        self.assertNotEqual(step.process.exit_code, 0)

    def test_a_step_may_clean_up_when_it_is_told_to_end(self) -> None:
        step = self.inside("trap 'sleep 0.3; echo cleaned; exit 4' TERM; echo ready; while :; do sleep 0.05; done")
        step.says("ready")
        step.process.stop(60)
        self.assertEqual(step.wait().process.exit_code, 4)
        self.assertIn("cleaned\n", step.output)
        step.over()

    def test_what_resists_and_what_daemonised_is_killed(self) -> None:
        step = self.inside("trap '' TERM; (setsid sh -c 'trap \"\" TERM; sleep 600' &); echo up; sleep 600; sleep 600")
        step.says("up")
        processes = self.below(step)
        step.over(0.2)
        self.assertFalse([pid for pid in processes if alive(pid)])
        self.assertEqual(self.containers(), [])

    def test_what_a_step_leaves_running_ends_with_it(self) -> None:
        step = self.inside("(setsid sleep 600 &); echo up").wait()
        self.assertEqual(step.process.exit_code, 0)
        eventually(lambda: step.read() is not None and step.process.is_over, 20)
        self.assertEqual(self.containers(), [])

    def test_when_its_worker_is_gone_nothing_stays(self) -> None:
        step = self.inside("(setsid sleep 600 &); trap '' TERM; echo up; sleep 600; sleep 600", grace=600)
        step.says("up")
        processes = self.below(step)
        step.process.close()
        eventually(lambda: not any(alive(pid) for pid in processes), 30)
        eventually(lambda: self.containers() == [], 30)

    def test_when_its_guardian_is_killed_the_worker_removes_it(self) -> None:
        step = self.inside("echo up; sleep 600", mark={"BUILDBOARD_BUILD": "some-world/123456789"})
        step.says("up")
        psutil.Process(step.process._guardian.pid).kill()
        eventually(lambda: step.read() is not None and step.process.is_over, 20)
        self.assertTrue(isolation.unguarded(step.process))
        isolation.release(step.process)
        self.assertEqual(self.containers(), [])

    def test_one_that_cannot_be_made_is_told_from_a_step_that_fails(self) -> None:
        for image, said in (
            ("localhost/buildboard-test:none", r"^Its image localhost/buildboard-test:none could not be pulled: .+\.$"),
            (f"{IMAGE}@sha256:0", r"^Its image .*@sha256:0 could not be pulled: .+\.$"),
        ):
            step = self.inside("echo never", image=image)
            eventually(lambda: step.read() is not None and step.process.is_over, 60)  # noqa: B023
            self.assertIsNone(step.process.exit_code)
            self.assertRegex(step.process.fault, said)
            self.assertEqual(isolation.ended("test", step.process).status, "failed")
        with override_settings(BUILDBOARD_CONTAINER_OPTIONS=[*OPTIONS, "--no-such-option"]):
            step = self.inside("echo never")
        eventually(lambda: step.read() is not None and step.process.is_over, 60)
        self.assertRegex(step.process.fault, r"^Its container could not be made: .*no-such-option.*\.$")
        self.assertNotIn("never", step.output)


class ViewTests(ContainerCase):
    """What a step sees."""

    def sees(self, script: str, **given: Any) -> str:
        step = self.inside(script, **given).wait().over()
        self.assertEqual((step.process.exit_code, step.process.fault), (0, ""), step.output)
        return step.output

    def test_it_has_no_right_on_a_machine_of_its_own(self) -> None:
        said = self.sees("hostname; id -u; grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status")
        self.assertEqual(said.split()[:2], ["build", str(os.geteuid())])
        kinds = ("Inh", "Prm", "Eff", "Bnd", "Amb")
        self.assertEqual(set(said.split("\n")[2:7]), {f"Cap{kind}:\t{'0' * 16}" for kind in kinds})
        self.assertIn("NoNewPrivs:\t1", said)

    def test_it_writes_its_workspace_its_home_and_its_tmp_and_nothing_else(self) -> None:
        script = f"pwd; echo a > here; echo b > {HOME}/there; echo c > /tmp/private; cat /var/tmp/private"
        beside = "" if self.folder.is_relative_to("/tmp") else "../x"  # else that is in its own /tmp
        others = f"/x /etc/x /run/x /bin/x /usr/x /home/x {beside}"
        script += f"; for f in {others}; do (: > $f) 2>/dev/null && echo $f; done; true"
        self.assertEqual(self.sees(script), f"{self.folder}/work\nc\n")
        self.assertEqual((self.folder / "work/here").read_text(), "a\n")
        self.assertEqual((self.folder / "work/here").stat().st_uid, os.geteuid())
        self.assertEqual((self.folder / "home/there").read_text(), "b\n")
        self.assertEqual((self.folder / "tmp/private").read_text(), "c\n")

    def test_of_this_machine_it_sees_its_workspace_alone(self) -> None:
        (self.folder / "secret").write_text("key")
        beside = self.sees("ls ..").split()
        self.assertEqual([name for name in beside if not name.startswith("environment-")], ["work"])
        self.assertNotIn("passwd-", self.sees("ls /etc"))
        self.assertLess(len(self.sees("ls -d /proc/[0-9]*").split()), 6)
        self.assertNotIn("key", self.sees("cat ../secret; cat /proc/1/r*t/etc/shadow; true"))

    def test_without_the_network_there_is_none(self) -> None:
        self.assertEqual(self.sees("tail -n +3 /proc/net/dev | cut -d: -f1", network=False).split(), ["lo"])

    def test_its_environment_is_what_it_was_given_whatever_that_is(self) -> None:
        odd = {"QUOTE": 'it\'s "$HOME" `id` \\ !', "LINES_OF_IT": "a\nb\n\n c", "EMPTY": "", "WIDE": "Ünïcode ☃"}
        said = self.sees('env | cat; echo; printf \'%s|\' "$QUOTE" "$LINES_OF_IT" "$EMPTY" "$WIDE"', env=odd)
        self.assertTrue(said.endswith("|".join([*odd.values(), ""])), said)
        large = "x" * 100_000
        self.assertEqual(self.sees("echo ${#LARGE}", env={"LARGE": large}), "100000\n")
        self.assertEqual(self.sees("echo $PATH", env={"PATH": "/bin:/mine"}), "/bin:/mine\n")
        self.assertIn("/bin", self.sees("echo $PATH"))

    def test_its_environment_is_in_no_list_and_the_workers_is_nowhere(self) -> None:
        with mock.patch.dict(os.environ, {"SECRET_KEY": "the-workers-own-key"}):
            step = self.inside(
                "cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; echo up; sleep 600",
                env={"TOKEN": "not-for-everyone", "LD_PRELOAD": "/srv/evil.so", "DOCKER_HOST": "tcp://evil"},
            )
            step.says("up\n")
        self.assertNotIn("the-workers-own-key", step.output)
        self.assertIn("TOKEN=not-for-everyone", step.output)
        container = step.process.sandbox
        assert isinstance(container, Container)
        self.assertNotIn("not-for-everyone", engine.ask(self.program, "inspect", container.name))
        outside = 0
        for process in map(psutil.Process, self.below(step)):
            self.assertNotIn("not-for-everyone", " ".join(process.cmdline()))
            if not usage.is_inner(process.pid):
                outside += 1
                self.assertFalse({"TOKEN", "LD_PRELOAD", "SECRET_KEY"} & process.environ().keys(), process)
        self.assertGreaterEqual(outside, 2)
        step.over()

    def test_shared_memory_is_bounded(self) -> None:
        step = self.inside("dd if=/dev/zero of=/dev/shm/x bs=1M count=30", limits=Limits(memory=20)).wait().over()
        self.assertIn("No space left", step.output)


class LimitTests(ContainerCase):
    """Measured by the guardian: these containers have no control group that the kernel could hold them to."""

    def test_too_much_memory_ends_it(self) -> None:
        step = self.inside("x=$(dd if=/dev/zero bs=1M count=80 | tr '\\0' x); sleep 600", limits=Limits(memory=60))
        eventually(lambda: step.read() is not None and step.process.is_over, 60)
        excess = step.process.excess
        self.assertIsNotNone(excess, step.output)
        self.assertEqual(excess.limit, "memory")
        self.assertEqual(self.containers(), [])

    def test_too_many_processes_end_it(self) -> None:
        script = "for n in $(seq 60); do sleep 600 & done; wait"
        step = self.inside(script, limits=Limits(tasks=40))
        eventually(lambda: step.read() is not None and step.process.is_over, 60)
        excess = step.process.excess
        self.assertEqual((excess.limit, excess.measured > 40), ("tasks", True))
        self.assertEqual(self.containers(), [])

    def test_as_many_as_are_allowed_are(self) -> None:
        step = self.inside("for n in $(seq 30); do sleep 1 & done; wait; echo all", limits=Limits(tasks=40)).wait()
        self.assertEqual((step.process.exit_code, step.process.excess), (0, None))

    def test_the_engine_holds_files(self) -> None:
        limits = Limits(file=1, open_files=64)
        own = [OPTIONS[0], "--ulimit", "nproc=4096:4096"]
        with override_settings(BUILDBOARD_CONTAINER_OPTIONS=own):
            step = self.inside("ulimit -n; dd if=/dev/zero of=big bs=1M count=3", limits=limits).wait().over()
        self.assertEqual(step.output.split()[0], "64")
        self.assertLessEqual((self.folder / "work/big").stat().st_size, 1024 * 1024)
