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
