"""What is printed while the runner's own thread stores: read meanwhile, bounded, in order."""

import threading

from django.test import SimpleTestCase, tag

from builds.worker.jobs import Desk, Work
from builds.worker.readahead import MOST_BYTES, ReadAhead

from .support.processes import eventually


class Printing:
    """A job whose terminal is a pipe."""

    def __init__(self) -> None:
        self.said, self.ended = threading.Event(), threading.Event()
        self.work = Work("print", self._print)

    def _print(self, desk: Desk) -> None:
        for number in range(2_000):
            desk.say(f"{number:04} {'x' * 995}")
            self.said.set()
        self.ended.set()


@tag("fast")
class ReadAheadTests(SimpleTestCase):
    def setUp(self) -> None:
        self.ahead = ReadAhead()
        self.addCleanup(self.ahead.close)
        self.printing = Printing()
        self.addCleanup(self.printing.work.close)
        self.printing.said.wait(10)

    def read_meanwhile(self, wanted: int) -> bytes:
        """What is read during a call that lasts until so much was."""

        def call() -> str:
            eventually(lambda: sum(len(data) for _, data in self.ahead._found) >= wanted)
            return "stored"

        result, found = self.ahead.during(call, [self.printing.work])
        self.assertEqual(result, "stored")
        self.assertEqual({job for job, _ in found}, {self.printing.work})
        return b"".join(data for _, data in found)

    def test_what_is_printed_meanwhile_is_read_in_order_call_after_call(self) -> None:
        data = b"".join(self.read_meanwhile(10_000) for _ in range(5))
        lines = data.split(b"\n")[:-1]
        self.assertGreaterEqual(len(lines), 49)
        self.assertEqual([line[:4] for line in lines], [b"%04d" % number for number in range(len(lines))])

    def test_so_much_and_no_more(self) -> None:
        data = self.read_meanwhile(MOST_BYTES)
        self.assertLess(len(data), MOST_BYTES + 128 * 1024)
        self.assertFalse(self.printing.ended.is_set())

    def test_what_the_call_raises_is_raised_and_the_next_one_reads_on(self) -> None:
        def refused() -> None:
            raise OSError("no")

        with self.assertRaises(OSError):
            self.ahead.during(refused, [self.printing.work])
        self.assertTrue(self.read_meanwhile(1))

    def test_the_end_of_a_terminal_is_seen_and_ends_nothing(self) -> None:
        over = Work("over", lambda desk: None)
        self.addCleanup(over.close)
        _, found = self.ahead.during(lambda: eventually(lambda: over.terminal is None), [over])
        self.assertEqual(b"".join(data for _, data in found), b"")
        self.assertTrue(self.read_meanwhile(1))

    def test_its_thread_ends_with_it(self) -> None:
        self.read_meanwhile(1)
        self.ahead.close()
        eventually(lambda: not [one for one in threading.enumerate() if one.name == "readahead"])
        self.ahead.close()
