"""Workers as processes, and what dies: every build says what became of it, and none of its processes stays."""

import os
import signal
from pathlib import Path

import psutil
from django.test import SimpleTestCase

from tests.support.board import Board
from tests.support.processes import Process, alive, eventually

DAEMON = """
steps:
  - name: daemonise
    run: |
      (setsid sh -c 'trap "" HUP; echo $$ > "$PIDS/daemon"; while :; do sleep 0.1; done' >/dev/null 2>&1 &)
      (env -i PIDS="$PIDS" setsid sh -c 'echo $$ > "$PIDS/naked"; while :; do sleep 0.1; done' >/dev/null 2>&1 &)
      while [ ! -s "$PIDS/daemon" ] || [ ! -s "$PIDS/naked" ]; do sleep 0.01; done
      echo $$ > "$PIDS/step"
      echo ready
      sleep 600
"""


class SupervisorTests(SimpleTestCase):
    databases = {"default"}

    def setUp(self) -> None:
        self.board = Board(BUILDBOARD_LEASE_SECONDS="3", BUILDBOARD_GRACE_SECONDS="1")
        self.addCleanup(self.board.close)
        self.pids_folder = self.board.data

    def begin(self, recipe: str = DAEMON) -> int:
        """A build that has got as far as `ready`."""
        self.board.project("p", f"env: {{PIDS: {self.pids_folder}}}\n{recipe}")
        build_id = self.board.enqueue("p")
        eventually(lambda: "ready" in self.board.lines(build_id), 20, self.board.outputs)
        return build_id

    def pids(self) -> list[int]:
        return [int(Path(self.pids_folder, name).read_text()) for name in ("daemon", "naked", "step")]

    def worker(self, supervisor: Process) -> psutil.Process:
        """The process that runs builds."""
        [found] = [child for child in psutil.Process(supervisor.pid).children() if "--one" in child.cmdline()]
        self.assertIn("worker", found.cmdline())
        self.assertEqual(os.getpgid(found.pid), found.pid)
        return found

    def all_gone(self, pids: list[int]) -> None:
        eventually(lambda: not any(map(alive, pids)), 10, lambda: f"{[pid for pid in pids if alive(pid)]} still live")

    def test_a_killed_worker_loses_its_build_at_once_and_leaves_no_process(self) -> None:
        supervisor = self.board.workers(1)
        build_id = self.begin()
        pids = self.pids()
        self.worker(supervisor).kill()
        lost = self.board.wait(build_id, 6, status="lost")
        self.assertRegex(lost["reason"], r"^The worker .+ died \(signal SIGKILL\)\.$")
        self.all_gone(pids)
        self.board.project("after", "steps: [{name: a, run: echo next}]")
        self.assertEqual(self.board.wait(self.board.enqueue("after"), 20)["status"], "passed")
        self.assertEqual(supervisor.terminate(), 0)

    def test_a_supervisor_killed_with_its_workers_finds_everything_when_it_is_back(self) -> None:
        supervisor = self.board.workers(1)
        build_id = self.begin()
        pids = self.pids()
        worker = self.worker(supervisor)
        guardian = next(child for child in worker.children() if "guardian.py" in " ".join(child.cmdline()))
        supervisor.kill()
        for process in (guardian, worker):  # the worst case: nobody is left who could clean up
            process.kill()
        self.board.workers(1)
        lost = self.board.wait(build_id, 12, status="lost")
        self.assertIn("no sign of life for 3 s", lost["reason"])
        marked = [pid for pid in pids if pid != pids[1]]
        self.all_gone(marked)
        eventually(lambda: not (self.board.data / "workspaces" / str(build_id)).exists(), 10)
        psutil.Process(pids[1]).kill()  # it hid its build's mark, and its guardian was killed: nothing can know it

    def test_a_supervisor_and_its_workers_killed_together_leave_no_process(self) -> None:
        supervisor = self.board.workers(1)
        build_id = self.begin()
        pids = self.pids()
        worker = self.worker(supervisor)
        supervisor.kill()
        worker.kill()
        self.all_gone(pids)
        self.board.workers(1)
        self.board.wait(build_id, 12, status="lost")

    def test_a_worker_whose_supervisor_is_killed_stops_its_build(self) -> None:
        supervisor = self.board.workers(1)
        build_id = self.begin()
        worker = self.worker(supervisor)
        supervisor.kill()
        ended = self.board.wait(build_id, 10)
        self.assertEqual((ended["status"], ended["reason"]), ("cancelled", "The worker's supervisor died."))
        self.all_gone([*self.pids(), worker.pid])

    def test_the_first_signal_drains_and_the_second_stops(self) -> None:
        supervisor = self.board.workers(1)
        build_id = self.begin()
        waiting = self.board.enqueue("p")
        supervisor.signal(signal.SIGTERM)
        supervisor.wait_for("state=draining")
        self.assertEqual(self.board.build(build_id)["status"], "running")
        supervisor.signal(signal.SIGTERM)
        ended = self.board.wait(build_id, 10)
        self.assertEqual((ended["status"], ended["reason"]), ("cancelled", "The worker was stopped."))
        self.assertEqual(supervisor.wait(), 0)
        self.assertEqual(self.board.build(waiting)["status"], "queued")
        self.all_gone(self.pids())

    def test_draining_lets_a_running_build_finish(self) -> None:
        supervisor = self.board.workers(1)
        recipe = "steps: [{name: a, run: 'echo ready; while [ ! -e \"$PIDS/go\" ]; do sleep 0.05; done'}]"
        build_id = self.begin(recipe)
        supervisor.signal(signal.SIGINT)
        supervisor.wait_for("state=draining")
        Path(self.pids_folder, "go").touch()
        self.assertEqual(self.board.wait(build_id, 10)["status"], "passed")
        self.assertEqual(supervisor.wait(), 0)

    def test_without_draining_the_first_signal_stops(self) -> None:
        supervisor = self.board.workers(2, "--no-drain")
        build_id = self.begin()
        self.assertEqual(supervisor.terminate(8), 0)
        self.assertEqual(self.board.build(build_id)["reason"], "The worker was stopped.")
        self.all_gone(self.pids())

    def test_two_workers_run_two_builds_at_a_time_and_each_build_once(self) -> None:
        self.board.workers(2)
        self.board.project("p", "steps: [{name: a, run: 'echo run; sleep 0.3'}]")
        builds = [self.board.enqueue("p") for _ in range(6)]
        ended = [self.board.wait(build_id) for build_id in builds]
        self.assertEqual({build["status"] for build in ended}, {"passed"})
        self.assertEqual([self.board.lines(build_id) for build_id in builds], [["run"]] * 6)
        self.assertEqual(len({build["worker"] for build in ended}), 2)

    def test_a_wrong_concurrency_is_refused_by_name(self) -> None:
        done = self.board.manage("worker", "--concurrency", "0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--concurrency 0: expected a number from 1 to 256", done.stderr)
