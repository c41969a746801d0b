"""Search in a real browser: the form in the tools of a log, and the page for those without script."""

from builds.events import Chunk

from ..oldlogs import over
from ..support.board import Board
from ..support.browser import BrowserCase
from ..support.processes import eventually

FORM = "form.search"


class SearchTests(BrowserCase):
    def setUp(self) -> None:
        super().setUp()
        self.board = Board()
        self.addCleanup(self.board.close)
        self.board.project("hello", "steps: [{name: one, run: 'true'}, {name: two, run: 'true'}]")
        self.board.web()
        with self.board.database():
            lines = [f"line {number} \x1b[31m{'odd' if number % 2 else 'Even'}\x1b[0m" for number in range(1, 101)]
            self.build_id = over([Chunk(0, 1, lines), Chunk(1, 1, ["at the end: odd"])])
        self.sign_in(self.board)
        self.url = f"{self.board.webs[0].url}/builds/{self.build_id}/"

    def says(self, text: str) -> None:
        eventually(lambda: self.page.inner_text(f"{FORM} .found") == text, 10, lambda: self.page.inner_text(FORM))

    def looks_at(self, row: str) -> None:
        """The hit that is looked at, and that it is in view."""
        from playwright.sync_api import expect

        expect(self.page.locator(".ln.current")).to_have_id(row)
        expect(self.page.locator(".ln.current")).to_be_in_viewport()

    def line(self) -> int:
        """Of the first step: the hit that is looked at."""
        self.page.wait_for_selector(".ln.current")
        return int((self.page.get_attribute(".ln.current", "id") or "").removeprefix("1:"))

    def test_typing_finds_and_keys_go_on_and_back_and_the_address_keeps_the_query(self) -> None:
        from playwright.sync_api import expect

        self.page.goto(self.url + "#1:40")
        expect(self.page.locator("[id='1:40']")).to_be_in_viewport()
        self.page.fill(f"{FORM} input", "odd")
        self.says("51 lines")
        self.assertEqual(self.page.locator("[id='1:41'] mark").all_inner_texts(), ["odd"])
        self.assertEqual(self.page.locator("[id='1:40'] mark").count(), 0)
        self.page.focus(f"{FORM} input")
        self.page.keyboard.press("Enter")
        first = self.line()
        self.assertTrue(20 < first <= 41 and first % 2, f"the first one in view, and not {first}")
        for key, line in (("Enter", first + 2), ("Shift+Enter", first), ("Shift+Enter", first - 2)):
            self.page.keyboard.press(key)
            self.looks_at(f"1:{line}")
        self.says(f"{(first - 1) // 2} of 51")
        self.page.click(f"{FORM} [data-go=previous]")
        self.looks_at(f"1:{first - 4}")
        self.assertTrue(self.page.url.endswith("?q=odd#1:40"), self.page.url)
        self.page.focus(f"{FORM} input")
        self.page.keyboard.press("Escape")
        self.says("")
        expect(self.page.locator("mark")).to_have_count(0)  # rows are drawn again with the next frame
        self.assertEqual(self.page.url, self.url + "#1:40")

    def test_toggles_and_an_expression_that_is_wrong(self) -> None:
        self.page.goto(self.url + "?q=even&case=1#1:40")
        self.says("no line")
        self.page.click(f"{FORM} [data-flag=case]")
        self.says("50 lines")
        self.page.click(f"{FORM} [data-flag=regex]")
        self.page.fill(f"{FORM} input", "(even|end")
        eventually(lambda: self.page.is_visible(f"{FORM} .wrong"), 10)
        said = "This parenthesis is not closed, at character 1: “(”."
        self.assertEqual((self.page.inner_text(f"{FORM} .wrong"), self.page.inner_text(f"{FORM} .found")), (said, ""))
        self.assertEqual(self.page.get_attribute(f"{FORM} input", "aria-invalid"), "true")
        self.page.fill(f"{FORM} input", "(00? even|^at.*end)")
        self.page.keyboard.press("Enter")  # before there is an answer
        line = self.line()
        self.assertTrue(20 < line <= 40 and line % 10 == 0, f"the first one in view, and not {line}")
        self.page.reload()
        self.assertIn("regex=1", self.page.url)

    def test_without_script_the_form_leads_to_a_page_whose_links_lead_to_the_lines(self) -> None:
        context = self.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
        self.sign_in(self.board, context=context)
        page = context.new_page()
        page.goto(self.url + "find/?q=odd")
        self.assertEqual(page.inner_text("h2"), "51 lines found")
        page.check("input[name=regex]")
        page.fill("input[name=q]", "^line 7 ")
        page.click("main form button")
        self.assertEqual(page.inner_text("h2"), "1 line found")
        self.assertEqual(page.inner_text("mark"), "line 7 ")
        page.click(".ln a")
        self.assertTrue(page.url.endswith(f"/builds/{self.build_id}/#1:7"))
