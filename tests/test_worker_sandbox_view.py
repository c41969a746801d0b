"""What a step in a sandbox sees, and what it cannot reach."""

import os
import socket
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

from builds.worker import sandbox
from builds.worker.process import Process
from builds.worker.sandbox import HOME, Sandbox
from tests.support import ROOT
from tests.support.processes import eventually

from .sandboxes import SandboxCase


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
