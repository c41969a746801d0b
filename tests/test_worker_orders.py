"""What a worker process is told, and what it makes of silence."""

import os

from django.test import SimpleTestCase, tag

from builds.worker.orders import DRAIN, STOP, Orders


@tag("fast")
class OrdersTests(SimpleTestCase):
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

    def test_of_signals_the_first_drains_and_the_second_stops(self) -> None:
        os.close(self.writing)
        orders = Orders()
        orders.signalled()
        self.assertEqual((orders.draining, orders.stopping), (True, ""))
        orders.signalled()
        self.assertEqual(orders.stopping, "The worker was stopped.")
