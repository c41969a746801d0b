"""A build's page whose log was cut in the middle: what is missing is marked, what is on the screen stays."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from builds import events, lifecycle
from builds.events import Chunk, Lease
from tests.support.board import Board
from tests.support.browser import BrowserCase, read_log

RECIPE = "steps: [{name: first, run: x}, {name: second, run: x}]"
HEAD, TAIL, ALL = 2_000, 48_001, 50_000
WHOLE = re.compile(r"^46,000 lines left out \(2001 to 48000, \d+\.\d kB\): It was long\.$")


def said(lines: int, first: int, last: int) -> str:
    size = sum(len(f"line {number}") + 1 for number in range(first, last + 1))
    return f"{lines} lines left out ({first} to {last}, {size} bytes): It was long."


class CutTest(BrowserCase):
    board: Board

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board()
        cls.addClassCleanup(cls.board.close)
        cls.board.web()

    def setUp(self) -> None:
        super().setUp()
        self.sign_in(self.board)
        self.board.project(f"p{self._testMethodName[-20:].replace('_', '-')}", RECIPE)
        build_id = self.board.enqueue(f"p{self._testMethodName[-20:].replace('_', '-')}")
        with self.board.database():
            self.lease: Lease = lifecycle.claim("test:1", self._testMethodName[:32])
            self.assertEqual(self.lease.build_id, build_id)
            lifecycle.begin_step(self.lease, 0)
            self.print(1, 40)

    def print(self, first: int, last: int, step: int = 0) -> None:
        for number in range(first, last + 1):
            events.append(self.lease, [Chunk(step, number, [f"line {number}"])])

    def cut(self, first_line: int, last_line: int) -> None:
        """What the first step printed then; its log begins with event 4."""
        events.cut(self.lease, 3 + first_line, 3 + last_line, "It was long.")

    def open(self) -> None:
        self.page.goto(f"{self.board.webs[0].url}/builds/{self.lease.build_id}/")

    @contextmanager
    def away(self) -> Iterator[None]:
        """What is stored meanwhile the page hears of when it comes back."""
        self.context.set_offline(True)
        self.board.webs[0].kill()
        with self.board.database():
            yield
        self.board.webs[0].start()
        self.context.set_offline(False)

    def rows(self) -> list[str]:
        """Numbers of lines, and what stands between them."""
        rows = read_log(self.page)
        return [row.split(":")[1] if text.startswith("line ") else text for row, text in rows]

    def test_a_viewer_who_was_away_gets_a_mark_and_keeps_the_lines_that_are_there(self) -> None:
        from playwright.sync_api import expect

        self.open()
        expect(self.page.locator("[id='1:40']")).to_be_visible()
        self.assertEqual(self.rows(), [*map(str, range(1, 41))])
        with self.away():
            self.print(41, 60)
            self.cut(11, 55)
        expect(self.page.locator(".ln", has_text="line 60")).to_be_visible()
        rows = [*map(str, range(1, 41)), said(45, 11, 55), *map(str, range(56, 61))]
        self.assertEqual(self.rows(), rows)
        with self.board.database():
            self.print(61, 61)
        expect(self.page.locator(".ln", has_text="line 61")).to_be_visible()
        self.assertEqual(self.rows(), [*rows, "61"])
        self.screenshot("cut-live")
        self.page.reload()  # the mark is the same; what it stands for is gone
        self.assertEqual(self.rows(), [*map(str, range(1, 11)), said(45, 11, 55), *map(str, range(56, 62))])
        with self.board.database():
            self.cut(11, 58)
            self.print(62, 62)
        expect(self.page.locator(".ln", has_text="line 62")).to_be_visible()
        grown = [*map(str, range(1, 11)), said(45, 11, 55), *map(str, range(56, 63))]
        self.assertEqual(self.rows(), grown, "of a cut that it need not know a viewer who keeps up hears nothing")

    def test_a_page_that_is_opened_later_has_the_marks_where_they_belong(self) -> None:
        from playwright.sync_api import expect

        with self.board.database():
            self.print(41, 60)
            lifecycle.end_step(self.lease, 0, "passed", exit_code=0)
            lifecycle.begin_step(self.lease, 1)
            self.print(1, 3, step=1)
            self.cut(11, 60)
        self.open()
        self.assertEqual(self.rows(), [*map(str, range(1, 11)), said(50, 11, 60), "1", "2", "3"])
        with self.board.database():
            self.print(4, 4, step=1)
        expect(self.page.locator('[id="2:4"]')).to_be_visible()
        self.assertEqual(self.rows()[-4:], ["1", "2", "3", "4"])

    def test_without_javascript_the_same_marks_are_there(self) -> None:
        with self.board.database():
            self.print(41, 60)
            self.cut(11, 55)
        context = self.new_context(java_script_enabled=False)
        self.sign_in(self.board, context=context)
        page = context.new_page()
        page.goto(f"{self.board.webs[0].url}/builds/{self.lease.build_id}/")
        self.assertEqual(page.locator(".gap").all_text_contents(), [said(45, 11, 55)])
        self.assertEqual(page.locator("[data-slot=total]").inner_text(), "15 lines stored, 45 left out")
        self.assertEqual(page.locator("[data-slot=log]").inner_text(), "cut: 45 of 60 lines left out")
        self.assertIn("60 lines, 45 left out", page.locator(".sect summary").first.inner_text())

    def long(self) -> None:
        """50,000 lines, of which the first 2,000 and the last 2,000 are kept."""
        with self.board.database():
            for first in (41, 1_001, *range(2_001, ALL, 1_000)):
                last = (first - 1) // 1_000 * 1_000 + 1_000
                events.append(self.lease, [Chunk(0, first, [f"line {number}" for number in range(first, last + 1)])])
            events.cut(self.lease, 3 + 40 + 3, 3 + 40 + 2 + 46, "It was long.")

    def test_a_cut_of_46_000_lines_is_one_row_among_those_that_are_kept(self) -> None:
        from playwright.sync_api import expect

        self.long()
        self.open()
        expect(self.page.locator("[id='1:50000']")).to_be_visible()
        expect(self.page.locator("[data-slot=total]")).to_have_text("4,000 lines stored, 46,000 left out")
        expect(self.page.locator("[data-slot=log]")).to_have_text("cut: 46,000 of 50,000 lines left out")
        rows = self.rows()
        self.assertEqual(rows[:HEAD], [*map(str, range(1, HEAD + 1))])
        self.assertRegex(rows[HEAD], WHOLE)
        self.assertEqual(rows[HEAD + 1 :], [*map(str, range(TAIL, ALL + 1))])

    def test_an_address_inside_a_cut_shows_its_mark_and_what_is_next_to_it(self) -> None:
        from playwright.sync_api import expect

        self.long()
        self.page.goto(f"{self.board.webs[0].url}/builds/{self.lease.build_id}/#1:30000")
        mark = self.page.locator(".gap.picked")
        expect(mark).to_have_text(WHOLE)
        expect(mark).to_be_in_viewport()
        for number in (2_000, 48_001):
            expect(self.page.locator(f"[id='1:{number}']")).to_be_in_viewport()
            expect(self.page.locator(f"[id='1:{number}'] pre")).to_have_text(f"line {number}")
        self.screenshot("cut-picked")
        self.page.evaluate("location.hash = '#1:1999'")
        expect(self.page.locator(".ln.picked")).to_contain_text("1999")
        expect(self.page.locator(".gap.picked")).to_have_count(0)
        self.page.evaluate("location.hash = '#1:2001'")
        expect(self.page.locator(".gap.picked")).to_be_in_viewport()
        expect(self.page.locator(".ln.picked")).to_have_count(0)

    def test_a_cut_that_comes_while_an_earlier_one_is_on_the_screen_becomes_one_with_it(self) -> None:
        from playwright.sync_api import expect

        with self.board.database():
            self.print(41, 60)
            self.cut(11, 20)
        self.open()
        expect(self.page.locator(".gap")).to_have_text(said(10, 11, 20))
        expect(self.page.locator("[data-slot=total]")).to_have_text("50 lines stored, 10 left out")
        with self.away():
            self.print(61, 70)
            self.cut(11, 65)
        expect(self.page.locator(".ln", has_text="line 70")).to_be_visible()
        whole = said(55, 11, 65)
        rows = [*map(str, range(1, 11)), whole, *map(str, range(21, 61)), whole, *map(str, range(66, 71))]
        self.assertEqual(
            self.rows(), rows, "what is on the screen stays, and each place says all that is missing there"
        )
        expect(self.page.locator("[data-slot=total]")).to_have_text("15 lines stored, 55 left out")
        expect(self.page.locator("[data-slot=log]")).to_have_text("cut: 55 of 70 lines left out")
        expect(self.page.locator("#step-1 .end")).to_have_text("70 lines, 55 left out")
