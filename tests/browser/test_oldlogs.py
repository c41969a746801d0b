"""The page of an old build in a real browser: nothing that is gone makes it ask again and again."""

from builds import retention
from builds.models import Build
from builds.retention import Pace

from ..oldlogs import hurried, long_log, over
from ..support.board import Board
from ..support.browser import BrowserCase
from ..support.processes import eventually


@hurried
class OldLogsTests(BrowserCase):
    def setUp(self) -> None:
        super().setUp()
        self.board = Board()
        self.addCleanup(self.board.close)
        self.board.project("hello", "steps: [{name: one, run: 'true'}, {name: two, run: 'true'}]")
        self.board.web()
        with self.board.database():
            self.build_id = over(long_log())
        self.sign_in(self.board)
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, anchor: str = "") -> None:
        self.page.goto(f"{self.board.webs[0].url}/builds/{self.build_id}/{anchor}")

    def is_complete(self) -> bool:
        return "Complete" in self.page.inner_text(".pill")

    def test_a_line_of_a_compacted_log_is_found_by_its_address_and_the_log_goes_on_upwards(self) -> None:
        from playwright.sync_api import expect

        with self.board.database():
            retention.compact(self.build_id, Pace())
        self.open("#1:1234")
        self.page.wait_for_selector("[id='1:1234'].picked")
        expect(self.page.locator("[id='1:1234'] pre")).to_have_text("line 33 of a log that is long enough")
        self.page.evaluate("document.getElementById('lines').scrollTop = 0")
        self.page.wait_for_selector("[id='1:1'] pre:not(:empty)")
        eventually(self.is_complete, 10)

    def test_a_page_that_is_open_while_its_log_goes_says_so_once_it_is_loaded_again_and_asks_no_more(self) -> None:
        self.open()
        eventually(self.is_complete, 10)
        with self.board.database():
            retention.prune(self.build_id, "90 days after it ended", Pace())
            said = retention.pruned(Build.objects.get(pk=self.build_id))
        self.page.reload()
        self.page.get_by_text(said).wait_for()
        eventually(self.is_complete, 10)
        self.page.wait_for_timeout(2_500)
        streams = [url for url in self.asked if "/events" in url]
        self.assertLessEqual(len(streams), 2, "one for each load at most")
        self.assertEqual(self.page.locator("button:visible", has_text="Keep log").count(), 0)

    def test_the_button_keeps_and_no_longer_keeps(self) -> None:
        self.open()
        for label, said in (("Keep log", 1), ("Do not keep", 0)):
            self.page.click(f"text={label}")
            eventually(lambda said=said: self.page.get_by_text("kept, never pruned").is_visible() == bool(said), 10)
            with self.board.database():
                self.assertEqual(Build.objects.get(pk=self.build_id).kept, bool(said))
