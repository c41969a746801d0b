"""When a step's lines are stored, and under which numbers: told the time, without waiting."""

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from buildboard.terminal.masks import Masks
from buildboard.terminal.style import plain
from builds.events import MAX_CHUNK_LINES, Chunk
from builds.worker.steplog import CHUNK_CHARACTERS, StepLog


@tag("fast")
class StepLogTests(SimpleTestCase):
    def setUp(self) -> None:
        self.log = StepLog(3)

    def test_after_a_rest_a_line_leaves_at_once(self) -> None:
        self.assertIsNone(self.log.due())
        self.log.feed(b"one\n", 10.0)
        self.assertLessEqual(self.log.due(), 10.0)
        self.assertEqual(self.log.take(10.0), [Chunk(3, 1, ["one"])])
        self.assertIsNone(self.log.due())

    def test_while_output_keeps_coming_lines_leave_ten_times_a_second(self) -> None:
        self.log.feed(b"one\n", 10.0)
        self.log.take(10.0)
        self.log.feed(b"two\n", 10.01)
        self.log.feed(b"three\n", 10.05)
        self.assertAlmostEqual(self.log.due(), 10.1)
        self.assertEqual(self.log.take(10.1), [Chunk(3, 2, ["two", "three"])])

    def test_where_storing_is_cheap_lines_leave_sooner(self) -> None:
        self.log.feed(b"one\n", 10.0)
        self.log.take(10.0)
        self.log.pace = 0.02
        self.log.feed(b"two\n", 10.01)
        self.assertAlmostEqual(self.log.due(), 10.02)

    def test_chunks_are_bounded_in_lines_and_size(self) -> None:
        self.log.feed(b"\n" * (MAX_CHUNK_LINES * 2 + 1), 1.0)
        self.assertEqual([(chunk.line, len(chunk.lines)) for chunk in self.log.take(1.0)],
                         [(1, 1000), (1001, 1000), (2001, 1)])  # fmt: skip
        self.log.feed((b"x" * 10_000 + b"\n") * 10, 2.0)
        chunks = self.log.take(2.0)
        self.assertEqual([chunk.line for chunk in chunks], [2002, 2008])
        self.assertTrue(all(sum(map(len, chunk.lines)) <= CHUNK_CHARACTERS for chunk in chunks))

    def test_a_flood_is_due_before_its_time_and_says_that_it_is_full(self) -> None:
        self.log.feed(b"a\n", 1.0)
        self.log.take(1.0)
        self.log.feed(b"\n" * 20_000, 1.01)
        self.assertTrue(self.log.is_full)
        self.assertLess(self.log.due(), 1.01)
        self.log.take(1.01)
        self.assertFalse(self.log.is_full)

    def test_an_open_line_is_shown_after_a_while_and_then_replaced(self) -> None:
        self.log.feed(b"Compiling", 1.0)
        self.assertAlmostEqual(self.log.due(), 1.2)
        self.assertEqual(self.log.take(1.1), [])
        self.assertEqual(self.log.take(1.2), [Chunk(3, 1, ["Compiling"], True)])
        self.assertIsNone(self.log.due())
        self.log.feed(b" more", 1.3)
        self.assertAlmostEqual(self.log.due(), 2.2)
        self.assertEqual(self.log.take(2.2), [Chunk(3, 1, ["Compiling more"], True)])
        self.log.feed(b" done\nnext\n", 2.3)
        self.assertEqual(self.log.take(2.3), [Chunk(3, 1, ["Compiling more done", "next"])])

    def test_an_open_line_that_did_not_change_is_not_stored_again(self) -> None:
        self.log.feed(b"50%", 1.0)
        self.log.take(1.2)
        self.log.feed(b"\r50%", 1.5)
        self.assertEqual(self.log.take(2.5), [])
        self.assertIsNone(self.log.due())

    def test_at_the_end_an_open_line_is_a_line(self) -> None:
        self.log.feed(b"one\nno line feed", 1.0)
        self.log.close(1.0)
        self.assertEqual(self.log.take(1.0), [Chunk(3, 1, ["one", "no line feed"])])

    def test_an_end_without_anything_to_see_is_no_line(self) -> None:
        self.log.feed(b"one\n\x1b[0m", 1.0)
        self.log.close(1.0)
        self.assertEqual(self.log.take(1.0), [Chunk(3, 1, ["one"])])

    def test_a_shown_line_that_was_erased_at_the_end_is_replaced(self) -> None:
        self.log.feed(b"50%", 1.0)
        self.assertEqual(self.log.take(1.2), [Chunk(3, 1, ["50%"], True)])
        self.log.feed(b"\r\x1b[K", 1.3)
        self.log.close(1.3)
        self.assertEqual(self.log.take(1.3), [Chunk(3, 1, [""])])

    def test_no_state_of_a_line_tells_a_secret(self) -> None:
        log, now, told = StepLog(3, masks=Masks(["hunter22"])), 1.0, []
        for byte in b"a hunter22 b\nhunter\n\x1b[1mhun\x1b[0mter22\nhunter":
            log.feed(bytes([byte]), now)
            now += 1.5
            told += log.take(now)
        log.close(now)
        told += log.take(now)
        open_states = [plain(chunk.lines[-1]) for chunk in told if chunk.open]
        self.assertEqual(open_states, ["a ", "a ***", "a *** ", "a *** b", "***"])
        whole = {chunk.line: plain(chunk.lines[0]) for chunk in told}
        self.assertEqual(whole, {1: "a *** b", 2: "hunter", 3: "***", 4: "hunter"})

    @given(st.lists(st.tuples(st.text("ab\n", max_size=8), st.floats(0, 0.6), st.booleans()), max_size=20))
    def test_whatever_is_taken_when_the_lines_come_out_once_and_in_order(self, moves: list) -> None:
        log, now, found = StepLog(0), 0.0, {}
        for text, pause, taken in [*moves, ("", 1.0, True)]:
            now += pause
            log.feed(text.encode(), now)
            for chunk in log.take(now) if taken else []:
                for number, line in enumerate(chunk.lines, chunk.line):
                    found[number] = line
        log.close(now)
        for chunk in log.take(now):
            found |= dict(enumerate(chunk.lines, chunk.line))
        whole = "".join(text for text, *_ in moves)
        expected = whole.removesuffix("\n").split("\n") if whole else []
        self.assertEqual([found[number] for number in sorted(found)], expected)
        self.assertEqual(sorted(found), list(range(1, len(expected) + 1)))
