"""What tests of wakes share: a bell of one's own."""

import time
from unittest import mock

from django.test import SimpleTestCase

from builds import wakes


class FreshBell(SimpleTestCase):
    """Each test has a bell of its own: its thread keeps its loop's connections to a server that goes."""

    def setUp(self):
        for name, fresh in (
            ("_bell", wakes._Bell()),
            ("_sending", wakes._Line("sent")),
            ("_hearing", wakes._Line("heard")),
        ):
            self.enterContext(mock.patch.object(wakes, name, fresh))

    def assert_costs_nothing(self, count: int = 1_000) -> None:
        began = time.monotonic()
        for n in range(count):
            wakes.wake("build.1", n)
            wakes.wake("board")
        self.assertLess(time.monotonic() - began, 1.0, "a wake makes nobody wait")
