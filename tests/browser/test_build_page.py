"""A build's page as it is read: hostile output, no script, the board beside it, a server that fails."""

import time
from typing import Any

from tests.browser.buildpages import BuildPageCase

from ..support.processes import eventually


class ReadTest(BuildPageCase):
    def test_whatever_was_printed_is_text(self) -> None:
        from playwright.sync_api import expect

        build_id = self.board.start("hostile")
        self.open_build(build_id)
        expect(self.page.locator(".ln", has_text="fine")).to_be_attached()
        for _ in range(2):  # live, and then as the server renders it
            expect(self.page.locator(".ln", has_text="</script><script>")).to_have_count(1)
            self.assertEqual(self.page.locator("#lines script, #lines img, #lines a[target]").count(), 0)
            self.assertNotIn("owned", self.page.title())
            self.assertLessEqual(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0)
            self.board.wait(build_id)
            self.page.reload()

    def test_without_script_it_reads_and_its_buttons_work(self) -> None:
        context = self.new_context(java_script_enabled=False)
        self.sign_in(self.board, context=context)
        page = context.new_page()
        page.goto(self.web.url + "/projects/slow/")
        page.get_by_role("button", name="Start build").click()
        self.assertRegex(page.url, r"/builds/\d+/$")
        build_id = int(page.url.rstrip("/").rsplit("/", 1)[1])
        eventually(lambda: len(self.board.lines(build_id)) > 3, 20, "nothing was printed")
        page.reload()
        self.assertIn("line 1 of it", page.inner_text("#lines"))
        self.assertIn("running count, step 1 of 2", page.inner_text("main"))
        page.get_by_role("link", name="Newest line").click()
        self.assertTrue(page.url.endswith("#newest"))
        self.assertTrue(page.locator(".ln").last.evaluate("line => line.getBoundingClientRect().bottom <= innerHeight"))
        page.get_by_role("button", name="Cancel").click()
        self.board.wait(build_id)
        page.reload()
        self.assertIn("cancelled", page.inner_text(".meta"))
        page.goto(self.web.url + "/")
        self.assertIn("slow", page.inner_text("main"))

    def test_the_board_follows_a_build_without_being_loaded_again(self) -> None:
        from playwright.sync_api import expect

        self.open("/")
        self.page.evaluate("window.sameDocument = true")
        build_id = self.board.start("slow")
        row = self.page.locator(f"[data-key='build-{build_id}']")
        expect(row.locator(".mark")).to_have_text("running")
        expect(row.locator("small")).to_have_text("count · step 1 of 2")
        self.board.post(f"/api/v1/builds/{build_id}/cancel")
        expect(row.locator(".mark")).to_have_text("cancelled")
        expect(self.page.locator("section[data-live=recent]")).to_contain_text("Cancelled by alice")
        self.assertTrue(self.page.evaluate("window.sameDocument"))

    def test_rows_do_not_move_under_the_pointer_but_a_pointer_left_there_hides_nothing_for_long(self) -> None:
        from playwright.sync_api import expect

        self.board.wait(self.board.start("hostile"))
        self.page.clock.install()
        self.open("/projects/hostile/")
        expect(self.page.locator("#pill")).to_contain_text("Live")
        self.page.locator(".rows .row").first.hover()
        build_id = self.board.start("hostile")
        row = self.page.locator(f"[data-key='build-{build_id}']")
        expect(self.page.locator("#held")).to_be_visible()
        expect(row).to_have_count(0)
        self.page.clock.fast_forward("00:31")
        expect(row).to_have_count(1)
        self.board.wait(build_id)

    def test_a_page_whose_server_fails_for_a_moment_shows_the_change_when_it_is_back(self) -> None:
        from playwright.sync_api import expect

        self.open("/projects/slow/")
        form = self.page.locator("form[data-once]")
        form.locator("input[name=ref]").evaluate("input => { input.removeAttribute('maxlength'); }")
        form.locator("input[name=ref]").fill("x" * 201)
        form.get_by_role("button").click()
        expect(self.page.locator("#id_ref_error")).to_be_visible()
        expect(self.page.locator("#pill")).to_contain_text("Live")
        asked: list[float] = []

        def fail_twice(route: Any) -> None:
            asked.append(time.monotonic())
            if len(asked) < 3:
                route.fulfill(status=503, body="not just now")
            else:
                route.continue_()

        self.page.route("**/projects/slow/", fail_twice)
        build_id = self.board.start("slow")
        row = self.page.locator(f"[data-key='build-{build_id}']")
        expect(row.locator(".mark")).to_have_text("running")
        self.assertGreater(asked[2] - asked[1], 1, "it does not ask in a hurry")
        self.board.post(f"/api/v1/builds/{build_id}/cancel")

    def test_no_page_scrolls_sideways_on_a_phone_or_breaks_its_policy(self) -> None:
        build_id = self.board.start("hostile")
        self.board.wait(build_id)
        context = self.new_context(viewport={"width": 320, "height": 700}, has_touch=True, is_mobile=True)
        self.sign_in(self.board, "admin", context)
        page = context.new_page()
        page.on("console", self._note)
        for path in ("/", "/projects/hostile/", f"/builds/{build_id}/", "/nothing/", "/accounts/login/"):
            page.goto(self.web.url + path)
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0, path)

    def test_who_was_signed_out_is_told(self) -> None:
        from playwright.sync_api import expect

        build_id = self.board.start("slow")
        self.open_build(build_id)
        expect(self.page.locator("#pill")).to_contain_text("Live")
        self.context.clear_cookies()
        self.web.kill()
        self.web.start()
        expect(self.page.locator("#pill")).to_contain_text("Signed out")
        self.board.post(f"/api/v1/builds/{build_id}/cancel")
