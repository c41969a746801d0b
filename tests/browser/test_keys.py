"""The board's keys in a real browser."""

import re

from tests.browser.boardpages import BoardPageCase


class KeysTest(BoardPageCase):
    def test_the_rows_are_walked_through_and_opened(self) -> None:
        old = self.board.start("quick")
        self.board.wait(old)
        first, second = self.running(2)
        waiting = self.board.start("gpu")
        self.open()
        self.assertEqual(self.shown()[:4], [first, second, waiting, old])
        for key, build_id in (("j", first), ("j", second), ("j", waiting), ("j", old), ("k", waiting), (".", first)):
            self.page.keyboard.press(key)
            self.assertEqual(self.focused(), f"build-{build_id}", key)
        ring = self.row(first).locator("a").evaluate("link => getComputedStyle(link, '::after').outlineStyle")
        self.assertEqual(ring, "solid", "one sees where one is")
        self.cancel(first)
        self.expect(self.page.locator("section[data-live=recent]").locator(f"[data-key=build-{first}]")).to_be_visible()
        self.assertEqual(self.focused(), f"build-{first}", "the focus goes with its row")
        self.page.keyboard.press("o")
        self.expect(self.page).to_have_url(re.compile(rf"/builds/{first}/$"))
        self.page.go_back()
        self.page.keyboard.press("j")
        self.page.keyboard.press("Enter")
        self.expect(self.page).to_have_url(re.compile(rf"/builds/{second}/$"))

    def test_help_lists_every_key_and_gives_the_focus_back(self) -> None:
        self.board.start("gpu")
        self.open()
        dialog = self.page.get_by_role("dialog", name="Keys")
        self.page.keyboard.press("j")
        at = self.focused()
        self.page.keyboard.press("?")
        self.expect(dialog).to_be_visible()
        self.assertEqual(dialog.locator("kbd").all_inner_texts(), ["j", "k", "o", "Enter", ".", "/", "?"])
        self.page.keyboard.press("j")
        self.page.keyboard.press("Escape")
        self.expect(dialog).to_be_hidden()
        self.assertEqual(self.focused(), at)
        hint = self.page.get_by_role("button", name="Keys ?")
        hint.click()
        self.expect(dialog).to_be_visible()
        dialog.get_by_role("button", name="Close").click()
        self.expect(dialog).to_be_hidden()
        self.expect(hint).to_be_focused()

    def test_keys_can_be_switched_off_and_the_browser_remembers_it(self) -> None:
        self.board.start("gpu")
        self.open()
        dialog = self.page.get_by_role("dialog", name="Keys")
        box = dialog.get_by_role("checkbox", name="Use these keys")
        self.page.keyboard.press("?")
        box.uncheck()
        self.page.keyboard.press("Escape")
        self.expect(dialog).to_be_hidden()
        self.page.keyboard.press("j")
        self.assertIsNone(self.focused())
        self.page.reload()
        self.page.keyboard.press("j")
        self.assertIsNone(self.focused())
        self.page.keyboard.press("?")
        self.expect(box).not_to_be_checked()
        box.check()
        self.page.keyboard.press("Escape")
        self.expect(dialog).to_be_hidden()
        self.page.keyboard.press("j")
        self.assertIsNotNone(self.focused())

    def test_keys_are_letters_where_one_types_and_the_browsers_own_with_a_modifier(self) -> None:
        self.board.start("gpu")
        self.open()
        self.page.keyboard.press("Alt+j")
        self.page.keyboard.press("Control+k")
        self.assertIsNone(self.focused())
        self.page.get_by_label("Branch").focus()
        self.page.keyboard.type("joke.?/")
        self.expect(self.page.get_by_label("Branch")).to_have_value("joke.?/")
        self.expect(self.page.get_by_role("dialog")).to_be_hidden()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("/")
        self.expect(self.page.get_by_label("Go to a build by its number")).to_be_focused()

    def test_the_focus_stays_on_a_link_whose_address_changes(self) -> None:
        for _ in range(26):
            self.board.wait(self.board.start("quick"))
        self.open()
        older = self.page.get_by_role("link", name="Older builds")
        before = older.get_attribute("href")
        older.focus()
        self.board.wait(self.board.start("quick"))
        self.expect(older).not_to_have_attribute("href", before)
        self.expect(older).to_be_focused()
