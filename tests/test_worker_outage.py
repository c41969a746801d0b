"""A worker whose PostgreSQL is away, or paused, while a step prints as fast as it can. Real processes; slow."""

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
from django.test import SimpleTestCase

from builds import events, printed
from tests.support.board import Board
from tests.support.processes import Process, alive, eventually
from tests.support.servers import Postgres

LINES = 300_000
FLOOD = f"steps: [{{name: a, run: \"echo ready; sleep 0.3; seq -f 'line %.0f' 1 {LINES}; echo the end\"}}]"
SLEEPS = """
steps:
  - name: a
    timeout: 3s
    run: echo ready; echo $$ > "$PIDS/step"; sleep 600
"""
STAYS = SLEEPS.replace("    timeout: 3s\n", "")
MEMORY = 16 * 1024 * 1024
"""So much may a worker grow while it waits."""


class OutageCase(SimpleTestCase):
    databases = {"default"}

    def setUp(self) -> None:
        self.server = Postgres(durable=True)
        self.addCleanup(self.server.close)
        self.board = Board(self.server.url(), BUILDBOARD_LEASE_SECONDS="5", BUILDBOARD_GRACE_SECONDS="1")
        self.addCleanup(self.board.close)

    def begin(self, recipe: str) -> int:
        self.board.project("p", f"env: {{PIDS: {self.board.data}}}\n{recipe}")
        build_id = self.board.enqueue("p")
        eventually(lambda: "ready" in self.board.lines(build_id), 20, self.board.outputs)
        return build_id

    def worker(self, supervisor: Process) -> psutil.Process:
        [found] = [child for child in psutil.Process(supervisor.pid).children() if "--one" in child.cmdline()]
        return found

    def watched(self, worker: psutil.Process, seconds: float) -> int:
        """Let so much time pass; by how many bytes the worker grew."""
        before, most = worker.memory_info().rss, 0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            most = max(most, worker.memory_info().rss)
            time.sleep(0.2)
        return most - before

    def whole(self, build_id: int) -> None:
        ended = self.board.wait(build_id, 90)
        self.assertEqual((ended["status"], ended["reason"]), ("passed", ""), self.board.outputs())
        with self.board.database():
            number = 0
            for first in range(2, LINES + 2, 50_000):
                for line in printed.lines(build_id, 0, first, min(first + 49_999, LINES + 1)):
                    number += 1
                    if line.text != f"line {number}" or line.number != number + 1:
                        self.fail(f"line {line.number} is {line.text!r}")
            self.assertEqual(number, LINES)
            self.assertEqual(printed.total_lines(build_id, 0), LINES + 2)
            self.assertEqual(events.gaps(build_id), [])


class AwayTests(OutageCase):
    def outage(self, away: Callable[[], Any], seconds: float, back: Callable[[], Any]) -> None:
        supervisor = self.board.workers(1)
        self.board.web()  # it watches the leases, too
        build_id = self.begin(FLOOD)
        worker = self.worker(supervisor)
        away()
        grown = self.watched(worker, seconds)
        back()
        self.whole(build_id)
        self.assertLess(grown, MEMORY)
        self.assertTrue(alive(worker.pid))

    def test_an_outage_of_more_than_a_minute_costs_no_line(self) -> None:
        self.outage(self.server.stop, 65, self.server.start)

    def test_a_server_that_is_killed_and_recovers_costs_no_line(self) -> None:
        self.outage(self.server.kill, 3, self.server.start)

    def test_a_pause_of_four_leases_costs_no_line_and_loses_no_build(self) -> None:
        """Two supervisors and a web process look at the leases, and go on in the same moment as the worker."""
        self.board.workers(1)  # nothing is queued for it
        self.outage(self.server.pause, 20, self.server.resume)


class PausedTests(OutageCase):
    def test_a_step_is_ended_on_time(self) -> None:
        self.board.workers(1)
        build_id = self.begin(SLEEPS)
        step = int((self.board.data / "step").read_text())
        self.server.pause()
        try:
            eventually(lambda: not alive(step), 3 + 12)
        finally:
            self.server.resume()
        ended = self.board.wait(build_id, 30)
        self.assertEqual((ended["status"], ended["reason"]), ("failed", "Step a took longer than its 3s."))

    def test_a_worker_that_is_told_to_stop_leaves_nothing(self) -> None:
        supervisor = self.board.workers(1, "--no-drain")
        build_id = self.begin(STAYS)
        step = int((self.board.data / "step").read_text())
        worker = self.worker(supervisor)
        self.server.pause()
        try:
            time.sleep(1)
            told = time.monotonic()
            supervisor.signal(15)
            eventually(lambda: not alive(step), 20, self.board.outputs)
            took = time.monotonic() - told
            self.assertEqual(supervisor.wait(30), 0)
            self.assertFalse(alive(worker.pid))
        finally:
            self.server.resume()
        self.assertLess(took, 15)
        self.board.workers(1)
        ended = self.board.wait(build_id, 30)
        self.assertIn(ended["status"], ("cancelled", "lost"))
        self.assertRegex(ended["reason"], re.compile("stopped|no sign of life"))

    def test_a_cancel_that_was_asked_for_before_is_carried_out_afterwards(self) -> None:
        self.board.workers(1)
        build_id = self.begin(STAYS)
        from builds import lifecycle

        self.server.pause()

        def cancel() -> None:
            with self.board.database():
                lifecycle.cancel(build_id, by="bob")

        waiting = threading.Thread(target=cancel)
        waiting.start()
        time.sleep(7)
        self.server.resume()
        waiting.join(30)
        ended = self.board.wait(build_id, 30)
        self.assertEqual((ended["status"], ended["reason"]), ("cancelled", "Cancelled by bob."))
