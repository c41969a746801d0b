"""Workers as processes, and what dies: every build says what became of it, and none of its processes stays."""

import os
import signal
import subprocess
from unittest.mock import patch

import psutil
import psycopg
from django.test import SimpleTestCase, tag

from builds.worker import leftovers
from builds.worker.supervisor import Place, Supervisor
from tests.support.board import Board
from tests.support.processes import Process, alive, eventually
from tests.support.servers import postgres_url

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

    def begin(self, slug: str = "p", recipe: str = DAEMON) -> int:
        """A build that has got as far as `ready`; its processes leave their numbers in a folder of its own."""
        folder = self.board.data / slug
        folder.mkdir()
        self.board.project(slug, f"env: {{PIDS: {folder}}}\n{recipe}")
        build_id = self.board.enqueue(slug)
        eventually(lambda: "ready" in self.board.lines(build_id), 20, self.board.outputs)
        return build_id

    def pids(self, slug: str = "p") -> dict[str, int]:
        return {name: int((self.board.data / slug / name).read_text()) for name in ("daemon", "naked", "step")}

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
        self.all_gone([*pids.values()])
        self.board.project("after", "steps: [{name: a, run: echo next}]")
        self.board.wait(self.board.enqueue("after"), 20, status="passed")
        self.assertEqual(supervisor.terminate(), 0)

    def test_supervisor_and_workers_killed_together_leave_nothing_once_they_are_back(self) -> None:
        supervisor = self.board.workers(2)
        guarded, unguarded = self.begin("guarded"), self.begin("unguarded")
        guarded_pids, unguarded_pids = self.pids("guarded"), self.pids("unguarded")
        workers = psutil.Process(supervisor.pid).children()
        guardian = psutil.Process(unguarded_pids["step"]).parent()
        for worker in workers:
            worker.suspend()  # else it might see its supervisor or its guardian die, and clean up
        guardian.kill()  # before it can see its worker die: of one build nobody is left to clean up
        supervisor.kill()
        for worker in workers:
            worker.kill()
        self.all_gone([*guarded_pids.values(), unguarded_pids["step"]])
        self.assertTrue(alive(unguarded_pids["daemon"]))

        self.board.workers(1)
        for build_id in (guarded, unguarded):
            lost = self.board.wait(build_id, 15, status="lost")
            self.assertIn("no sign of life for 3 s", lost["reason"])
            folder = self.board.data / "workspaces" / str(build_id)
            eventually(lambda folder=folder: not folder.exists(), 10)
        self.all_gone([unguarded_pids["daemon"]])
        psutil.Process(unguarded_pids["naked"]).kill()  # it threw away its build's mark: only a guardian can know it

    def test_a_worker_whose_supervisor_is_killed_stops_its_build(self) -> None:
        supervisor = self.board.workers(1)
        build_id = self.begin()
        worker = self.worker(supervisor)
        supervisor.kill()
        ended = self.board.wait(build_id, 10)
        self.assertEqual((ended["status"], ended["reason"]), ("cancelled", "The worker's supervisor died."))
        self.all_gone([*self.pids().values(), worker.pid])

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
        self.all_gone([*self.pids().values()])

    def test_draining_lets_a_running_build_finish(self) -> None:
        supervisor = self.board.workers(1)
        recipe = "steps: [{name: a, run: 'echo ready; while [ ! -e \"$PIDS/go\" ]; do sleep 0.05; done'}]"
        build_id = self.begin(recipe=recipe)
        supervisor.signal(signal.SIGINT)
        supervisor.wait_for("state=draining")
        (self.board.data / "p" / "go").touch()
        self.assertEqual(self.board.wait(build_id, 10)["status"], "passed")
        self.assertEqual(supervisor.wait(), 0)

    def test_without_draining_the_first_signal_stops(self) -> None:
        supervisor = self.board.workers(2, "--no-drain")
        build_id = self.begin()
        self.assertEqual(supervisor.terminate(8), 0)
        self.assertEqual(self.board.build(build_id)["reason"], "The worker was stopped.")
        self.all_gone([*self.pids().values()])

    def test_two_workers_run_two_builds_at_a_time_and_each_build_once(self) -> None:
        self.board.workers(2)
        self.board.project("p", "steps: [{name: a, run: 'echo run; sleep 0.3'}]")
        builds = [self.board.enqueue("p") for _ in range(6)]
        ended = [self.board.wait(build_id) for build_id in builds]
        self.assertEqual({build["status"] for build in ended}, {"passed"})
        self.assertEqual([self.board.lines(build_id) for build_id in builds], [["run"]] * 6)
        self.assertEqual(len({build["worker"] for build in ended}), 2)


class PostgresTests(SimpleTestCase):
    databases = {"default"}

    def test_connections_that_are_cut_again_and_again_cost_no_line_and_no_build(self) -> None:
        url = postgres_url()
        with (
            Board(database_url=url, BUILDBOARD_LEASE_SECONDS="3") as board,
            psycopg.connect(url, autocommit=True) as own,
        ):
            board.workers(1)
            board.project("p", "steps: [{name: a, run: 'for i in $(seq 1 40); do echo $i; sleep 0.1; done'}]")
            build_id = board.enqueue("p")
            for seen in (2, 12, 22):
                eventually(lambda seen=seen: len(board.lines(build_id)) >= seen, 20, board.outputs)
                own.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )
            board.wait(build_id, 20, status="passed")
            self.assertEqual(board.lines(build_id), [str(number) for number in range(1, 41)])
            seqs = [record.seq for record in board.stored(build_id)]
            self.assertEqual(seqs, list(range(1, len(seqs) + 1)))


@tag("fast")
class StartingTests(SimpleTestCase):
    def test_a_worker_that_cannot_be_started_is_tried_again_later_and_later(self) -> None:
        supervisor = Supervisor(1)
        place = Place()
        supervisor._places = [place]
        failing = patch.object(subprocess, "Popen", side_effect=BlockingIOError(11, "no more processes"))
        with failing as popen, self.assertLogs("builds.worker.supervisor", "ERROR"):
            for now in (0.0, 0.5, 1.0, 2.0, 3.0):
                supervisor._mind(now)
        self.assertEqual(popen.call_count, 3)
        self.assertEqual(supervisor._dead, {})


class FormerWorldTests(SimpleTestCase):
    databases = {"default"}

    def test_leftovers_of_a_former_world_are_ended_and_other_boards_are_left_alone(self) -> None:
        board = self.enterContext(Board())
        own, other = board.data / "workspaces", board.data / "elsewhere" / "workspaces"
        ended = {"former": ("former/57", own / "57" / "work")}
        left = {
            "of another data folder": ("former/57", other / "57" / "work"),
            "of a board that a build runs": ("inner/3", own / "57" / "work" / "var" / "workspaces" / "3" / "work"),
            "without a mark": ("", own / "57" / "work"),
        }
        sleepers = {}
        for name, (mark, workspace) in (ended | left).items():
            env = {"PATH": os.environ["PATH"], "BUILDBOARD_BUILD": mark, "BUILDBOARD_WORKSPACE": str(workspace)}
            sleepers[name] = self.enterContext(Process(["sleep", "600"], env=env))
        board.workers(1)
        for name in ended:
            eventually(lambda name=name: not sleepers[name].running, 10, name)
        for name in left:
            self.assertTrue(sleepers[name].running, name)


@tag("fast")
class LeftoversTests(SimpleTestCase):
    def test_what_a_step_writes_into_its_mark_ends_no_supervisor(self) -> None:
        for number, known in (("17", [17]), ("²", []), ("٣", []), ("9" * 5000, []), ("", []), ("-1", [])):
            process = type("Process", (), {"status": lambda self: "running"})()
            process.environ = lambda number=number: {"BUILDBOARD_BUILD": f"w/{number}"}
            with patch.object(psutil, "process_iter", return_value=[process]), self.subTest(number[:5]):
                self.assertEqual([one.build_id for one in leftovers._marked()], known)
