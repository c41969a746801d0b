"""A board prunes itself: one of its supervisors, when the turn is due, by a child that does not outlive it."""

import subprocess
from unittest import mock

import psutil
from django.db import OperationalError
from django.test import SimpleTestCase, override_settings, tag

from builds import retention
from builds.models import Board as BoardRow
from builds.models import Build
from builds.worker import child
from builds.worker.pruning import Pruning

from .oldlogs import long_log, over, rows
from .support.board import Board
from .support.processes import Process, alive, eventually

RECIPE = "steps: [{name: one, run: 'true'}, {name: two, run: 'true'}]"


class SupervisorsTests(SimpleTestCase):
    databases = {"default"}

    def setUp(self) -> None:
        self.board = Board(BUILDBOARD_PRUNE_MINUTES="60", BUILDBOARD_COMPACT_HOURS="0", BUILDBOARD_LEASE_SECONDS="3")
        self.addCleanup(self.board.close)
        self.board.project("hello", RECIPE)

    def children(self, supervisor: Process) -> list[psutil.Process]:
        return [one for one in psutil.Process(supervisor.pid).children() if "prune" in one.cmdline()]

    def test_of_two_supervisors_one_prunes_and_builds_go_on_meanwhile(self) -> None:
        with self.board.database():
            old = over(long_log())
            first, second = self.board.workers(1), self.board.workers(1)
            eventually(lambda: Build.objects.get(pk=old).compacted_at, 30, self.board.outputs)
            eventually(lambda: rows(old)[0] == 1, 10, self.board.outputs)
            self.assertIsNotNone(BoardRow.get().prune_at)
            self.board.wait(self.board.enqueue("hello"), 20, status="passed")
            eventually(lambda: "action=prune" in first.output() + second.output(), 10, self.board.outputs)
            self.assertEqual((first.output() + second.output()).count("action=prune compacted=1 pruned=0"), 1)
        self.assertEqual([first.terminate(), second.terminate()], [0, 0])

    def test_the_child_ends_with_its_supervisor_however_that_ends(self) -> None:
        for how in ("terminate", "kill"):
            with self.subTest(how), self.board.database():
                BoardRow.objects.update(prune_at=None)
                builds = [over(long_log(60)) for _ in range(12)]
                supervisor = self.board.workers(1)
                eventually(lambda: self.children(supervisor), 30, self.board.outputs)  # noqa: B023
                [child] = self.children(supervisor)
                eventually(lambda: Build.objects.get(pk=builds[0]).compacted_at, 30, self.board.outputs)  # noqa: B023
                if how == "kill":
                    supervisor.kill()
                else:
                    self.assertEqual(supervisor.terminate(10), 0)
                eventually(lambda: not alive(child.pid), 5, "the child outlived its supervisor")  # noqa: B023
                self.assertTrue(
                    Build.objects.filter(pk__in=builds, compacted_at=None).exists(), "it had ended by itself"
                )


@tag("fast")
class PruningTests(SimpleTestCase):
    def setUp(self) -> None:
        self.popen = mock.patch.object(subprocess, "Popen").start()
        self.turn = mock.patch.object(retention, "take_turn", return_value=True).start()
        self.addCleanup(mock.patch.stopall)
        self.child = self.popen.return_value
        self.child.poll.return_value = None
        self.child.returncode = None
        self.pruning = Pruning(100.0)

    @override_settings(BUILDBOARD_PRUNE_MINUTES=60)
    def test_it_asks_for_the_turn_now_and_then_and_never_beside_a_child(self) -> None:
        for now in (100.0, 102.9):
            self.pruning.look(now)
        self.turn.assert_not_called()
        self.turn.return_value = False
        for now in (103.0, 104.0, 132.0, 133.0):
            self.pruning.look(now)
        self.assertEqual(self.turn.call_count, 2)
        self.turn.return_value = True
        for now in (170.0, 200.0, 5000.0):
            self.pruning.look(now)
        self.assertEqual((self.turn.call_count, self.popen.call_count), (3, 1))

    @override_settings(BUILDBOARD_PRUNE_MINUTES=0)
    def test_never_is_never(self) -> None:
        self.pruning.look(1e9)
        self.turn.assert_not_called()

    @override_settings(BUILDBOARD_PRUNE_MINUTES=60)
    def test_what_goes_wrong_is_said_and_tried_at_another_time(self) -> None:
        with self.assertLogs("builds.worker.pruning", "WARNING"):
            self.turn.side_effect = OperationalError("away")
            self.pruning.look(110.0)
            self.turn.side_effect = None
            self.popen.side_effect = BlockingIOError(11, "no more processes")
            self.pruning.look(140.0)
        self.assertTrue(self.pruning.is_over(141.0))

    @override_settings(BUILDBOARD_PRUNE_MINUTES=60)
    def test_a_child_that_does_not_end_is_killed_and_one_that_fails_is_told_of(self) -> None:
        self.pruning.tell(1.0)
        self.pruning.look(110.0)
        self.pruning.tell(200.0)
        self.pruning.tell(201.0)
        self.child.terminate.assert_called_once()
        self.assertFalse(self.pruning.is_over(200.0 + child.END_SECONDS - 0.1))
        self.child.kill.assert_not_called()
        self.assertFalse(self.pruning.is_over(200.0 + child.END_SECONDS))
        self.child.kill.assert_called_once()
        self.child.poll.return_value = self.child.returncode = -9
        self.assertTrue(self.pruning.is_over(206.0))
        self.pruning.look(300.0)
        self.child.poll.return_value = self.child.returncode = 1
        with self.assertLogs("builds.worker.pruning", "ERROR") as logged:
            self.assertTrue(self.pruning.is_over(301.0))
        self.assertIn("exit=1", logged.output[0])
