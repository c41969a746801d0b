"""The board in a real browser: its filter, its keys, and rows that stay where they are."""

import re
from typing import Any

from ..support.board import Board, Web
from ..support.browser import BrowserCase
from ..support.processes import eventually

WAITS = "steps: [{name: wait, run: 'sleep 600'}]"
QUICK = "steps: [{name: say, run: echo hi}]"
WATCH = """row => {
  const tops = [];
  window.tops = tops;
  const look = () => { tops.push(row.getBoundingClientRect().top); requestAnimationFrame(look); };
  look();
}"""


class BoardPageCase(BrowserCase):
    board: Board
    web: Web

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board()
        cls.addClassCleanup(cls.board.close)
        cls.board.project("waits", WAITS)
        cls.board.project("quick", QUICK)
        cls.board.project("gpu", QUICK, runs_on="gpu")
        cls.web = cls.board.web()
        cls.board.workers(2)

    def setUp(self) -> None:
        from playwright.sync_api import Expect

        super().setUp()
        self.expect = Expect()
        self.expect.set_options(timeout=20_000)
        self.context.set_default_timeout(20_000)
        self.sign_in(self.board)

    def tearDown(self) -> None:
        super().tearDown()
        with self.board.database():
            from builds import lifecycle
            from builds.models import Build

            for build in [*Build.objects.queued(), *Build.objects.running()]:
                lifecycle.cancel(build.pk, by="alice")
        eventually(lambda: not self.unfinished(), 30, "builds go on")

    def unfinished(self) -> bool:
        from builds.models import Build

        with self.board.database():
            return Build.objects.queued().exists() or Build.objects.running().exists()

    def open(self, path: str = "/") -> None:
        self.page.goto(self.web.url + path)
        self.expect(self.page.locator("#pill")).to_contain_text("Live")

    def row(self, build_id: int) -> Any:
        return self.page.locator(f"[data-key=build-{build_id}]")

    def shown(self) -> list[int]:
        keys = self.page.locator(".rows .row[data-key]").evaluate_all("rows => rows.map(row => row.dataset.key)")
        return [int(key.removeprefix("build-")) for key in keys]

    def running(self, count: int) -> list[int]:
        ids = [self.board.start("waits") for _ in range(count)]
        for build_id in ids:
            self.board.wait(build_id, status="running")
        return ids

    def cancel(self, build_id: int) -> None:
        self.board.post(f"/api/v1/builds/{build_id}/cancel")
        self.board.wait(build_id)

    def focused(self) -> str | None:
        return self.page.evaluate("document.activeElement.closest('[data-key]')?.dataset.key || null")


class FilterTest(BoardPageCase):
    def test_it_is_live_and_its_address_shows_the_same(self) -> None:
        other = self.board.start("quick")
        self.board.wait(other)
        self.open()
        self.page.evaluate("window.sameDocument = true")
        self.expect(self.row(other)).to_be_visible()
        self.page.get_by_label("Project", exact=True).select_option("waits")
        self.expect(self.page).to_have_url(re.compile(r"/\?project=waits$"))
        self.expect(self.page.locator(".said")).to_contain_text("Showing builds of waits")
        self.expect(self.row(other)).to_have_count(0)
        [mine] = self.running(1)
        later = self.board.start("quick")
        self.board.wait(later)
        self.expect(self.row(mine).locator("small")).to_have_text("wait · step 1 of 1")
        self.expect(self.row(later)).to_have_count(0)
        self.page.locator("summary").click()
        self.page.get_by_role("checkbox", name="failed").check()
        self.page.get_by_role("checkbox", name="lost").check()
        self.expect(self.page).to_have_url(re.compile(r"/\?project=waits&status=failed&status=lost$"))
        self.expect(self.page.locator(".empty")).to_contain_text("There are no failed or lost builds of waits.")
        self.page.keyboard.press("Escape")
        self.expect(self.page.locator("details.menu")).not_to_have_attribute("open", re.compile(".*"))
        self.page.go_back()
        self.page.go_back()
        self.expect(self.page).to_have_url(re.compile(r"/\?project=waits$"))
        self.expect(self.row(mine)).to_be_visible()
        self.expect(self.page.locator("[data-slot=statuses]")).to_have_text("Any status")
        self.assertTrue(self.page.evaluate("window.sameDocument"))
        shown = self.shown()
        self.page.reload()
        self.assertEqual(self.shown(), shown)
        self.page.get_by_role("link", name="Clear").click()
        self.expect(self.row(later)).to_be_visible()
        self.expect(self.page).to_have_url(self.web.url + "/")

    def test_a_text_counts_when_it_is_entered_and_days_when_they_are_chosen(self) -> None:
        main, dev = (self.board.start("quick", ref=ref) for ref in ("main", "dev"))
        self.board.wait(dev)
        self.board.wait(main)
        self.open()
        self.page.get_by_label("Branch").fill("main")
        self.page.keyboard.press("Enter")
        self.expect(self.row(dev)).to_have_count(0)
        self.expect(self.row(main)).to_be_visible()
        self.page.get_by_label("When").select_option("dates")
        self.page.get_by_label("to", exact=True).fill("2020-01-01")
        self.expect(self.page).to_have_url(re.compile(r"\?branch=main&to=2020-01-01$"))
        self.expect(self.page.locator(".empty")).to_contain_text("No build matches")
        self.page.get_by_label("When").select_option("today")
        self.expect(self.page).to_have_url(re.compile(r"\?branch=main&when=today$"))
        self.expect(self.row(main)).to_be_visible()

    def test_a_number_opens_its_build(self) -> None:
        build_id = self.board.start("quick")
        self.open("/?status=lost")
        self.page.keyboard.press("/")
        self.page.keyboard.type("99999")
        self.page.keyboard.press("Enter")
        self.expect(self.page.locator(".message.error")).to_contain_text("There is no build 99999 that you may see.")
        self.page.keyboard.press("/")
        self.page.keyboard.type(str(build_id))
        self.page.keyboard.press("Enter")
        self.expect(self.page).to_have_url(re.compile(rf"/builds/{build_id}/$"))

    def test_it_works_without_a_script(self) -> None:
        build_id, other = self.board.start("quick"), self.board.start("waits")
        self.board.wait(build_id)
        context = self.new_context(java_script_enabled=False)
        self.sign_in(self.board, context=context)
        page = context.new_page()
        page.goto(self.web.url)
        page.locator("summary").click()
        page.get_by_role("checkbox", name="passed").check()
        page.get_by_label("Project", exact=True).select_option("quick")
        page.get_by_role("button", name="Filter").click()
        self.assertEqual(page.url, f"{self.web.url}/?project=quick&status=passed")
        self.assertEqual(page.locator(f"[data-key=build-{build_id}]").count(), 1)
        self.assertEqual(page.locator(f"[data-key=build-{other}]").count(), 0)
        self.assertFalse(page.get_by_role("button", name="Keys").is_visible())
        page.get_by_role("link", name="Clear").click()
        self.assertEqual(page.locator(f"[data-key=build-{other}]").count(), 1)

    def test_a_phone_has_it_folded_away_and_shows_the_number_of_what_runs(self) -> None:
        [build_id] = self.running(1)
        context = self.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
        self.sign_in(self.board, context=context)
        page = context.new_page()
        page.goto(self.web.url)
        number = page.locator(f"[data-key=build-{build_id}] .no")
        self.assertEqual((number.inner_text(), number.is_visible()), (str(build_id), True))
        self.assertFalse(page.locator("#filter").is_visible())
        self.expect(page.locator("#pill")).to_contain_text("Live")
        page.get_by_role("link", name="Filter").click()
        page.wait_for_timeout(1_000)
        self.assertTrue(page.locator("#filter").is_visible(), "it was unfolded, and folded itself again")
        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0)
        page.get_by_label("Project", exact=True).select_option("quick")
        self.expect(page.locator(".said")).to_contain_text("Showing builds of quick")
        page.go_back()
        self.expect(page.locator(".said")).to_have_count(0)
        self.expect(page.get_by_label("Project", exact=True)).to_have_value("")
        self.assertTrue(page.locator("#filter").is_visible(), "what one was at stays unfolded")
        page.go_back()
        self.expect(page.locator("#filter")).to_be_hidden()
        page.get_by_role("link", name="Filter").click()
        page.wait_for_timeout(500)
        self.assertTrue(page.locator("#filter").is_visible())


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


class SilentTest(BoardPageCase):
    def test_a_page_that_is_never_answered_is_asked_for_again(self) -> None:
        hung: list[Any] = []
        self.page.add_init_script("""
          const limit = AbortSignal.timeout.bind(AbortSignal);
          AbortSignal.timeout = (milliseconds) => limit(milliseconds / 30);
        """)
        self.open()
        self.page.route(
            lambda url: url == self.web.url + "/",
            lambda route: route.continue_() if hung else hung.append(route),
        )
        build_id = self.board.start("gpu")
        eventually(lambda: self.page.evaluate("1") and hung, 10, "the page was not asked for")
        self.expect(self.row(build_id)).to_be_visible()


class StillTest(BoardPageCase):
    def watch(self, build_id: int) -> None:
        self.row(build_id).hover()
        self.row(build_id).evaluate(WATCH)

    def moved(self) -> float:
        """By how many pixels the watched row has moved, in any frame."""
        return self.page.evaluate("Math.max(...window.tops) - Math.min(...window.tops)")

    def test_the_row_under_the_pointer_keeps_its_place_while_builds_start_and_end(self) -> None:
        old = self.board.start("quick")
        self.board.wait(old)
        first, second = self.running(2)
        self.open()
        self.watch(old)
        self.cancel(first)
        self.expect(self.row(first).locator(".mark")).to_have_text("cancelled")
        new = [self.board.start("gpu") for _ in range(3)]
        self.expect(self.page.locator("#held")).to_have_text("3 new")
        self.cancel(second)
        self.expect(self.row(second).locator(".mark")).to_have_text("cancelled")
        self.expect(self.row(second)).to_be_visible()
        self.assertEqual(self.moved(), 0)
        self.assertEqual([self.row(build_id).count() for build_id in new], [0, 0, 0])
        self.page.mouse.move(5, 5)
        for build_id in new:
            self.expect(self.row(build_id)).to_be_visible()
        self.expect(self.page.locator("#held")).to_have_count(0)
        self.assertEqual(self.shown()[:6], [*new, second, first, old])

    def test_a_running_row_becomes_its_final_form_under_the_pointer(self) -> None:
        first, second = self.running(2)
        waiting = self.board.start("waits")
        self.open()
        self.expect(self.row(waiting)).to_be_visible()
        self.watch(second)
        before = {build_id: self.row(build_id).bounding_box() for build_id in (first, second, waiting)}
        self.cancel(first)
        self.cancel(second)
        self.expect(self.row(second).locator(".mark")).to_have_text("cancelled")
        self.expect(self.row(second)).to_contain_text("Cancelled by alice")
        self.expect(self.row(waiting).locator(".mark")).to_have_text("running")
        after = {build_id: self.row(build_id).bounding_box() for build_id in (first, second, waiting)}
        self.assertEqual(after, before)
        self.expect(self.page.locator("#held")).to_have_text("Put in order")
        self.page.keyboard.press("Tab")
        self.page.locator("#held").press("Enter")
        self.expect(self.page.locator("#held")).to_have_count(0)
        self.expect(self.row(waiting).locator("small")).to_have_text("wait · step 1 of 1")

    def test_a_card_under_the_pointer_keeps_its_place_while_the_rows_go_on(self) -> None:
        self.board.wait(self.board.start("quick"))
        self.open()
        card = self.page.locator("aside .proj", has=self.page.get_by_role("link", name="gpu"))
        place = card.bounding_box()
        card.hover()
        build_id = self.board.start("gpu")
        self.expect(self.row(build_id)).to_be_visible()
        self.expect(card).to_contain_text(f"build {build_id} queued")
        self.assertEqual(card.bounding_box(), place)
        self.page.mouse.move(5, 5)
        self.expect(self.page.locator("aside .proj").first).to_contain_text("gpu")
