"""Steps in a sandbox, for real: what they see, what they cannot reach, and that they end as any step does."""

import os
import signal
import socket
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
from builds.worker.process import Process
from builds.worker.sandbox import HOME, Sandbox
from tests.support import ROOT
from tests.support.processes import alive, eventually
from tests.support.steps import Step, StepCase, need_sandbox
from tests.support.users import as_nobody
from tests.test_worker_limits import LimitTests

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


class SandboxCase(StepCase):
    def setUp(self) -> None:
        super().setUp()
        need_sandbox()

    def inside(self, script: str, **given: Any) -> Step:
        options = {name: given.pop(name) for name in ("limits", "env", "argv", "grace") if name in given}
        return self.step(script, sandbox={"readable": sandbox.readable(), "hidden": [ROOT / "var"], **given}, **options)


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


class ViewTests(SandboxCase):
    """What a step sees."""

    def sees(self, script: str, **given: Any) -> str:
        step = self.inside(script, **given).wait().over()
        self.assertEqual(step.process.exit_code, 0, step.output)
        return step.output

    def refused(self, script: str, **given: Any) -> str:
        step = self.inside(script, **given).wait().over()
        self.assertNotEqual(step.process.exit_code, 0, step.output)
        return step.output

    def test_it_is_a_user_without_any_right_on_a_machine_of_its_own(self) -> None:
        said = self.sees("id -un; hostname; grep -E '^(Cap|NoNew)' /proc/self/status; echo ~")
        self.assertEqual(said.split()[:2], ["build", "build"])
        self.assertEqual(
            set(said.split("\n")[2:7]), {f"Cap{kind}:\t{'0' * 16}" for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
        )
        self.assertIn("NoNewPrivs:\t1", said)
        self.assertIn("unshare failed", self.refused("unshare --user true"))

    def test_of_all_files_it_sees_the_system_and_its_workspace(self) -> None:
        (self.folder / "secret").write_text("key")
        shown = {Path(path).parts[1] for path in (self.folder, *sandbox._reachable(sandbox.readable()))}
        top = set(self.sees("ls -A /").split()) - set(sandbox._SYSTEM)
        self.assertEqual(top, shown | {"dev", "etc", "home", "proc", "run", "tmp", "usr", "var"})
        self.assertEqual(self.sees("ls -A /home .."), "..:\nwork\n\n/home:\nbuild\n")
        said = self.sees("ls -A /etc /etc/ssl")
        for held in ("shadow", "ssh\n", "sudoers", "passwd-", "private"):
            self.assertNotIn(held, said)
        self.assertEqual(self.sees("cut -d: -f1 /etc/passwd"), "root\nbuild\nnobody\n")
        for path in (
            "/etc/shadow",
            os.path.expanduser("~root/.bashrc"),
            "/etc/ssl/private",
            str(self.folder / "secret"),
            "/sys/kernel",
        ):
            self.refused(f"ls {path}")

    def test_it_writes_its_workspace_its_home_and_its_tmp_and_nothing_else(self) -> None:
        self.sees(
            "echo a > here; echo b > ~/there; echo c > /tmp/private; echo d > /var/tmp/too", env={"HOME": str(HOME)}
        )
        self.assertEqual((self.folder / "work/here").read_text(), "a\n")
        self.assertEqual((self.folder / "home/there").read_text(), "b\n")
        self.assertFalse(Path("/tmp/private").exists())
        self.assertIn("c\n", self.sees("cat /tmp/private"))  # of the same build
        for path in ("/usr/x", "/etc/x", "/x", "/dev/x", "/run/x", "../x", "/var/x", sys.base_prefix + "/x"):
            self.assertRegex(self.refused(f": > {path}"), "Read-only|Permission|cannot create", path)

    def test_of_the_kernel_nothing_can_be_set(self) -> None:
        paths = ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger")
        for path in filter(os.path.exists, paths):
            self.assertIn("Read-only file system", self.refused(f": >> {path}"))
        for path in filter(os.path.exists, ("/proc/keys", "/proc/timer_list", "/proc/kcore", "/proc/kmsg")):
            self.assertIn("Permission denied", self.refused(f"cat {path}"))

    def test_shared_memory_is_bounded(self) -> None:
        self.assertIn("No space left", self.refused("head -c 3000000 /dev/zero > /dev/shm/x", memory_mb=2))

    def test_it_sees_no_process_but_its_own_and_none_of_their_files(self) -> None:
        self.assertLess(len(self.sees("ls -d /proc/[0-9]*").split()), 6)
        self.refused("kill -0 $(seq 200 400)")
        self.refused(f"kill -9 {os.getpid()}")
        folders = (f"/proc/1/{link}/etc" for link in ("root", "cwd"))
        for path in ("/proc/1/environ", "/proc/1/fd/5", "/proc/1/mem", *folders):
            self.assertRegex(self.refused(f"ls {path}/; cat {path}"), "Permission denied|No such")

    def test_the_workers_environment_is_nowhere(self) -> None:
        with mock.patch.dict(os.environ, {"SECRET_KEY": "the-workers-own-key"}):
            said = self.sees(
                "cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; env", env={"MINE": "of the step"}
            )
        self.assertNotIn("the-workers-own-key", said)
        self.assertIn("MINE=of the step", said)

    def test_the_list_of_processes_outside_shows_nothing_of_its_environment(self) -> None:
        step = self.inside("echo up; sleep 60", env={"TOKEN": "not-for-everyone"})
        step.says("up")
        for process in psutil.Process(step.process._guardian.pid).children(recursive=True):
            self.assertNotIn("not-for-everyone", " ".join(process.cmdline()))
        step.over()

    def test_what_a_recipe_puts_into_the_environment_is_never_that_of_a_process_outside(self) -> None:
        (self.folder / "work").mkdir()
        library = self.folder / "work/evil.so"
        library.write_bytes(b"not a library: the loader says so where it is asked to load it")
        step = self.inside("echo up; sleep 60", env={"LD_PRELOAD": str(library), "PYTHONPATH": "/tmp"})
        step.says("up")
        outer = psutil.Process(step.process._guardian.pid).children()[0]
        self.assertEqual(outer.environ(), {})
        self.assertEqual(step.read().count("evil.so"), 2)  # by the shell and by sleep alone
        step.over()

    def test_a_database_and_a_data_folder_in_a_readable_folder_are_not_there(self) -> None:
        data = self.folder / "checkout" / "var"
        data.mkdir(parents=True)
        (data / "secret-key").write_text("key")
        database = self.folder / "checkout" / "board.sqlite3"
        database.write_text("rows")
        (data.parent / "code").write_text("readable")
        hidden = [ROOT / "var" / "nothing", data, database, Path(f"{database}-wal")]
        readable = [*sandbox.readable(), data.parent]
        said = self.sees(f"cat {data.parent}/code {database}; ls -A {data}", readable=readable, hidden=hidden)
        self.assertIn("readable", said)
        self.assertNotIn("rows", said)
        self.assertNotIn("key", said)
        self.refused(f": > {data}/x", readable=readable, hidden=hidden)

    def test_in_a_hidden_folder_nothing_is_there_but_the_way_to_the_workspace_not_even_by_name(self) -> None:
        data = self.folder / "checkout" / "var"
        data.mkdir(parents=True)
        for name in ("secret-key", "board.sqlite3", "mirrors"):
            (data / name).write_text("x")
        hidden = [data, data / "board.sqlite3", data]
        given = {"readable": [*sandbox.readable(), data.parent], "hidden": hidden}
        self.assertEqual(self.sees(f"ls -A {data}", **given), "")
        work = data / "workspaces/42/work"
        work.mkdir(parents=True)
        (data / "workspaces/43").mkdir()
        for name in ("home", "tmp"):
            (work.parent / name).mkdir()
        around = Sandbox(work, work.parent / "home", work.parent / "tmp", **given)
        process = Process(["sh", "-c", f"ls -A {data} .. ../.."], env={}, cwd=work, grace=0.3, sandbox=around)
        self.addCleanup(process.close)
        said = b""

        def over() -> bool:
            nonlocal said
            said += process.read()
            process.hear()
            return process.is_over

        eventually(over, 20)
        self.assertEqual(said.decode(), f"..:\nwork\n\n../..:\n42\n\n{data}:\nworkspaces\n")

    def test_without_the_network_nothing_answers_not_even_this_machine(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
            abstract.bind("\0bb-test-" + str(os.getpid()))
            abstract.listen()
            port = server.getsockname()[1]
            unix = f"socket.socket(socket.AF_UNIX).connect('\\0bb-test-{os.getpid()}'); print('unix')"
            tries = (f"socket.create_connection(('127.0.0.1', {port}), 5); print('tcp')", unix)
            reach = "\n".join(f'{sys.executable} -c "import socket; {code}"' for code in tries)
            reach += "\ntail -n +3 /proc/net/dev | cut -d: -f1"
            self.assertIn("tcp\nunix\n", self.sees(reach))
            said = self.sees(reach, network=False)
        self.assertEqual(said.count("Connection refused"), 2)
        self.assertEqual(said.split()[-1], "lo")

    def test_a_link_in_the_workspace_leads_nowhere(self) -> None:
        (self.folder / "secret").write_text("key")
        self.assertIn("No such file", self.refused(f"ln -s {self.folder}/secret l; cat l; exec cat ../secret"))


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
