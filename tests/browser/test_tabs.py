"""Tabs that are hidden, come back, or are left and found again, in a real Chromium with its own timers and caches."""

import re
import time

import psutil

from ..support.board import Board, Web
from ..support.browser import READ_LOG, BrowserCase, browser, read_log, session_cookie
from ..support.processes import eventually
from ..support.relay import Relay
from ..support.tabs import Tab, Window

BUSY = 2
"""What is promised holds for a machine that has time; this one runs other tests as well."""
COUNT = """
steps:
  - name: count
    run: |
      i=0
      while [ $i -lt 5000 ]; do i=$((i+1)); echo "line $i"; sleep 0.05; done
"""
GO = """
steps:
  - name: wait
    run: |
      echo begun
      while [ ! -e "$HOME_OF_TEST/go" ]; do sleep 0.1; done
      echo over
"""


class TabsCase(BrowserCase):
    as_people_have_it = True
    board: Board
    web: Web

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board(BUILDBOARD_PUBLIC="1")
        cls.addClassCleanup(cls.board.close)
        cls.board.project("count", COUNT)
        cls.board.project("go", GO.replace("$HOME_OF_TEST", str(cls.board.data)))
        cls.web = cls.board.web()
        cls.board.workers(2)

    def window(self) -> Window:
        window = Window(browser(True))
        self.addCleanup(window.close)
        window.cookie(*session_cookie(self.board, "alice"))
        return window

    def streams(self) -> int:
        """Open ones, by the server's own count."""
        told = self.board.get("/metrics").text
        return sum(int(float(value)) for value in re.findall(r"^buildboard_viewers\{.*\} (\S+)$", told, re.MULTILINE))

    def sockets(self) -> int:
        """Connections to the web that are established."""
        found = psutil.Process(self.web.process.pid).net_connections("tcp")
        return sum(one.status == "ESTABLISHED" and one.laddr.port == self.web.port for one in found)

    def numbers(self, tab: Tab) -> list[int]:
        """Of the lines in the document."""
        return [int(text) for text in tab.evaluate("[...document.querySelectorAll('.ln > a')].map(a => a.textContent)")]

    def assert_live(self, tab: Tab, seconds: float = 10) -> None:
        eventually(lambda: "Live" in tab.text("#pill"), seconds, lambda: f"the pill says {tab.text('#pill')!r}")


class HiddenTest(TabsCase):
    def test_twelve_tabs_have_one_stream_and_each_hears_of_the_end_of_its_build(self) -> None:
        window = self.window()
        builds = [self.board.start("go") for _ in range(12)]
        tabs = [window.open(f"{self.web.url}/builds/{build_id}/") for build_id in builds]
        self.assert_live(tabs[-1])
        self.assertEqual([tab.evaluate("document.hidden") for tab in tabs], [True] * 11 + [False])
        eventually(lambda: self.streams() == 1, 20, lambda: f"{self.streams()} streams")
        asked = [tab.evaluate("performance.getEntriesByType('resource').length") for tab in tabs]
        most = 0

        def all_know() -> bool:
            nonlocal most
            most = max(most, self.streams())
            return all(tab.evaluate("document.title").startswith("passed") for tab in tabs)

        (self.board.data / "go").touch()
        for build_id in builds:
            self.board.wait(build_id)
        eventually(all_know, 60, lambda: str([tab.evaluate("document.title") for tab in tabs]))
        self.assertLessEqual(most, 2)
        self.assertLessEqual(self.sockets(), 6, "what Chromium keeps open to one host, idle ones included")
        self.assertTrue(all("passed" in tab.evaluate("document.getElementById('icon').href") for tab in tabs))
        now = [tab.evaluate("performance.getEntriesByType('resource').length") for tab in tabs]
        self.assertLessEqual(max(b - a for a, b in zip(asked, now, strict=True)), 6, "a hidden tab asks seldom")
        tabs[3].show()
        eventually(lambda: "Complete" in tabs[3].text("#pill"), 10, "the log was not fetched")
        eventually(lambda: "over" in tabs[3].text("#lines"), 10, "the last line is missing")

    def test_a_hidden_tab_holds_no_stream_keeps_its_title_and_goes_on_without_losing_a_line(self) -> None:
        window = self.window()
        build_id = self.board.start("count")
        tab = window.open(f"{self.web.url}/builds/{build_id}/")
        self.assert_live(tab)
        eventually(lambda: len(self.numbers(tab)) > 10, 10, "no line came")
        other = window.open(f"{self.web.url}/healthz")
        eventually(lambda: self.streams() == 0, 20, "the hidden tab keeps its stream")
        self.assertIn("Resting", tab.text("#pill"))
        left = self.numbers(tab)[-1]
        eventually(lambda: len(self.board.lines(build_id)) > left + 100, 30, "nothing is printed")
        self.assertLess(self.numbers(tab)[-1], left + 30, "the log waits")
        tab.show()
        began = time.monotonic()
        now = len(self.board.lines(build_id))
        eventually(lambda: self.numbers(tab)[-1] >= now, 10, "the log does not go on")
        took = time.monotonic() - began
        rows = tab.evaluate(f"({READ_LOG})(document.getElementById('lines'))")
        self.assertEqual([row for row, _ in rows], [f"1:{number}" for number in range(1, len(rows) + 1)])
        self.assert_live(tab)
        self.assertLess(took, BUSY * 2.0)
        other.show()
        eventually(lambda: "Resting" in tab.text("#pill"), 20, "it does not rest again")
        self.board.post(f"/api/v1/builds/{build_id}/cancel")
        eventually(lambda: tab.evaluate("document.title").startswith("cancelled"), 60, "its title is old")
        self.assertIn("cancelled", tab.evaluate("document.getElementById('icon').href"))

    def test_looking_at_another_tab_for_a_moment_keeps_the_stream(self) -> None:
        window = self.window()
        build_id = self.board.start("count")
        tab = window.open(f"{self.web.url}/builds/{build_id}/")
        self.assert_live(tab)
        other = window.open(f"{self.web.url}/healthz")
        for _ in range(2):
            other.show()
            tab.show()
        ended = "performance.getEntriesByType('resource').filter(entry => /events/.test(entry.name)).length"
        self.assertEqual(tab.evaluate(ended), 0)
        self.assertIn("Live", tab.text("#pill"))
        self.board.post(f"/api/v1/builds/{build_id}/cancel")


class BackTest(TabsCase):
    """The page is left and found again by the browser's own "back".

    Chromium keeps pages in its history cache although they are `no-store`, as long as no cookie changes meanwhile: for
    those who read without signing in. A page with a form renews the cookie of its CSRF token, so whoever is signed in
    has pages loaded anew. Either way they have to be right.
    """

    def test_a_page_from_the_history_cache_goes_on_where_it_was(self) -> None:
        self.assertTrue(self.leave_and_find_again(), "it was loaded anew")

    def test_a_page_that_is_loaded_anew_is_as_right(self) -> None:
        self.sign_in(self.board)
        self.leave_and_find_again()

    def leave_and_find_again(self) -> bool:
        """Whether it was the same document."""
        from playwright.sync_api import expect

        build_id = self.board.start("count")
        answer = self.page.goto(f"{self.web.url}/builds/{build_id}/")
        assert answer is not None
        self.assertIn("no-store", answer.headers["cache-control"])
        expect(self.page.locator(".ln", has_text="line 10").first).to_be_attached()
        expect(self.page.locator("#pill")).to_contain_text("Live")
        self.page.evaluate("window.sameDocument = true")
        self.page.get_by_role("link", name="Board", exact=True).click()
        expect(self.page).to_have_url(f"{self.web.url}/")
        left = len(self.board.lines(build_id))
        eventually(lambda: len(self.board.lines(build_id)) > left + 40, 20, "nothing is printed")
        self.page.evaluate("setTimeout(() => history.back())")
        expect(self.page.locator("#lines")).to_be_attached()
        began = time.monotonic()
        now = len(self.board.lines(build_id))
        expect(self.page.locator(f"[id='1:{now}']")).to_be_attached()
        took = time.monotonic() - began
        same = bool(self.page.evaluate("window.sameDocument"))
        self.assertLess(took, BUSY * 2.0)
        expect(self.page.locator("#pill")).to_contain_text("Live")
        numbers = [int(row.split(":")[1]) for row, _ in read_log(self.page)]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.board.post(f"/api/v1/builds/{build_id}/cancel")
        expect(self.page.locator("[data-slot=phrase]")).to_have_text(re.compile("^cancelled"))
        return same


class SleepTest(TabsCase):
    def test_a_machine_that_slept_is_right_within_two_seconds_though_its_stream_died_without_a_word(self) -> None:
        from playwright.sync_api import expect

        self.sign_in(self.board)
        build_id = self.board.start("count")
        with Relay(self.web.port) as relay:
            self.page.clock.install()
            self.page.goto(f"{relay.url}/builds/{build_id}/")
            expect(self.page.locator(".ln", has_text="line 10").first).to_be_attached()
            expect(self.page.locator("#pill")).to_contain_text("Live")
            relay.deaden()
            now = len(self.board.lines(build_id))
            eventually(lambda: len(self.board.lines(build_id)) > now + 40, 20, "nothing is printed")
            self.page.clock.fast_forward("08:00:00")
            began = time.monotonic()
            now = len(self.board.lines(build_id))
            expect(self.page.locator(f"[id='1:{now}']")).to_be_attached()
            self.assertLess(time.monotonic() - began, BUSY * 2.0)
            expect(self.page.locator("#pill")).to_contain_text("Live")
            numbers = [int(row.split(":")[1]) for row, _ in read_log(self.page)]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
            # The clock is eight hours ahead of the board's; the page goes by the board's.
            expect(self.page.locator("[data-slot=elapsed]")).to_have_text(re.compile(r"^(\d+ s|\d m \d\d s)$"))
        self.board.post(f"/api/v1/builds/{build_id}/cancel")
