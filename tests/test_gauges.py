import threading

from django.test import SimpleTestCase, tag

from builds.gauges import Gauges


@tag("fast")
class GaugesTest(SimpleTestCase):
    def test_what_came_and_went_is_counted_by_kind_and_reason(self) -> None:
        gauges = Gauges()
        gauges.opened("build")
        gauges.opened("build")
        gauges.opened("board")
        gauges.closed("build", "end")
        gauges.refused("reset")
        gauges.sent(3)
        gauges.sent(1)
        found = gauges.snapshot()
        self.assertEqual(found["open"], {"build": 1, "board": 1})
        self.assertEqual(found["opened"], {"build": 2, "board": 1})
        self.assertEqual(found["closed"], {"end": 1, "reset": 1})
        self.assertEqual((found["resets"], found["frames"], found["writes"]), (1, 4, 2))

    def test_lags_fall_into_cumulative_buckets(self) -> None:
        gauges = Gauges()
        for seconds in (-0.1, 0.02, 0.02, 7.0):
            gauges.lag(seconds)
        lag = gauges.snapshot()["lag"]
        self.assertEqual(lag["buckets"][0], (0.01, 1))
        self.assertEqual(lag["buckets"][1], (0.025, 3))
        self.assertEqual(lag["buckets"][-1], (5.0, 3))
        self.assertEqual(lag["count"], 4)
        self.assertAlmostEqual(lag["sum"], 7.04)

    def test_threads_lose_no_count(self) -> None:
        gauges = Gauges()
        threads = [threading.Thread(target=lambda: [gauges.sent(1) for _ in range(2_000)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(gauges.snapshot()["frames"], 8_000)
