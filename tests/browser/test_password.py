"""One's own password, by hand: from any page, wide and on a phone."""

import re

from tests.support.board import PASSWORDS, Board
from tests.support.browser import BrowserCase

from .test_axe import violations

NEW = "another-long-secret"


class PasswordTest(BrowserCase):
    def setUp(self) -> None:
        super().setUp()
        self.board = Board()
        self.addCleanup(self.board.close)
        self.web = self.board.web()

    def test_one_finds_the_page_changes_it_and_signs_in_by_the_new_one(self) -> None:
        from playwright.sync_api import expect

        self.sign_in_by_form(self.board)
        for width in (1280, 390, 320):
            self.page.set_viewport_size({"width": width, "height": 700})
            self.page.goto(f"{self.web.url}/")
            self.page.locator("a[href='/accounts/password/']:visible").click()
            expect(self.page).to_have_title(re.compile("^Your password"))
            self.assertLessEqual(self.page.evaluate("document.documentElement.scrollWidth"), width)
        self.page.get_by_label("Password now").fill(PASSWORDS["alice"])
        self.page.get_by_label("New password").fill(NEW)
        self.page.get_by_label("The same again").fill("something-else")
        self.page.get_by_role("button", name="Change it").click()
        expect(self.page.get_by_role("alert")).to_contain_text("The two are not the same.")
        self.page.get_by_label("Password now").fill(PASSWORDS["alice"])
        self.page.get_by_label("New password").fill(NEW)
        self.page.get_by_label("The same again").fill(NEW)
        self.page.get_by_role("button", name="Change it").click()
        expect(self.page.get_by_text("Your password is another one now.")).to_be_visible()
        self.page.get_by_role("button", name="Sign out").click()
        self.page.fill("input[name=username]", "alice")
        self.page.fill("input[name=password]", NEW)
        self.page.press("input[name=password]", "Enter")
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def test_nothing_keeps_anybody_out(self) -> None:
        self.sign_in(self.board)
        self.assertEqual(violations(self.page, self.web.url, "/accounts/password/"), [])
