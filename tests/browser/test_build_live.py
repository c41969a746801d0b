"""A build's page while its build runs: the first line, floods, a web process that dies, cancelling, following."""

import re
import time

from tests.browser.buildpages import BuildPageCase

from ..support.browser import read_log
from ..support.processes import eventually


class LiveTest(BuildPageCase):
    def test_a_click_on_start_shows_the_first_line_as_it_is_printed(self) -> None:
        from playwright.sync_api import expect

        self.open("/projects/talk/")
        self.page.get_by_role("button", name="Start build").click()
        expect(self.page).to_have_url(re.compile(r"/builds/\d+/$"))
        expect(self.page.locator(".ln", has_text="word 60")).to_be_visible()
        expect(self.page.locator(".ln i.c3").first).to_be_attached()
        expect(self.page.locator("#pill")).to_contain_text("Live")
        build_id = int(self.page.url.rstrip("/").rsplit("/", 1)[1])
        self._let_go()
        printed = self.page.locator(".ln", has_text="printed at")
        printed.wait_for()
        late = time.time() - float(printed.locator("pre").inner_text().split()[-1])
        self.assertLess(late, 2.0, "seconds from the print to the page")
        expect(self.page.locator("[data-slot=phrase]")).to_have_text("passed")
        expect(self.page.locator("#pill")).to_contain_text("Complete")
        expect(self.page).to_have_title(re.compile("^passed"))
        expect(self.page.get_by_role("button", name="Retry")).to_be_visible()
        expect(self.page.get_by_role("button", name="Cancel")).to_be_hidden()
        self.assertRegex(self.page.locator("#icon").get_attribute("href") or "", "passed")
        self.assertEqual(self.board.build(build_id)["status"], "passed")

    def test_a_build_watched_to_its_end_reads_as_the_page_loaded_again(self) -> None:
        from playwright.sync_api import expect

        seen = ".meta b, [data-slot=after], .verdict p, .fold, [data-slot=total], .facts dd, .step"
        parts = ["h1", *(f"{part}:visible" for part in seen.split(", "))]
        cancel = self.board.start("slow")
        self.open_build(cancel)
        expect(self.page.locator(".ln").first).to_be_attached()
        self.board.post(f"/api/v1/builds/{cancel}/cancel")
        for build_id in (cancel, self.board.start("fails")):
            if build_id != cancel:
                self.open_build(build_id)
                expect(self.page.locator("#pill")).to_contain_text("Live")
            expect(self.page.locator("#pill")).to_contain_text("Complete")
            watched = [self.page.locator(part).all_inner_texts() for part in parts]
            self.page.reload()
            expect(self.page.locator("#pill")).to_contain_text("Complete")
            self.assertEqual(watched, [self.page.locator(part).all_inner_texts() for part in parts])
        expect(self.page.locator("[data-slot=total]")).to_have_text("11 lines")
        expect(self.page.locator(".fold .end")).to_have_text(
            ["3 lines", "no output", "8 lines · Exit code 3.", "skipped · It needs odd output, which failed."]
        )

    def _let_go(self) -> None:
        def free() -> bool:
            folders = [path.parent for path in self.board.data.rglob("*") if path.is_dir() and not any(path.iterdir())]
            for folder in {*folders, *(path for path in self.board.data.rglob("*") if path.is_dir())}:
                if "static" not in folder.parts:
                    (folder / "go").touch()
            return True

        eventually(free, 5, "no workspace")

    def test_a_web_process_that_dies_and_comes_back_loses_and_doubles_nothing(self) -> None:
        from playwright.sync_api import expect

        build_id = self.board.start("slow")
        self.open_build(build_id)
        self.page.evaluate("window.sameDocument = true")
        expect(self.page.locator(".ln", has_text="line 20 of it")).to_be_attached()
        self.web.kill()
        expect(self.page.locator("#pill")).to_contain_text(re.compile("Reconnecting|Offline"))
        self.web.start()
        expect(self.page.locator("#pill")).to_contain_text("Live")
        expect(self.page.locator("[data-slot=phrase]")).to_have_text("passed", timeout=40_000)
        expect(self.page.locator(".ln", has_text="the end")).to_be_attached()
        rows = read_log(self.page)
        self.assertEqual([row for row, _ in rows], [*(f"1:{number}" for number in range(1, 221)), "2:1"])
        self.assertEqual([text for row, text in rows if row.startswith("1:")], self.board.lines(build_id))
        self.assertTrue(self.page.evaluate("window.sameDocument"), "the page was not loaded again")

    def test_cancel_by_a_click(self) -> None:
        from playwright.sync_api import expect

        build_id = self.board.start("slow")
        self.open_build(build_id)
        expect(self.page.locator(".ln").first).to_be_attached()
        self.page.get_by_role("button", name="Cancel").click()
        expect(self.page.locator("[data-slot=phrase]")).to_have_text(re.compile("^cancelled"))
        expect(self.page.locator(".meta")).to_contain_text("cancelled by alice")
        expect(self.page.locator("[data-slot=verdict]")).to_be_hidden()
        expect(self.page.get_by_role("button", name="Retry")).to_be_visible()

    def test_scrolling_up_ends_following_and_a_button_brings_it_back(self) -> None:
        from playwright.sync_api import expect

        build_id = self.board.start("slow")
        self.open_build(build_id)
        lines = self.page.locator("#lines")
        expect(self.page.locator(".ln", has_text="line 60 of it")).to_be_visible()
        lines.hover()
        self.page.mouse.wheel(0, -400)
        expect(self.page.locator("#follow")).to_have_attribute("aria-pressed", "false")
        expect(self.page.locator("#fresh")).to_have_text(re.compile(r"\d+ new lines"))
        place = lines.evaluate("element => element.scrollTop")
        before = self.fresh()
        eventually(lambda: self.fresh() > before + 5, 10, "no more lines came")
        self.assertEqual(lines.evaluate("element => element.scrollTop"), place, "the view has not moved")
        self.page.locator("#fresh").click()
        expect(self.page.locator("#follow")).to_have_attribute("aria-pressed", "true")
        eventually(lambda: self.page.locator(".ln").last.inner_text() != "", 5, "no line")
        expect(self.page.locator(".ln").last).to_be_in_viewport()
        self.board.post(f"/api/v1/builds/{build_id}/cancel")

    def test_following_again_goes_on_with_the_newest_lines(self) -> None:
        from playwright.sync_api import expect

        build_id = self.board.start("long")
        self.open_build(build_id)
        expect(self.page.locator("[id='1:4010']")).to_be_visible()
        self.page.locator("#lines").hover()
        self.page.mouse.wheel(0, -400)
        expect(self.page.locator("#fresh")).to_have_text(re.compile(r"\d+ new lines"))

        self.page.locator("#fresh").click()
        shown = self.page.locator(".ln > a").last
        expect(self.page.locator("#follow")).to_have_attribute("aria-pressed", "true")
        expect(self.page.locator(".ln > time").first).to_have_text(re.compile(r"^\d+\.\d\d$"))
        newest = int(shown.inner_text())
        eventually(lambda: int(shown.inner_text()) > newest + 20, 10, "the log stands still")
        numbers = self.numbers()
        self.assertEqual(numbers, list(range(numbers[0], numbers[-1] + 1)))
        self.assertNotIn("", self.page.locator(".ln > time").all_text_contents(), "every line has its time")
        self.board.post(f"/api/v1/builds/{build_id}/cancel")

    def test_a_view_that_grows_while_lines_come_goes_on_following(self) -> None:
        build_id = self.board.start("flood")
        self.open_build(build_id)
        eventually(lambda: self.page.locator(".ln").count() > 0, 20, "no line came")
        for height in (700, 900) * 8:
            self.page.set_viewport_size({"width": 1280, "height": height})
            self.page.wait_for_timeout(100)
        self.assertEqual(self.page.get_attribute("#follow", "aria-pressed"), "true", "nobody has scrolled")
        self.board.post(f"/api/v1/builds/{build_id}/cancel")

    def test_50_000_lines_at_once_leave_a_page_that_answers(self) -> None:
        from playwright.sync_api import expect

        build_id = self.board.start("many")
        self.open_build(build_id)
        expect(self.page.locator(".ln", has_text="last words")).to_be_visible(timeout=60_000)
        self.assertLess(self.page.locator("*").count(), 2_000)
        shown = self.numbers()
        self.assertEqual(shown, list(range(shown[0], 50_002)))
        self.open(f"/builds/{build_id}/#1:777")
        self.page.reload()
        expect(self.page.locator(".ln.picked")).to_contain_text("777")
        expect(self.page.locator(".ln.picked")).to_be_in_viewport()
