"""Work beside the runner's loop."""

import os
import threading
from typing import Any
from unittest import mock

from django.test import SimpleTestCase, tag

from builds.worker import aside
from builds.worker.aside import Aside, Left
from builds.worker.running import readable


@tag("fast")
class AsideTest(SimpleTestCase):
    def start(self, work: Any) -> Aside:
        made = Aside(work)
        self.addCleanup(made.close)
        return made

    def serve(self, one: Aside) -> list[str]:
        """Until it is over."""
        said = []
        while not one.is_over:
            self.assertTrue(readable([one.file], 10))
            said += one.serve()
        return said + one.serve()

    def test_what_it_asks_for_is_done_in_the_runners_thread(self) -> None:
        found: list[Any] = []

        def work(one: Aside) -> None:
            one.say("begin")
            found.append(one.ask(lambda number: (number + 1, threading.get_ident()), 1))
            one.say("end")

        self.assertEqual(self.serve(self.start(work)), ["begin", "end"])
        self.assertEqual(found, [(2, threading.get_ident())])

    def test_what_it_raises_is_kept(self) -> None:
        def work(one: Aside) -> None:
            raise ValueError("no")

        one = self.start(work)
        self.serve(one)
        self.assertIsInstance(one.error, ValueError)

    def test_what_storing_raises_ends_both(self) -> None:
        ended = threading.Event()

        def work(one: Aside) -> None:
            try:
                one.ask(int, "x")
            finally:
                ended.set()

        one = self.start(work)
        readable([one.file], 10)
        with self.assertRaises(ValueError):
            one.serve()
        self.assertTrue(ended.wait(10))
        self.assertEqual(one.serve(), [])

    def test_work_that_is_left_hears_of_it_wherever_it_is(self) -> None:
        begun, go, heard = threading.Event(), threading.Event(), []

        def work(one: Aside) -> None:
            one.moved()
            begun.set()
            go.wait(10)
            for call in (lambda: one.ask(int), one.moved):
                try:
                    call()
                except Left:
                    heard.append(one.is_left())
            one.say("nobody hears this")

        one = self.start(work)
        begun.wait(10)
        one.close()
        one.close()
        go.set()
        while not one.is_over:
            pass
        self.assertEqual((heard, one.error), ([True, True], None))

    def test_one_that_waits_for_an_answer_is_freed(self) -> None:
        one = self.start(lambda one: one.ask(int))
        readable([one.file], 10)
        one.close()
        while not one.is_over:
            pass
        self.assertIsNone(one.error)

    def test_work_that_does_not_move_hangs(self) -> None:
        go = threading.Event()
        one = self.start(lambda _: go.wait(10))
        self.assertFalse(one.is_stalled())
        with mock.patch.object(aside, "STALL_SECONDS", -1.0):
            self.assertTrue(one.is_stalled())
        go.set()
        self.serve(one)
        with mock.patch.object(aside, "STALL_SECONDS", -1.0):
            self.assertFalse(one.is_stalled())

    def test_however_much_is_said_nothing_blocks_and_no_file_is_left_open(self) -> None:
        before = len(os.listdir("/proc/self/fd"))
        one = self.start(lambda one: [one.say(str(number)) for number in range(70_000)])
        while not one.is_over:
            pass
        self.assertEqual(len(one.serve()), 70_000)
        one.close()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
