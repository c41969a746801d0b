"""What a worker process is told, and what it makes of silence."""

import os
from unittest import mock

from django.test import SimpleTestCase, tag

from builds.worker.orders import DRAIN, STOP, Orders


@tag("fast")
class OrdersTests(SimpleTestCase):
    now = 0.0

    def setUp(self) -> None:
        reading, self.writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.orders = Orders(reading)

    def test_nothing_said_changes_nothing(self) -> None:
        self.orders.hear(0.01)
        self.assertEqual((self.orders.draining, self.orders.stopping), (False, ""))
        os.close(self.writing)

    def test_draining_and_stopping_are_told_apart(self) -> None:
        os.write(self.writing, DRAIN)
        self.orders.hear(1)
        self.assertEqual((self.orders.draining, self.orders.stopping), (True, ""))
        os.write(self.writing, STOP)
        self.orders.hear(1)
        self.assertEqual(self.orders.stopping, "The worker was stopped.")
        os.close(self.writing)
        self.orders.hear(1)
        self.assertEqual(self.orders.stopping, "The worker was stopped.")

    def test_the_end_of_the_supervisor_means_stop(self) -> None:
        os.close(self.writing)
        self.orders.hear(1)
        self.assertEqual((self.orders.draining, self.orders.stopping), (True, "The worker's supervisor died."))
        self.assertIsNone(self.orders.file)
        self.orders.hear(0.01)

    def test_draining_becomes_stopping_when_its_time_is_over(self) -> None:
        os.close(self.writing)
        orders = Orders(drain_seconds=30)
        with mock.patch("builds.worker.orders.time.monotonic", lambda: self.now):
            self.now = 100.0
            orders.hear()
            self.now = 500.0
            orders.drain()
            for now, stopping in ((529.0, False), (530.0, True)):
                self.now = now
                orders.drain()
                orders.hear()
                self.assertIs(bool(orders.stopping), stopping)
        self.assertEqual(orders.stopping, "The worker was told to stop, and the build had not ended 30 s later.")

    def test_of_signals_the_first_drains_and_the_second_stops(self) -> None:
        os.close(self.writing)
        orders = Orders()
        orders.signalled()
        self.assertEqual((orders.draining, orders.stopping), (True, ""))
        orders.signalled()
        self.assertEqual(orders.stopping, "The worker was stopped.")
