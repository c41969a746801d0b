"""What a step may use: the sentences, and that a step which goes beyond is ended and nothing else is."""

import os
import sys

from django.test import SimpleTestCase, override_settings, tag

from builds.worker.limits import Excess, Limits
from tests.support.processes import alive
from tests.support.steps import StepCase

HOG = f"{sys.executable} -c 'import time; held = bytearray(b\"x\") * (300 << 20); time.sleep(60)'"
BOMB = "i=0; while [ $i -lt 300 ]; do sleep 60 & i=$((i+1)); done; echo all; wait"


@tag("fast")
class SentenceTests(SimpleTestCase):
    def test_what_was_measured_and_what_is_allowed(self) -> None:
        limits = Limits(memory=512, tasks=4096)
        self.assertEqual(limits.excess(Excess("memory", 1812)), "used 1,812 MiB of memory; 512 MiB are allowed")
        self.assertEqual(
            limits.excess(Excess("tasks", 5000)), "ran 5,000 processes and threads at a time; 4,096 are allowed"
        )

    def test_an_exit_code_that_tells_of_a_large_file_is_explained_where_there_is_a_limit(self) -> None:
        said = "A file grew beyond 1,024 MiB, the most that is allowed."
        self.assertEqual([Limits(file=1024).hint(code) for code in (-25, 153, 1, None)], [said, said, "", ""])
        self.assertEqual(Limits().hint(-25), "")

    def test_they_are_the_settings(self) -> None:
        given = {"STEP_MEMORY_MB": 1, "STEP_TASKS": 2, "FILE_MB": 3, "OPEN_FILES": 4}
        with override_settings(**{f"BUILDBOARD_MAX_{name}": value for name, value in given.items()}):
            self.assertEqual(Limits.of_settings(), Limits(1, 2, 3, 4))

    def test_the_kernels_count_of_processes_is_used_only_where_it_is_the_steps_own(self) -> None:
        limits = Limits(tasks=10, file=1, open_files=64)
        self.assertEqual(limits.rlimits(enclosed=False), {"RLIMIT_FSIZE": 1024 * 1024, "RLIMIT_NOFILE": 64})
        self.assertEqual(limits.rlimits(enclosed=True)["RLIMIT_NPROC"], 20)
        self.assertEqual(Limits().rlimits(enclosed=True), {})


class LimitTests(StepCase):
    """Without a sandbox; test_worker_sandbox.py has the same inside one."""

    sandbox: dict | None = None

    def limited(self, script: str, **limits: int):
        return self.step(script, limits=Limits(**limits), sandbox=self.sandbox).wait()

    def test_a_step_that_takes_too_much_memory_is_ended_and_it_is_measured(self) -> None:
        step = self.limited(HOG, memory=100)
        self.assertEqual((step.process.excess.limit, step.process.exit_code), ("memory", -9))
        self.assertTrue(100 < step.process.excess.measured < 400, step.process.excess)
        step.over()

    def test_memory_that_processes_share_is_counted_once(self) -> None:
        fork = "import os, time; held = bytearray(b'x') * (60 << 20); [os.fork() for _ in range(2)]; time.sleep(1)"
        step = self.limited(f'{sys.executable} -c "{fork}"; echo fine', memory=150)
        self.assertEqual((step.process.excess, step.process.exit_code, step.output), (None, 0, "fine\n"))

    def test_a_step_that_starts_too_many_processes_is_ended_with_all_of_them(self) -> None:
        step = self.limited(BOMB, tasks=100)
        self.assertEqual(step.process.excess.limit, "tasks")
        self.assertGreater(step.process.excess.measured, 100)
        step.over()

    def test_what_a_step_left_behind_is_held_to_them_too(self) -> None:
        step = self.limited(f"{HOG} & echo done", memory=100)
        self.assertEqual((step.process.exit_code, step.output), (0, "done\n"))
        step.over(grace=20)
        step.read()
        self.assertTrue(step.process.excess is None or step.process.excess.limit == "memory")

    def test_no_file_grows_beyond_the_limit(self) -> None:
        step = self.limited("exec head -c 3000000 /dev/zero > big", file=1)
        self.assertEqual(step.process.exit_code, -25)
        self.assertEqual((step.work / "big").stat().st_size, 1024 * 1024)
        self.assertEqual(Limits(file=1).hint(step.process.exit_code)[:11], "A file grew")

    def test_no_process_opens_more_files(self) -> None:
        step = self.limited("ulimit -n; ulimit -n 65 || echo refused", open_files=64)
        self.assertEqual(step.output.split()[0], "64")
        self.assertTrue(step.output.endswith("refused\n"))

    def test_without_limits_nothing_is_measured_and_nothing_ends(self) -> None:
        step = self.limited("seq 3 | while read n; do (sleep 0.2 &) ; done; echo fine")
        self.assertEqual((step.process.excess, step.process.exit_code, step.output), (None, 0, "fine\n"))

    def test_the_machine_ends_steps_before_everything_else_when_it_has_no_memory(self) -> None:
        self.assertEqual(self.limited("cat /proc/self/oom_score_adj").output, "500\n")
        self.assertTrue(alive(os.getpid()))
