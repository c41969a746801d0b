"""A build's page whose log was cut in the middle: what is missing is marked, what is on the screen stays."""

from builds import events, lifecycle
from builds.events import Chunk, Lease
from tests.support.board import Board
from tests.support.browser import BrowserCase

RECIPE = "steps: [{name: first, run: x}, {name: second, run: x}]"
GAP = "left out here: the log reached its limit"


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

    def rows(self) -> list[str]:
        """Numbers of lines, and what stands between them."""
        texts = self.page.locator(".lns > *").evaluate_all(
            "rows => rows.map(row => row.className === 'ln' ? row.firstChild.textContent : row.textContent)"
        )
        return [str(text) for text in texts]

    def test_a_viewer_who_was_away_gets_a_mark_and_keeps_the_lines_that_are_there(self) -> None:
        from playwright.sync_api import expect

        self.open()
        expect(self.page.locator(".ln")).to_have_count(40)
        self.context.set_offline(True)
        self.board.webs[0].kill()
        with self.board.database():
            self.print(41, 60)
            self.cut(11, 55)
        self.board.webs[0].start()
        self.context.set_offline(False)
        expect(self.page.locator(".ln", has_text="line 60")).to_be_visible(timeout=20_000)
        rows = [*map(str, range(1, 41)), f"15 lines {GAP}", *map(str, range(56, 61))]
        self.assertEqual(self.rows(), rows)
        with self.board.database():
            self.print(61, 61)
        expect(self.page.locator(".ln", has_text="line 61")).to_be_visible()
        self.assertEqual(self.rows(), [*rows, "61"])
        self.screenshot("cut-live")

    def test_a_page_that_is_opened_later_has_the_marks_where_they_belong(self) -> None:
        from playwright.sync_api import expect

        with self.board.database():
            self.print(41, 60)
            lifecycle.end_step(self.lease, 0, "passed", exit_code=0)
            lifecycle.begin_step(self.lease, 1)
            self.print(1, 3, step=1)
            self.cut(11, 60)
        self.open()
        self.page.locator("details.sect summary").first.click()
        expect(self.page.locator(".gap")).to_have_count(1)
        self.assertEqual(self.rows(), [*map(str, range(1, 11)), f"50 lines {GAP}", "1", "2", "3"])
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
        self.assertEqual(page.locator(".gap").all_text_contents(), [f"45 lines {GAP}"])
