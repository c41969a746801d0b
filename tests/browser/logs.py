"""A build whose log a test of the page writes itself."""

from typing import Any

from builds import events, lifecycle
from builds.events import Chunk, Lease
from tests.support.board import Board
from tests.support.browser import BrowserCase
from tests.support.processes import eventually

RECIPE = "steps: [{name: configure, run: x}, {name: compile, run: x}, {name: package, run: x}]"
FLOOD = """
steps:
  - name: flood
    run: |
      python3 -u - <<'EOF'
      import time
      began = time.monotonic()
      for number in range(1, 60_001):
          print(f"line {number} of a flood that does not end soon")
          if number % 250 == 0:
              time.sleep(max(began + number / 5_000 - time.monotonic(), 0))
      EOF
"""
MILLION = 1_000_000


class LogCase(BrowserCase):
    board: Board

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board(
            BUILDBOARD_LEASE_SECONDS="3600"
        )  # nobody renews the lease of a build that the test itself writes
        cls.addClassCleanup(cls.board.close)
        cls.board.web()

    def setUp(self) -> None:
        super().setUp()
        self.sign_in(self.board)

    @classmethod
    def begin(cls, slug: str) -> Lease:
        """A running build of three steps, the second of them just begun, with 40 lines from the first."""
        cls.board.project(slug, RECIPE)
        build_id = cls.board.enqueue(slug)
        with cls.board.database():
            lease: Lease = lifecycle.claim("test:1", f"token of {slug}")
            assert lease.build_id == build_id
            lifecycle.begin_step(lease, 0)
            cls.print(lease, 0, 1, 40)
            lifecycle.end_step(lease, 0, "passed", exit_code=0)
            lifecycle.begin_step(lease, 1)
        return lease

    @classmethod
    def print(cls, lease: Lease, step: int, first: int, last: int, text: str = "line {} of it") -> None:
        with cls.board.database():
            chunks = [
                Chunk(step, begin, [text.format(number) for number in range(begin, min(begin + 999, last) + 1)])
                for begin in range(first, last + 1, 1_000)
            ]
            for at in range(0, len(chunks), 50):
                events.append(lease, chunks[at : at + 50])

    def open(self, build_id: int, more: str = "") -> None:
        self.page.goto("about:blank")
        self.page.goto(f"{self.board.webs[0].url}/builds/{build_id}/{more}")

    def row(self, address: str) -> Any:
        return self.page.locator(f"[id='{address}']")

    def scroll(self, share: float) -> None:
        """And one frame on, in which the page hears of it."""
        set_and_wait = """async (lines, share) => {
          lines.scrollTop = lines.scrollHeight * share;
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }"""
        self.page.locator("#lines").evaluate(set_and_wait, share)

    def settled(self) -> list[int]:
        """The numbers of the lines in the document, once each of them has its text."""
        eventually(lambda: self.page.locator(".ln.awaited").count() == 0, 10, "a line stays blank")
        return [int(text) for text in self.page.locator(".ln > a").all_text_contents()]
