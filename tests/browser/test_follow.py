"""Follow keeps the newest line in view on windows that are too low for the page, and never against the reader."""

from typing import Any

from builds import lifecycle
from builds.events import Lease
from tests.browser.logs import RECIPE, LogCase
from tests.support.processes import eventually

PHONE, LOW = {"width": 390, "height": 800}, {"width": 1280, "height": 500}
LONG = "line {} " + "of a program that has much to say in one line " * 6


class FollowTest(LogCase):
    def seen(self, address: str) -> bool:
        """Whether that line is in view to its end, with the foot of the log below it."""
        look = """row => {
          const [{ top, bottom }, lines] = [row, row.closest(".lines")].map((each) => each.getBoundingClientRect());
          return bottom <= lines.bottom + 1 && top >= lines.top && lines.bottom < innerHeight && lines.top > 0;
        }"""
        row = self.row(address)
        return bool(row.count() and row.evaluate(look))

    def sees(self, address: str) -> None:
        eventually(lambda: self.seen(address), 10, f"line {address} is not in view")

    def stands(self) -> float:
        """How far down the page stands, once it has had the time to move."""
        self.page.wait_for_timeout(300)
        return float(self.page.evaluate("scrollY"))

    def waiting(self, slug: str) -> int:
        self.board.project(slug, RECIPE)
        return self.board.enqueue(slug)

    def claim(self, build_id: int) -> Lease:
        with self.board.database():
            lease: Lease = lifecycle.claim("test:1", f"token of build {build_id}")
            assert lease.build_id == build_id
            lifecycle.begin_step(lease, 0)
        return lease

    def test_the_newest_line_is_in_view_when_the_page_opens_and_while_it_goes_on(self) -> None:
        lease = self.begin("low")
        self.print(lease, 1, 1, 300)
        last = 300
        for size in (PHONE, LOW):
            for scheme in ("light", "dark"):
                self.page.set_viewport_size(size)
                self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce" if scheme == "dark" else None)
                self.open(lease.build_id)
                self.sees(f"2:{last}")
                self.screenshot(f"follow-{size['width']}-{scheme}")
                self.print(lease, 1, last + 1, last + 100, LONG)
                last += 100
                self.sees(f"2:{last}")

    def test_a_build_that_begins_under_its_reader_comes_into_view_unless_they_did_something(self) -> None:
        from playwright.sync_api import expect

        for does, moved in ((None, True), ("key", False), ("wheel", False)):
            self.page.set_viewport_size(PHONE)
            build_id = self.waiting(f"begins-{does}")
            self.open(build_id)
            expect(self.page.locator("#pill")).to_contain_text("Live")
            self.assertEqual(self.stands(), 0)
            if does == "key":
                self.page.keyboard.press("Tab")
            elif does == "wheel":
                self.page.mouse.move(200, 200)
                self.page.mouse.wheel(0, 30)
                eventually(lambda: self.page.evaluate("scrollY") > 0, 5, "the page did not scroll")
            before = self.stands()
            self.print(self.claim(build_id), 0, 1, 200)
            expect(self.row("1:200")).to_be_attached()
            expect(self.page.locator("#follow")).to_have_attribute("aria-pressed", "true")
            self.assertEqual(self.stands() > before, moved, does)
            self.assertEqual(self.seen("1:200"), moved, does)

    def test_a_page_that_is_loaded_again_stays_where_its_reader_left_it(self) -> None:
        from playwright.sync_api import expect

        lease = self.begin("again")
        self.print(lease, 1, 1, 300)
        self.page.set_viewport_size(PHONE)
        self.open(lease.build_id)
        self.sees("2:300")
        self.page.evaluate("scrollTo(0, 0)")
        self.print(lease, 1, 301, 400)
        expect(self.row("2:400")).to_be_attached()
        self.assertEqual(self.stands(), 0, "it was moved against its reader")
        self.page.reload()
        expect(self.row("2:400")).to_be_attached()
        self.assertEqual(self.stands(), 0)

    def test_whoever_presses_follow_sees_the_newest_line_and_the_button_with_its_focus(self) -> None:
        from playwright.sync_api import expect

        lease = self.begin("pressed")
        self.print(lease, 1, 1, 300)
        follow = self.page.locator("#follow")
        for size in (PHONE, LOW):
            self.page.set_viewport_size(size)
            self.open(lease.build_id, "#2:20")
            expect(self.row("2:20")).to_be_in_viewport()
            for key in ("Enter", "."):
                if follow.get_attribute("aria-pressed") == "true":
                    follow.press("Enter")
                follow.focus()
                self.page.evaluate("scrollTo(0, 0)")
                self.page.keyboard.press(key)
                self.sees("2:300")
                expect(follow).to_have_attribute("aria-pressed", "true")
                expect(follow).to_be_focused()
                box: Any = follow.bounding_box()
                self.assertGreaterEqual(box["y"], 44, "below the top of the page, which stands above all else")

    def test_whoever_follows_and_has_moved_the_page_away_is_brought_back_and_then_stops_it(self) -> None:
        from playwright.sync_api import expect

        lease = self.begin("away")
        self.print(lease, 1, 1, 300)
        follow = self.page.locator("#follow")
        self.page.set_viewport_size(PHONE)
        self.open(lease.build_id)
        self.sees("2:300")
        lines = "document.querySelector('.lines').getBoundingClientRect()"
        self.page.evaluate(f"scrollBy(0, {lines}.top - innerHeight + 60)")
        self.assertFalse(self.seen("2:300"))
        follow.click()
        self.sees("2:300")
        expect(follow).to_have_attribute("aria-pressed", "true")
        follow.click()
        expect(follow).to_have_attribute("aria-pressed", "false")

    def test_new_lines_are_offered_only_where_they_are_out_of_view(self) -> None:
        from playwright.sync_api import expect

        lease = self.begin("short")
        self.print(lease, 1, 1, 3)
        self.open(lease.build_id)
        self.sees("2:3")
        self.page.locator("#follow").click()
        expect(self.page.locator("#follow")).to_have_attribute("aria-pressed", "false")
        self.print(lease, 1, 4, 6)
        self.sees("2:6")
        expect(self.page.locator("#fresh")).to_be_hidden()
        self.print(lease, 1, 7, 206)
        expect(self.page.locator("#fresh")).to_have_text("200 new lines")

    def test_a_telephone_that_is_turned_shows_the_newest_line_unless_its_reader_has_moved_on(self) -> None:
        lease = self.begin("turned")
        self.print(lease, 1, 1, 300)
        self.page.set_viewport_size(PHONE)
        self.open(lease.build_id)
        self.sees("2:300")
        for width, height in ((800, 390), (390, 800)):
            self.page.set_viewport_size({"width": width, "height": height})
            self.sees("2:300")
        self.page.evaluate("scrollTo(0, 0)")
        self.stands()
        self.page.set_viewport_size({"width": 800, "height": 390})
        self.assertEqual(self.stands(), 0)

    def test_a_newest_line_that_wraps_is_in_view_to_its_end(self) -> None:
        lease = self.begin("wraps")
        self.print(lease, 1, 1, 50, LONG)
        self.page.set_viewport_size(PHONE)
        self.open(lease.build_id)
        self.sees("2:50")
        for last in (51, 52, 53):
            self.print(lease, 1, last, last, LONG + "and more, " * 8 * (last - 50))
            self.sees(f"2:{last}")
