"""A step that prints twenty times what a log may hold: real processes, a bound of 1 MB, and those who watch."""

import json
import threading
from typing import Any

from django.test import SimpleTestCase

from builds import events, printed
from tests.support.board import Board
from tests.support.processes import eventually
from tests.support.sse import SseClient

LINES = 500_000
HALF = 512 * 1024
RECIPE = f"""
steps:
  - name: beside
    run: "printf begins; sleep 0.5; echo ' and ends'; (while :; do echo tick; sleep 0.05; done) & sleep 0.2"
  - name: flood
    run: printf '%s' 'open '; sleep 0.4; echo 'no more'; seq -f 'line number %029.0f' 2 {LINES}; echo the end; exit 3
"""
SIZE = 42
"""Of each line of the flood, its line feed included."""


class FloodTests(SimpleTestCase):
    databases = {"default"}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board(BUILDBOARD_MAX_LOG_MB="1")
        cls.addClassCleanup(cls.board.close)
        cls.board.web()
        cls.board.workers(1)
        cls.board.project("flood", RECIPE)
        cls.build_id = cls.board.enqueue("flood")
        path = f"/builds/{cls.build_id}/events/"
        cls.live = SseClient(cls.board.webs[0].port, path, token=cls.board.token("alice"))
        cls.late = SseClient(cls.board.webs[0].port, path, token=cls.board.token("alice"))
        cls.addClassCleanup(cls.live.close)
        cls.addClassCleanup(cls.late.close)
        cls.seen: list[Any] = []
        reading = threading.Thread(target=lambda: cls.seen.extend(cls.live.read_all(120)))
        reading.start()
        begun = cls.late.read_until(lambda message: message.event == "log")  # and then takes nothing more for a while
        cls.sizes: list[int] = []
        cls.ended: dict[str, Any] = {}

        def over() -> bool:
            files = [cls.board.data / f"buildboard.sqlite3{end}" for end in ("", "-wal")]
            cls.sizes.append(sum(file.stat().st_size for file in files if file.exists()))
            cls.ended = cls.board.build(cls.build_id)
            return cls.ended["status"] not in ("queued", "running")

        eventually(over, 120, cls.board.outputs)
        cls.caught_up = begun + cls.late.read_all(60)
        reading.join()
        cls.stored = cls.board.stored(cls.build_id)

    def cuts(self, step: str = "flood") -> list[dict[str, Any]]:
        found = [json.loads(record.data) for record in self.stored if record.kind == "cut"]
        return [data for data in found if data["step"] == step and data["lines"]]

    def line(self, number: int) -> str:
        return "open no more" if number == 1 else f"line number {number:029d}"

    def test_the_build_ends_as_it_would_have_ended(self) -> None:
        self.assertEqual((self.ended["status"], self.ended["reason"]), ("failed", "Step flood: exit code 3."))

    def test_head_and_tail_are_whole_and_the_middle_says_exactly_what_it_was(self) -> None:
        with self.board.database():
            total = printed.total_lines(self.build_id, 1)
            head = printed.lines(self.build_id, 1, 1, 30_000)
            tail = printed.lines(self.build_id, 1, LINES - 30_000, total)
            self.assertEqual(events.gaps(self.build_id), [])
        self.assertEqual(total, LINES + 1)
        [cut] = self.cuts()
        self.assertEqual([line.text for line in head], [self.line(number) for number in range(1, cut["line"])])
        after = cut["line"] + cut["lines"]
        self.assertEqual([line.text for line in tail], [*(self.line(n) for n in range(after, total)), "the end"])
        self.assertEqual(cut["bytes"], cut["lines"] * SIZE)
        self.assertEqual(cut["reason"], "The log reached its limit of 1 MB.")
        # Beside the text each event counts, and a chunk has up to 64 KiB.
        self.assertLess(HALF - 96 * 1024, len(head) * SIZE)
        self.assertLessEqual(len(head) * SIZE, HALF)
        self.assertLess(HALF - 64 * 1024, len(tail) * SIZE)
        self.assertLess(len(tail) * SIZE, HALF + HALF // 4 + 64 * 1024)

    def test_a_step_that_ended_long_before_has_what_is_left_of_it(self) -> None:
        with self.board.database():
            total = printed.total_lines(self.build_id, 0)
            stored = {line.number: line.text for line in printed.lines(self.build_id, 0, 1, total)}
        missing = [n for cut in self.cuts("beside") for n in range(cut["line"], cut["line"] + cut["lines"])]
        self.assertEqual(sorted([*stored, *missing]), list(range(1, total + 1)))
        self.assertIn("begins and ends", stored.values())
        self.assertLess(total, LINES // 10)

    def test_the_database_stays_within_a_few_times_the_bound(self) -> None:
        self.assertGreater(len(self.sizes), 20)
        self.assertLess(max(self.sizes) - self.sizes[0], 10 * 1024 * 1024)
        self.assertLess(len([record for record in self.stored if record.kind == "cut"]), 10)

    def read(self, messages: list[Any]) -> tuple[int, int, list[int]]:
        """How many lines of the flood were shown, how many were told to be missing, and where ids jumped."""
        shown: set[int] = set()
        told: set[int] = set()  # cuts grow: a later one may take an earlier one in
        last, jumps = 0, []
        for message in messages:
            if message.id is None:
                continue
            if message.seq != last + 1:
                jumps.append(message.seq)
                self.assertEqual(message.event, "cut", message)
            last = message.seq
            data = message.json
            if message.event == "log" and data["step"] == "flood":
                shown |= set(range(data["line"], data["line"] + data["text"].count("\n") + 1))
            elif message.event == "cut" and data["step"] == "flood":
                told |= set(range(data["line"], data["line"] + data["lines"]))
        return len(shown), len(told - shown), jumps

    def test_who_keeps_up_sees_every_line_and_who_falls_behind_is_told_what_is_missing(self) -> None:
        shown, told, _ = self.read(self.seen)
        self.assertEqual(shown + told, LINES + 1)
        self.assertEqual(self.seen[-1].event, "end")
        shown, told, jumps = self.read(self.caught_up)
        self.assertGreater(told, LINES // 2)
        self.assertGreater(len(jumps), 0)
        self.assertEqual(self.caught_up[-1].event, "end")

    def test_the_text_says_it_where_it_is(self) -> None:
        text = self.board.get(f"/builds/{self.build_id}/log.txt").text.splitlines()
        [cut] = self.cuts()
        said = [line for line in text if line.startswith("[") and "of flood" in line]
        self.assertEqual(said, [f"[{cut['lines']:,} lines, {cut['bytes']:,} bytes of flood left out: {cut['reason']}]"])
        self.assertIn("the end", text[-5:])
