"""The browser tells when a build ends, for whoever asked it to."""

import re

from ..support.board import Board
from ..support.browser import BrowserCase, browser, session_cookie
from ..support.processes import eventually
from ..support.tabs import Window

GO = """
steps:
  - name: wait
    run: |
      while [ ! -e FOLDER/$BUILDBOARD_BUILD_ID ]; do sleep 0.1; done
      exit 3
"""
CAUGHT = """
window.told = [];
window.Notification = new Proxy(window.Notification, {
  construct(target, args) {
    const made = { args, close() {} };
    window.told.push(made);
    return made;
  },
});
window.focused = 0;
window.focus = () => { window.focused += 1; };
"""


class NoticeTest(BrowserCase):
    as_people_have_it = True
    board: Board

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board()
        cls.addClassCleanup(cls.board.close)
        cls.board.project("go", GO.replace("FOLDER", str(cls.board.data)), name="Compiler & more")
        cls.board.web()
        cls.board.workers(1)
        cls.url = cls.board.webs[0].url

    def let_go(self, build_id: int) -> None:
        (self.board.data / str(build_id)).touch()

    def test_the_button_asks_once_is_remembered_and_the_end_is_told_with_a_way_back(self) -> None:
        from playwright.sync_api import expect

        self.context.grant_permissions(["notifications"], origin=self.url)
        self.context.add_init_script(CAUGHT)
        self.sign_in(self.board)
        build_id = self.board.start("go")
        self.page.goto(f"{self.url}/builds/{build_id}/")
        button = self.page.locator("#notify")
        expect(button).to_have_text("Notify me")
        self.screenshot("notify")
        button.click()
        expect(button).to_have_text("Will notify")
        expect(button).to_have_attribute("aria-pressed", "true")
        self.page.reload()
        expect(button).to_have_text("Will notify")
        self.page.set_viewport_size({"width": 390, "height": 800})
        self.screenshot("notify-390")
        self.let_go(build_id)
        expect(button).to_be_hidden()
        told = self.page.evaluate("told.map(one => one.args)")
        self.assertEqual(len(told), 1)
        self.assertRegex(told[0][0], rf"^Build {build_id} of Compiler & more failed after \d+ (s|m \d\d s)$")
        self.assertRegex(told[0][1]["body"], "3")
        self.page.evaluate("told[0].onclick()")
        self.assertEqual(self.page.evaluate("focused"), 1)
        self.page.reload()
        expect(button).to_have_count(0)
        self.assertEqual(self.page.evaluate("told.length"), 0)

    def test_a_browser_that_refuses_or_has_none_is_told_in_words_and_without_script_there_is_no_button(self) -> None:
        from playwright.sync_api import expect

        build_id = self.board.start("go")
        path = f"{self.url}/builds/{build_id}/"
        self.sign_in(self.board)
        self.page.goto(path)
        button = self.page.locator("#notify")
        if button.inner_text() == "Notify me":
            button.click()
        expect(button).to_have_text("Notifications are blocked")
        expect(button).to_be_disabled()
        self.screenshot("notify-blocked")
        for script, words in (
            ("delete window.Notification", "No notifications in this browser"),
            ("Object.defineProperty(window, 'isSecureContext', {value: false})", "Notifications need HTTPS"),
        ):
            context = self.new_context()
            context.add_init_script(script)
            self.sign_in(self.board, context=context)
            page = context.new_page()
            page.goto(path)
            expect(page.locator("#notify")).to_have_text(words)
        context = self.new_context(java_script_enabled=False)
        self.sign_in(self.board, context=context)
        page = context.new_page()
        page.goto(path)
        expect(page.locator("#notify")).to_be_hidden()
        self.let_go(build_id)

    def test_a_hidden_tab_tells_too(self) -> None:
        window = Window(browser(True))
        self.addCleanup(window.close)
        window.cookie(*session_cookie(self.board, "alice"))
        window.session.send("Browser.grantPermissions", {"permissions": ["notifications"], "origin": self.url})
        build_id = self.board.start("go")
        tab = window.open(f"{self.url}/builds/{build_id}/")
        eventually(lambda: tab.evaluate("document.getElementById('notify')?.hidden === false"), 20, "no button")
        tab.evaluate(CAUGHT)
        tab.evaluate("document.getElementById('notify').click()")
        eventually(lambda: tab.text("#notify") == "Will notify", 10, lambda: tab.text("#notify"))
        window.open(f"{self.url}/healthz")
        eventually(lambda: re.search("Resting", tab.text("#pill")), 30, "its stream stays")
        self.let_go(build_id)
        self.board.wait(build_id)
        eventually(lambda: tab.evaluate("told.length") == 1, 30, "it does not tell")
        self.assertIn("failed", tab.evaluate("document.title"))
