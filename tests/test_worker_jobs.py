"""Work of the board's own: in a thread, and as a process is seen by the runner."""

import threading
import time
from collections.abc import Callable

from django.test import SimpleTestCase, tag

from builds.worker.jobs import Desk, Work


@tag("fast")
class WorkTests(SimpleTestCase):
    def over(self, call: Callable[[Desk], None], stop: bool = False) -> tuple[Work, bytes]:
        work = Work("Copying", call)
        self.addCleanup(work.close)
        if stop:
            work.stop(1)
        said = b""
        until = time.monotonic() + 20
        while not (work.is_over and work.terminal is None):
            self.assertLess(time.monotonic(), until)
            work.hear()
            said += work.read()
            time.sleep(0.001)
        return work, said

    def test_what_it_says_is_read_and_how_it_ended_is_known(self) -> None:
        def call(desk: Desk) -> None:
            desk.say("one\ntwo ä")
            desk.say("three")

        work, said = self.over(call)
        self.assertEqual(said.decode(), "one two ä\nthree\n")
        self.assertEqual((work.exit_code, work.fault), (0, ""))

    def test_more_than_a_pipe_holds_waits_for_its_reader(self) -> None:
        def call(desk: Desk) -> None:
            for _ in range(1_000):
                desk.say("x" * 999)

        work, said = self.over(call)
        self.assertEqual((len(said), work.exit_code), (1_000_000, 0))

    def test_what_goes_wrong_is_a_sentence(self) -> None:
        def fails(error: Exception) -> Callable[[Desk], None]:
            def call(desk: Desk) -> None:
                raise error

            return call

        for error, fault in (
            (OSError(28, "No space left on device"), "Copying: No space left on device."),
            (ValueError("it is too large"), "Copying: it is too large."),
        ):
            work, _ = self.over(fails(error))
            self.assertEqual((work.exit_code, work.fault), (1, fault))
        with self.assertLogs("builds.worker.jobs", "ERROR"):
            work, _ = self.over(fails(KeyError("x")))
        self.assertEqual(work.fault, "Copying: KeyError.")

    def test_it_ends_when_it_is_told_to(self) -> None:
        def for_ever(desk: Desk) -> None:
            while True:
                desk.say("still")

        work, _ = self.over(for_ever, stop=True)
        self.assertEqual((work.exit_code, work.fault), (1, "Copying: stopped."))

    def test_work_that_hangs_is_left_and_has_failed(self) -> None:
        go = threading.Event()
        work = Work("Copying", lambda desk: go.wait(20) and None, patience=0.05)
        self.addCleanup(work.close)
        self.addCleanup(go.set)
        until = time.monotonic() + 20
        while not work.is_over and time.monotonic() < until:
            work.hear()
        self.assertEqual((work.exit_code, work.fault), (1, "Copying: nothing has moved for 0 seconds."))

    def test_it_ends_when_nobody_listens_any_more(self) -> None:
        ended: list[str] = []

        def for_ever(desk: Desk) -> None:
            try:
                while True:
                    desk.say("x" * 1_000)
            finally:
                ended.append("")

        Work("Copying", for_ever).close()
        until = time.monotonic() + 20
        while not ended and time.monotonic() < until:
            time.sleep(0.01)
        self.assertTrue(ended)
