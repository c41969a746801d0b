"""What people see when the database is away, and when they may no longer see what they watch."""

import re
import time

from django.conf import settings

from ..support.board import Board
from ..support.browser import BrowserCase, read_log, session_cookie
from ..support.servers import Postgres

SLOW = "steps: [{name: count, run: 'i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo line $i of it; sleep 0.1; done'}]"


class DatabaseAwayTest(BrowserCase):
    def test_a_page_tells_of_an_outage_and_goes_on_after_it_and_one_loaded_meanwhile_comes_by_itself(self) -> None:
        from playwright.sync_api import expect

        postgres = Postgres()
        self.addCleanup(postgres.close)
        with Board(postgres.url()) as board:
            board.project("slow", SLOW)
            web = board.web()
            board.workers(1)
            self.sign_in(board)
            build_id = board.start("slow")
            self.page.goto(f"{web.url}/builds/{build_id}/")
            pill = self.page.locator("#pill")
            expect(self.page.locator(".ln", has_text="line 5 of it")).to_be_attached()
            self.page.evaluate("window.sameDocument = true")
            postgres.pause()
            expect(pill).to_contain_text("Database away")
            expect(pill).to_contain_text("what is shown may be old")
            self.screenshot("database-away-build")
            other = self.context.new_page()
            other.goto(web.url)
            expect(other.get_by_role("heading", name="The database is away")).to_be_visible()
            other.goto(f"{web.url}/projects/slow/")
            expect(other.get_by_role("heading", name="The database is away")).to_be_visible()
            shown = int(self.page.locator(".ln > a").last.inner_text())
            postgres.resume()
            expect(pill).to_contain_text("Live")
            expect(self.page.locator(f"[id='1:{shown + 20}']")).to_be_attached()
            self.assertTrue(self.page.evaluate("window.sameDocument"), "the page was not loaded again")
            numbers = [int(row.split(":")[1]) for row, _ in read_log(self.page)]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
            expect(other.get_by_role("button", name="Start build")).to_be_visible()


class RightsTest(BrowserCase):
    """A tab that may no longer see what it shows stops asking, and says what to do."""

    board: Board

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board(BUILDBOARD_RECHECK_SECONDS="1")
        cls.addClassCleanup(cls.board.close)
        cls.board.project("hello", "steps: [{name: say, run: echo}]")
        cls.board.web()

    def setUp(self) -> None:
        super().setUp()
        self.asked: list[float] = []
        name, value = session_cookie(self.board, "alice")
        self.session = value
        self.context.add_cookies([{"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}])
        self.page.on("request", lambda request: self.asked.append(time.monotonic()))

    def watch(self, path: str) -> None:
        from playwright.sync_api import expect

        self.page.goto(self.board.webs[0].url + path)
        expect(self.page.locator("#pill")).to_contain_text("Live")

    def assert_falls_silent(self) -> None:
        began = time.monotonic()
        self.page.wait_for_timeout(15_000)
        asked = [at for at in self.asked if at > began]
        self.assertLessEqual(len(asked), 1, f"{len(asked)} requests in a quarter of a minute")

    def test_who_signs_out_elsewhere_is_told_to_sign_in_and_led_back(self) -> None:
        from django.contrib.sessions.models import Session
        from playwright.sync_api import expect

        build_id = self.board.start("hello")
        other = self.context.new_page()
        for path, page in ((f"/builds/{build_id}/", self.page), ("/", other)):
            page.goto(self.board.webs[0].url + path)
            expect(page.locator("#pill")).to_contain_text("Live")
        other.on("request", lambda request: self.asked.append(time.monotonic()))
        with self.board.database():
            Session.objects.filter(session_key=self.session).delete()
        for page in (self.page, other):
            expect(page.locator("#pill")).to_contain_text("Signed out")
        self.assert_falls_silent()
        self.page.set_viewport_size({"width": 390, "height": 800})
        expect(self.page.get_by_role("link", name="sign in")).to_be_visible()
        self.screenshot("signed-out-390")
        self.page.set_viewport_size({"width": 1280, "height": 800})
        self.screenshot("signed-out-1280")
        self.page.get_by_role("link", name="sign in").click()
        self.page.fill("input[name=username]", "alice")
        self.page.fill("input[name=password]", "a-password-of-alice")
        self.page.press("input[name=password]", "Enter")
        expect(self.page).to_have_url(re.compile(rf"/builds/{build_id}/$"))
        expect(self.page.locator("#pill")).to_contain_text("Live")

    def test_who_may_no_longer_see_a_project_is_told_and_asks_no_more(self) -> None:
        from django.contrib.auth.models import Group
        from playwright.sync_api import expect

        from builds.models import Project

        self.board.project("closed", "steps: [{name: say, run: echo}]")
        build_id = self.board.start("closed")
        self.watch(f"/builds/{build_id}/")
        with self.board.database():
            Project.objects.get(slug="closed").groups.add(Group.objects.create(name="others"))
        expect(self.page.locator("#pill")).to_contain_text("Gone")
        expect(self.page.get_by_role("link", name="to the board")).to_be_visible()
        self.assert_falls_silent()
        self.assertIn(settings.SESSION_COOKIE_NAME, [cookie["name"] for cookie in self.context.cookies()])
