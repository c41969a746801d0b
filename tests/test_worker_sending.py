"""When a supervisor starts a sender, and when it does not."""

import subprocess
from unittest import mock

from django.db import OperationalError
from django.test import SimpleTestCase, tag

from builds import outbox
from builds.worker import sending
from builds.worker.sending import Sending


@tag("fast")
class SendingTest(SimpleTestCase):
    def setUp(self) -> None:
        self.popen = mock.patch.object(subprocess, "Popen").start()
        self.due = mock.patch.object(outbox, "is_due", return_value=False).start()
        self.addCleanup(mock.patch.stopall)
        self.child = self.popen.return_value
        self.child.poll.return_value = self.child.returncode = None
        self.sending = Sending(100.0)

    def test_it_looks_now_and_then_and_starts_one_where_a_message_is_due(self) -> None:
        for now in (100.0, 100.9, 101.0, 101.5, 102.0):
            self.sending.look(now)
        self.assertEqual((self.due.call_count, self.popen.call_count), (2, 0))
        self.due.return_value = True
        for now in (103.0, 104.0, 105.0):
            self.sending.look(now)
        self.assertEqual((self.due.call_count, self.popen.call_count), (3, 1))
        self.assertIn("--send", self.popen.call_args.args[0])

    def test_one_that_dies_at_once_is_not_started_at_once(self) -> None:
        self.due.return_value = True
        self.sending.look(101.0)
        self.child.poll.return_value = self.child.returncode = 1
        with self.assertLogs("builds.worker.sending", "ERROR"):
            self.sending.look(102.0)
        self.sending.look(103.0)
        self.assertEqual(self.popen.call_count, 1)
        self.sending.look(102.0 + sending.REST_SECONDS)
        self.assertEqual(self.popen.call_count, 2)

    def test_a_database_that_is_away_is_asked_again_later(self) -> None:
        self.due.side_effect = OperationalError("away")
        with self.assertLogs("builds.worker.sending", "WARNING"):
            self.sending.look(101.0)
        self.assertTrue(self.sending.is_over(101.5))
