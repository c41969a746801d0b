"""Search in a real browser: the form on a stand-in for the viewer, and the page for those without script."""

from typing import Any

from django.template.loader import render_to_string

from builds.events import Chunk
from builds.models import Build

from ..oldlogs import over
from ..support.board import Board
from ..support.browser import BrowserCase
from ..support.processes import eventually

SET_UP = """async ([form]) => {
  const made = document.importNode(new DOMParser().parseFromString(form, "text/html").querySelector("form"), true);
  document.querySelector(".tools").append(made);
  const { SearchPanel } = await import("/static/builds/searchpanel.js");
  window.shown = [];
  const viewer = {
    show: (step, line) => window.shown.push(`${step}:${line}`),
    at: () => ({ step: "one", line: 40 }),
    hits: (byLine) => (window.byLine = byLine),
  };
  window.panel = new SearchPanel(made, viewer, ["one", "two"]);
}"""
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

    def open(self, query: str = "") -> None:
        self.page.goto(self.url + query)
        with self.board.database():
            form = render_to_string("builds/search.html", {"build": Build.objects.get(pk=self.build_id)})
        self.page.evaluate(SET_UP, [form])

    def says(self, text: str) -> None:
        eventually(lambda: self.page.inner_text(f"{FORM} .found") == text, 10, lambda: self.page.inner_text(FORM))

    def value(self, script: str) -> Any:
        return self.page.evaluate(script)

    def test_typing_finds_and_keys_go_on_and_back_and_the_address_keeps_the_query(self) -> None:
        self.open()
        self.page.fill(f"{FORM} input", "odd")
        self.says("51 lines")
        self.assertEqual(self.value('[byLine("one", 1), byLine("one", 2) ?? null]'), [[[7, 10]], None])
        self.page.focus(f"{FORM} input")
        for key in ("Enter", "Enter", "Shift+Enter", "Shift+Enter"):
            self.page.keyboard.press(key)
        self.assertEqual(self.value("shown"), ["one:41", "one:43", "one:41", "one:39"], "from the line in view")
        self.says("20 of 51")
        self.page.click(f"{FORM} [data-go=previous]")
        self.assertEqual(self.value("shown").pop(), "one:37")
        self.assertTrue(self.page.url.endswith("?q=odd"))
        self.page.focus(f"{FORM} input")
        self.page.keyboard.press("Escape")
        self.says("")
        self.assertEqual((self.page.url, self.value('byLine("one", 1) ?? null')), (self.url, None))

    def test_toggles_and_an_expression_that_is_wrong(self) -> None:
        self.open("?q=even&case=1")
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
        eventually(lambda: self.value("shown") == ["one:40"], 10)
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
