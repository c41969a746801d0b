"""What the styles promise: text that can be read on whatever lies behind it."""

from typing import Any

from builds.events import Chunk
from builds.web.palette import contrast

from ..oldlogs import over
from ..support.board import Board
from ..support.browser import BrowserCase

READABLE = 4.5
SIXTEEN = [*range(30, 38), *range(90, 98)]
REVERSE = [
    "".join(f"\x1b[7;{part};5;{number}m{number}\x1b[0m " for number in range(256)) for part in (38, 48)
]  # text and ground
HITS = "".join(f"\x1b[{code}merror\x1b[0m " for code in SIXTEEN) + "\x1b[2;31merror\x1b[0m \x1b[7;41merror\x1b[0m"
LINES = [*REVERSE, HITS, HITS, *(f"line {number}" for number in range(5, 40))]

SHADES = """
(elements) => {
  const brush = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const dot = (colour) => {
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  return elements.map((element) => {
    const looks = [];
    for (let at = element; at; at = at.parentElement) looks.unshift(getComputedStyle(at));
    brush.globalAlpha = 1;
    let ground = dot("#fff");
    for (const look of looks) {
      brush.globalAlpha *= Number(look.opacity);
      ground = dot(look.backgroundColor);
    }
    return [element.outerHTML, dot(looks.at(-1).color), ground];
  });
}
"""
"""Of each element its markup, the colour of its text, and that of all grounds below it, one over the other."""


class LookTest(BrowserCase):
    board: Board

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board()
        cls.addClassCleanup(cls.board.close)
        cls.board.project("hello", "steps: [{name: one, run: 'true'}, {name: two, run: 'true'}]")
        cls.board.web()
        with cls.board.database():
            cls.build_id = over([Chunk(0, 1, LINES)])

    def setUp(self) -> None:
        super().setUp()
        self.sign_in(self.board)

    def open(self, more: str = "", **media: Any) -> None:
        self.page.emulate_media(**media)
        self.page.goto("about:blank")
        self.page.goto(f"{self.board.webs[0].url}/builds/{self.build_id}/{more}")
        self.page.wait_for_selector(".ln")

    def unreadable(self, selector: str, count: int) -> list[str]:
        """Of so many elements, those whose contrast is too low, with the figure."""
        shades = self.page.locator(selector).evaluate_all(SHADES)
        self.assertEqual(len(shades), count, selector)
        found = [(contrast(tuple(text), tuple(ground)), markup) for markup, text, ground in shades]
        return [f"{ratio:.2f} {markup}" for ratio, markup in found if ratio < READABLE]

    def test_reverse_video_is_readable_whatever_the_colour(self) -> None:
        for scheme in ("light", "dark"):
            self.open("#1:1", color_scheme=scheme)
            self.page.wait_for_selector(".lines.ready")
            with self.subTest(scheme):
                self.assertEqual(self.unreadable("[id='1:1'] .iv, [id='1:2'] .iv", 512), [])

    def test_a_hit_is_readable_whatever_its_colour(self) -> None:
        for scheme in ("light", "dark"):
            self.open("?q=error#1:3", color_scheme=scheme)
            self.page.wait_for_selector("[id='1:4'] mark")
            self.page.press("#query", "Enter")
            self.page.wait_for_selector("[id='1:3'].current mark")
            with self.subTest(scheme):
                self.assertEqual(self.unreadable("[id='1:3'] mark i", 18), [])
                self.assertEqual(self.unreadable("[id='1:4'] mark i", 18), [])

    def test_only_what_is_picked_looks_picked(self) -> None:
        self.open("#1:6")
        self.page.wait_for_selector("[id='1:6'].picked")
        self.page.click("[id='1:9'] > a")
        self.page.wait_for_selector("[id='1:9'].picked")
        self.page.hover("#query")
        picked, before, other = (
            self.page.locator(f"[id='1:{line}']").evaluate("e => getComputedStyle(e).backgroundColor")
            for line in (9, 6, 7)
        )
        self.assertEqual(before, other)
        self.assertNotEqual(picked, other)

    def test_a_long_name_of_a_group_is_one_line_also_where_lines_wrap(self) -> None:
        self.open("#1:6")
        self.page.wait_for_selector(".lines.ready")
        self.page.click("#wrap")
        group = """(lines) => {
          const row = lines.querySelector(".ln").cloneNode(true);
          const name = document.createElement("button");
          name.className = "grpname";
          name.textContent = "a long name of a group ".repeat(20);
          row.className = "ln grp";
          row.lastElementChild.replaceWith(name);
          lines.append(row);
          return [row.offsetHeight, name.scrollWidth > name.clientWidth, getComputedStyle(name).textOverflow];
        }"""
        self.assertEqual(self.page.locator("#lines").evaluate(group), [20, True, "ellipsis"])

    def test_on_a_phone_the_bar_of_a_replay_is_there_as_a_whole(self) -> None:
        for touch in (False, True):
            context = self.new_context(viewport={"width": 360, "height": 740}, has_touch=touch, is_mobile=touch)
            self.sign_in(self.board, context=context)
            page = context.new_page()
            page.goto(f"{self.board.webs[0].url}/builds/{self.build_id}/")
            page.click("#replay")
            page.wait_for_selector("#replaybar")
            bar = page.locator("#replaybar")
            self.assertLessEqual(bar.evaluate("e => e.scrollWidth - e.clientWidth"), 0)
            right = bar.bounding_box()["x"] + bar.bounding_box()["width"]
            for part in ("#play", "#moment", "#played", "#speed"):
                box = page.locator(part).bounding_box()
                self.assertLessEqual(box["x"] + box["width"], right, part)
            self.assertGreater(page.locator("#moment").bounding_box()["width"], 250)

    def test_in_forced_colours_what_is_on_picked_or_current_differs(self) -> None:
        for scheme in ("light", "dark"):
            self.open("?q=error#1:6", color_scheme=scheme, forced_colors="active")
            self.page.wait_for_selector("[id='1:6'].picked")
            self.page.wait_for_selector("[id='1:4'] mark")
            ground = "e => getComputedStyle(e).backgroundColor"
            edge = "e => getComputedStyle(e).borderLeftColor"

            def look(selector: str, what: str) -> str:
                return str(self.page.locator(selector).first.evaluate(what))

            self.page.click("#wrap")
            self.assertNotEqual(look("#wrap", ground), look("#replay", ground))
            self.assertNotEqual(look("[id='1:6']", edge), look("[id='1:7']", edge))
            self.assertNotEqual(look("[id='1:6'] > a", ground), look("[id='1:7'] > a", ground))
            self.page.press("#query", "Enter")
            self.page.wait_for_selector(".ln.current mark")
            self.assertNotEqual(look(".ln.current mark", ground), look(".ln:not(.current) mark", ground))
