import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from django.test import SimpleTestCase, tag

from builds.web.once import Busy, Once

from .support.processes import eventually


@tag("fast")
class OnceTest(SimpleTestCase):
    def setUp(self) -> None:
        self.calls: list[str] = []
        self.may_end = threading.Event()
        self.pool = ThreadPoolExecutor(8)
        self.addCleanup(self.pool.shutdown)
        self.addCleanup(self.may_end.set)

    def work(self, name: str) -> str:
        self.calls.append(name)
        if not self.may_end.wait(30):
            raise AssertionError("nobody let it end")
        return f"{name}!"

    def asked(self, once: Callable[[str], str], name: str) -> "Future[str]":
        return self.pool.submit(once, name)

    def test_those_who_ask_at_once_for_the_same_get_one_answer(self) -> None:
        once = Once(self.work, keep=9, seconds=30, waiting=3)
        futures = [self.asked(once, "a") for _ in range(4)]
        eventually(lambda: self.calls)
        self.may_end.set()
        self.assertEqual([future.result(30) for future in futures], ["a!"] * 4)
        self.assertEqual(self.calls, ["a"])

    def test_who_has_waited_for_so_long_is_told_to_come_again(self) -> None:
        once = Once(self.work, keep=9, seconds=0.01, waiting=3)
        first = self.asked(once, "a")
        eventually(lambda: self.calls)
        with self.assertRaises(Busy):
            once("b")
        self.may_end.set()
        first.result(30)
        self.assertEqual((once("b"), self.calls), ("b!", ["a", "b"]))

    def test_not_many_wait_and_what_is_known_needs_no_turn(self) -> None:
        self.may_end.set()
        once = Once(self.work, keep=9, seconds=30, waiting=1)
        once("known")
        self.may_end.clear()
        first = self.asked(once, "a")
        eventually(lambda: "a" in self.calls)
        second = self.asked(once, "b")
        eventually(lambda: not once._places._value)
        with self.assertRaises(Busy):  # at once: thirty seconds would be a long test
            once("c")
        self.assertEqual(once("known"), "known!")
        self.may_end.set()
        self.assertEqual((first.result(30), second.result(30)), ("a!", "b!"))

    def test_what_fails_is_not_kept_and_gives_its_turn_back(self) -> None:
        def fails(name: str) -> str:
            self.calls.append(name)
            raise ValueError(name)

        once = Once(fails, keep=9, seconds=0, waiting=0)
        for _ in range(3):
            with self.assertRaises(ValueError):
                once("a")
        self.assertEqual(self.calls, ["a"] * 3)

    def test_the_newest_are_kept_and_none_is_an_answer_like_any_other(self) -> None:
        once: Once[None] = Once(self.calls.append, keep=2, seconds=1, waiting=0)
        for name in "abcbca":
            once(name)
        self.assertEqual("".join(self.calls), "abca")
