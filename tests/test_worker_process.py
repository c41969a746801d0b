"""A step's processes, for real: their terminal, their exit codes, and that nothing of them stays."""

import os
import signal
import tempfile
import time
from pathlib import Path

import psutil
from django.test import SimpleTestCase

from builds.worker.process import Process
from tests.support.processes import alive, eventually

DAEMONISE = (
    "(setsid sh -c 'echo $$ > daemon.pid; trap \"\" TERM HUP; while :; do sleep 0.1; done' >/dev/null 2>&1 &) ; "
)
WAIT_FOR_DAEMON = "while [ ! -s daemon.pid ]; do sleep 0.01; done; "


class ProcessTests(SimpleTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-process-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def start(self, script: str, *, grace: float = 0.3, interpreter: str = "sh", silence: float = 60) -> Process:
        env = {"PATH": os.environ["PATH"]}
        process = Process([interpreter, "-e", "-c", script], env=env, cwd=self.folder, grace=grace, silence=silence)
        self.addCleanup(process.close)
        return process

    def ended(self, process: Process) -> bytes:
        """All output, once its first process has exited."""
        data = b""
        deadline = time.monotonic() + 10
        while process.exit_code is None and not process.is_over:
            data += process.read()
            process.hear()
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)
        time.sleep(0.05)
        return data + process.read()

    def over(self, process: Process) -> None:
        def gone() -> bool:
            process.read()
            process.hear()
            return process.is_over

        eventually(gone, 10, "something of the step still lives")

    def daemon(self) -> int:
        file = self.folder / "daemon.pid"
        eventually(lambda: file.exists() and file.read_text().strip(), 10)
        return int(file.read_text())

    def test_output_comes_from_a_terminal_as_it_was_written(self) -> None:
        process = self.start("test -t 1 && test -t 2 && printf 'a\\nb\\n' && cat && stty size <&1")
        self.assertEqual(self.ended(process), b"a\nb\n48 160\n")
        self.assertEqual(process.exit_code, 0)
        self.over(process)

    def test_exit_codes_and_signals_are_told_as_they_are(self) -> None:
        for script, code in (("exit 3", 3), ("kill -9 $$", -9), ("kill -TERM $$", -15), ("false; echo no", 1)):
            with self.subTest(script=script):
                process = self.start(script)
                self.ended(process)
                self.assertEqual(process.exit_code, code)

    def test_a_child_that_exits_meanwhile_does_not_change_the_exit_code(self) -> None:
        process = self.start("(exit 7) & sleep 0.1; (sh -c 'sleep 0.05; exit 9' &); exit 3")
        self.ended(process)
        self.assertEqual(process.exit_code, 3)

    def test_a_command_that_does_not_exist_is_127_with_a_message(self) -> None:
        process = self.start("exit 0", interpreter="no-such-shell")
        self.assertEqual(self.ended(process), b"no-such-shell: not found\n")
        self.assertEqual(process.exit_code, 127)

    def test_signals_that_python_ignores_are_as_usual(self) -> None:
        process = self.start("yes | head -1; echo ${PIPESTATUS[0]}", interpreter="bash")
        self.assertEqual(self.ended(process).split(), [b"y", b"141"])

    def test_a_grandchild_that_holds_the_terminal_does_not_hold_up_the_end(self) -> None:
        process = self.start("echo hi; (sleep 0.5; echo late; sleep 60) & exit 0")
        self.assertEqual(self.ended(process), b"hi\n")
        self.assertFalse(process.is_over)
        late = b""

        def heard() -> bool:
            nonlocal late
            late += process.read()
            return late == b"late\n"

        eventually(heard, 10)
        process.stop(0.2)
        self.over(process)

    def test_stopping_ends_what_resists_and_what_daemonised(self) -> None:
        process = self.start("trap '' TERM; " + DAEMONISE + WAIT_FOR_DAEMON + "while :; do sleep 0.1; done")
        daemon = self.daemon()
        process.stop(0.2)
        self.over(process)
        self.assertFalse(alive(daemon))
        self.assertEqual(process.exit_code, -signal.SIGKILL)

    def test_stopping_lets_a_step_clean_up(self) -> None:
        process = self.start("trap 'echo cleaned; exit 4' TERM; echo ready; while :; do sleep 0.05; done", grace=10)
        eventually(lambda: process.read() == b"ready\n", 10)
        process.stop(10)
        self.assertTrue(self.ended(process).endswith(b"cleaned\n"))
        self.assertEqual(process.exit_code, 4)

    def test_a_longer_grace_can_be_shortened(self) -> None:
        process = self.start("trap '' TERM; echo ready; while :; do sleep 0.05; done")
        eventually(lambda: process.read() == b"ready\n", 10)
        process.stop(600)
        process.stop(0.1)
        self.over(process)

    def test_when_its_worker_is_gone_nothing_stays(self) -> None:
        process = self.start(DAEMONISE + WAIT_FOR_DAEMON + "sleep 60", grace=600)
        daemon = self.daemon()
        guardian = process._guardian.pid
        process.close()
        eventually(lambda: not alive(daemon) and not alive(guardian), 10)

    def test_a_worker_that_hangs_is_as_good_as_dead(self) -> None:
        process = self.start("echo $$; exec sleep 60", silence=0.5)
        pid = int(eventually(process.read, 10))
        for _ in range(8):
            time.sleep(0.1)
            process.reassure()
        self.assertTrue(alive(pid))
        eventually(lambda: not alive(pid), 10)

    def test_a_guardian_that_stood_still_does_not_take_that_time_for_the_workers_silence(self) -> None:
        process = self.start("echo $$; exec sleep 60", silence=3)
        pid = int(eventually(process.read, 10))
        guardian = psutil.Process(process._guardian.pid)
        guardian.suspend()
        time.sleep(4)
        guardian.resume()
        time.sleep(0.2)
        process.reassure()
        time.sleep(1)
        self.assertTrue(alive(pid))

    def test_a_step_whose_guardian_is_killed_ends(self) -> None:
        process = self.start("echo $$; exec sleep 60")
        pid = int(eventually(process.read, 10))
        psutil.Process(process._guardian.pid).kill()
        self.over(process)
        self.assertIsNone(process.exit_code)
        eventually(lambda: not alive(pid), 10)
