"""A command that a supervisor runs beside its workers: started, told, killed, and told of where it dies."""

import logging
import subprocess
from unittest import mock

from django.test import SimpleTestCase, tag

from builds.worker import child
from builds.worker.child import Child

LOGGER = logging.getLogger("builds.worker.test")


@tag("fast")
class ChildTest(SimpleTestCase):
    def setUp(self) -> None:
        self.popen = mock.patch.object(subprocess, "Popen").start()
        self.addCleanup(mock.patch.stopall)
        self.process = self.popen.return_value
        self.process.poll.return_value = self.process.returncode = None
        self.child = Child("rest", LOGGER)

    def test_one_that_ends_in_order_is_over(self) -> None:
        self.assertTrue(self.child.is_over(1.0))
        self.child.start("prune", "--dry-run")
        self.assertEqual(self.popen.call_args.args[0][2:], ["prune", "--dry-run", "--skip-checks"])
        self.assertFalse(self.child.is_over(2.0))
        self.process.poll.return_value = self.process.returncode = 0
        with self.assertNoLogs(LOGGER):
            self.assertTrue(self.child.is_over(3.0))
        self.process.stdin.close.assert_called_once()

    def test_one_that_does_not_end_when_it_is_told_is_killed(self) -> None:
        self.child.tell(0.0)
        self.child.start("prune")
        self.child.tell(1.0)
        self.child.tell(2.0)
        self.process.terminate.assert_called_once()
        self.assertFalse(self.child.is_over(1.0 + child.END_SECONDS - 0.1))
        self.process.kill.assert_not_called()
        self.child.is_over(1.0 + child.END_SECONDS)
        self.process.kill.assert_called_once()

    def test_what_goes_wrong_is_said(self) -> None:
        self.popen.side_effect = BlockingIOError(11, "no more processes")
        with self.assertLogs(LOGGER, "ERROR"):
            self.child.start("prune")
        self.assertTrue(self.child.is_over(1.0))
        self.popen.side_effect = None
        self.child.start("prune")
        self.process.poll.return_value = self.process.returncode = 3
        with self.assertLogs(LOGGER, "ERROR") as logged:
            self.assertTrue(self.child.is_over(2.0))
        self.assertIn("exit=3", logged.output[0])
