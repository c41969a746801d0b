"""What stands between a browser and the board: two nginx that buffer, and one that does as the docs say."""

import re
import time
from typing import Any

from ..faults.nginx import TwoLayers, binary
from ..support import missing
from ..support.board import Board, Web
from ..support.browser import BrowserCase, read_log
from ..support.processes import eventually

COUNT = """
steps:
  - name: count
    run: |
      i=0
      while [ $i -lt 400 ]; do i=$((i+1)); echo "line $i"; sleep 0.05; done
"""
LONG = COUNT.replace("400", "2000")


QUIET = "steps: [{name: say, run: 'echo first; sleep 11; echo second; sleep 7; echo third'}]"


class ProxiesTest(BrowserCase):
    board: Board
    web: Web
    nginx: TwoLayers

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        program = binary() or missing("nginx")
        cls.board = Board()
        cls.addClassCleanup(cls.board.close)
        cls.board.project("count", COUNT)
        cls.board.project("long", LONG)
        cls.board.project("quiet", QUIET)
        cls.web = cls.board.web()
        cls.board.workers(1)
        cls.nginx = TwoLayers(program, [cls.web.port])
        cls.addClassCleanup(cls.nginx.close)

    def test_behind_two_that_buffer_it_is_live_by_polling_says_why_and_shows_each_line_once(self) -> None:
        from playwright.sync_api import expect

        self.sign_in(self.board)
        build_id = self.board.start("count")
        pill = self.page.locator("#pill")
        for path in ("/", f"/builds/{build_id}/"):
            self.page.goto(f"http://127.0.0.1:{self.nginx.outer}{path}")
            expect(pill).to_contain_text("Polling")
            expect(pill).to_contain_text("a proxy holds back the stream")
        self.page.evaluate("window.sameDocument = true")
        self.screenshot("polling")
        behind = []
        for _ in range(5):
            now = len(self.board.lines(build_id))
            began = time.monotonic()
            expect(self.page.locator(f"[id='1:{now}']")).to_be_attached()
            behind.append(time.monotonic() - began)
            self.page.wait_for_timeout(1_000)
        self.assertLess(max(behind), 2.0, "seconds behind what is stored")
        self.assertNotIn("Live", pill.inner_text())
        expect(pill).to_contain_text("Complete", timeout=60_000)
        numbers = [int(row.split(":")[1]) for row, _ in read_log(self.page)]
        self.assertEqual(numbers, list(range(1, 401)))
        self.assertTrue(self.page.evaluate("window.sameDocument"), "the page was not loaded again")

    def test_behind_one_that_buffers_by_default_the_stream_itself_forbids_it(self) -> None:
        from playwright.sync_api import expect

        self.sign_in(self.board)
        build_id = self.board.start("count")
        for port in (self.nginx.inner, self.nginx.good):
            self.page.goto(f"http://127.0.0.1:{port}/builds/{build_id}/")
            expect(self.page.locator("#pill")).to_contain_text("Live")
        self.board.post(f"/api/v1/builds/{build_id}/cancel")
        expect(self.page.locator("[data-slot=phrase]")).to_have_text(re.compile("^cancelled"))

    def test_behind_one_that_cuts_every_silence_nothing_is_lost_and_the_stream_comes_back(self) -> None:
        from playwright.sync_api import expect

        self.sign_in(self.board)
        build_id = self.board.start("quiet")
        self.page.goto(f"http://127.0.0.1:{self.nginx.hasty}/builds/{build_id}/")
        pill = self.page.locator("#pill")
        expect(pill).to_contain_text("Live")
        for _ in range(2):
            expect(pill).to_contain_text("Reconnecting")
            expect(pill).to_contain_text("Live")
        expect(pill).to_contain_text("Complete", timeout=40_000)
        self.assertEqual(self.page.locator(".ln > pre").all_text_contents(), ["first", "second", "third"])

    def test_a_stream_that_comes_through_again_takes_the_place_of_the_polls(self) -> None:
        from playwright.sync_api import expect

        self.sign_in(self.board)
        build_id = self.board.start("long")
        held = True

        def hold(route: Any) -> None:
            if held:
                return  # never answered: as a proxy that waits for the end
            route.continue_()

        self.page.route("**/events/?*", hold)
        self.page.goto(f"{self.web.url}/builds/{build_id}/")
        expect(self.page.locator("#pill")).to_contain_text("Polling")
        held = False
        expect(self.page.locator("#pill")).to_contain_text("Live", timeout=45_000)
        eventually(lambda: self.page.locator(".ln").count() > 0, 10, "no line came")
        numbers = [int(row.split(":")[1]) for row, _ in read_log(self.page)]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.board.post(f"/api/v1/builds/{build_id}/cancel")
