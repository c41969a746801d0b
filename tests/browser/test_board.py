"""The board in a real browser: its filter, and rows that stay where they are."""

import re
from typing import Any

from tests.browser.boardpages import WATCH, BoardPageCase

from ..support.processes import eventually


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
