from unittest import mock

from django.test import SimpleTestCase, tag

from builds.retention import Pace, Stopped
from builds.retention import pace as module


@tag("fast")
class PaceTests(SimpleTestCase):
    def setUp(self) -> None:
        self.clock = 100.0
        self.rests: list[float] = []
        for patch in (
            mock.patch.object(module.time, "monotonic", lambda: self.clock),
            mock.patch.object(module.time, "sleep", self.rests.append),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def test_after_each_batch_it_rests_at_least_as_long_as_the_batch_took_and_longer_on_sqlite(self) -> None:
        for vendor, times in (("postgresql", 1), ("sqlite", 20)):
            self.rests.clear()
            with mock.patch.object(module, "connection", mock.Mock(vendor=vendor)):
                pace = Pace()
            with pace.batch():
                self.clock += 0.01
            with pace.reading():
                self.clock += 0.25
            self.assertEqual([round(rest, 6) for rest in self.rests], [0.01 * times, 0.25])

    def test_a_database_that_stalls_does_not_make_it_rest_for_minutes(self) -> None:
        pace = Pace()
        with pace.batch():
            self.clock += 60
        self.assertEqual(self.rests, [2.0])

    def test_batches_grow_and_shrink_towards_the_time_that_they_may_take(self) -> None:
        for vendor, aim in (("postgresql", 0.020), ("sqlite", 0.0015)):
            with mock.patch.object(module, "connection", mock.Mock(vendor=vendor)):
                pace = Pace()
            for a_row in (0.00001, 0.0004, 0.00001):
                for _ in range(12):
                    with pace.rows_batch() as rows:
                        self.clock += rows * a_row
                fits = max(aim / a_row, 8)
                self.assertAlmostEqual(rows, fits, delta=fits * 0.1 + 1)

    def test_it_ends_before_a_batch_when_it_is_told_to(self) -> None:
        pace = Pace(lambda: True)
        for work in (pace.batch, pace.reading, pace.rows_batch):
            with self.assertRaises(Stopped), work():
                self.fail("it was to end")
