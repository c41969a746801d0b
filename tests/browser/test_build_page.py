"""A build's page in a real browser, against the real commands."""

import re
import time
from typing import Any

from ..support.board import Board, Web
from ..support.browser import BrowserCase, read_log
from ..support.processes import Process, eventually

SLOW = """
steps:
  - name: count
    run: |
      i=0
      while [ $i -lt 220 ]; do i=$((i+1)); echo "line $i of it"; sleep 0.05; done
  - {name: after, run: echo the end}
"""
TALK = """
steps:
  - name: talk
    run: |
      i=0
      while [ $i -lt 60 ]; do i=$((i+1)); printf '\\033[3%dmword %d\\033[0m\\n' $((i%7+1)) $i; done
      while [ ! -e go ]; do sleep 0.02; done
      echo "printed at $(date +%s.%N)"
"""
MANY = "steps: [{name: flood, run: 'seq 1 50000; echo last words'}]"
FLOOD = "steps: [{name: flood, run: 'i=0; while [ $i -lt 8000 ]; do i=$((i+1)); seq $i $((i+20)); sleep 0.01; done'}]"
LONG = """
steps:
  - name: count
    run: |
      seq 1 4000
      i=4000
      while [ $i -lt 4400 ]; do i=$((i+1)); echo $i; sleep 0.05; done
"""
FAILS = """
steps:
  - {name: first, run: "sleep 1.5; seq 1 3"}
  - {name: silent, run: "true"}
  - {name: odd output, run: "seq 1 8; exit 3"}
  - {name: never, run: "true"}
"""
HOSTILE = r"""
steps:
  - name: "</script><b>"
    shell: bash
    run: |
      echo '</script><script>document.title="owned"</script>'
      echo '<img src=x onerror=alert(1)>'
      printf '\033]8;;javascript:alert(1)\033\\click\033]8;;\033\\ \033[999;;;:m\033[38;5m \033]0;t\007 \0 \377\376\n'
      printf 'a\u2028b \u202e\n'
      head -c 1000000 /dev/zero | tr '\0' x; echo
      echo fine
"""


class BuildPageCase(BrowserCase):
    """One board for all tests of the class."""

    board: Board
    web: Web
    worker: Process

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board()
        cls.addClassCleanup(cls.board.close)
        recipes = {
            "slow": SLOW,
            "talk": TALK,
            "many": MANY,
            "flood": FLOOD,
            "long": LONG,
            "fails": FAILS,
            "hostile": HOSTILE,
        }
        for slug, recipe in recipes.items():
            cls.board.project(slug, recipe)
        cls.web = cls.board.web()
        cls.worker = cls.board.workers(2)

    def setUp(self) -> None:
        super().setUp()
        self.sign_in(self.board)
        self.failed: list[str] = []
        self.page.on("console", self._note)

    def _note(self, message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.failed.append(message.text)

    def tearDown(self) -> None:
        super().tearDown()
        self.assertEqual(self.failed, [], "the console has errors")

    def open(self, path: str) -> None:
        self.page.goto(self.web.url + path)

    def open_build(self, build_id: int) -> None:
        self.open(f"/builds/{build_id}/")

    def fresh(self) -> int:
        """How many new lines the page offers."""
        return int(self.page.locator("#fresh").inner_text().split()[0])

    def numbers(self) -> list[int]:
        """Of the lines in the document, in their order."""
        texts = self.page.locator(".ln > a").all_text_contents()
        return [int(text) for text in texts]


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
        printed.wait_for(timeout=10_000)
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
            expect(self.page.locator("#pill")).to_contain_text("Complete", timeout=20_000)
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
        expect(self.page.locator("#pill")).to_contain_text("Live", timeout=20_000)
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
        expect(self.page.locator("[data-slot=phrase]")).to_have_text(re.compile("^cancelled"), timeout=20_000)
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
        expect(self.page.locator("[id='1:4010']")).to_be_visible(timeout=20_000)
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
        expect(row.locator(".mark")).to_have_text("cancelled", timeout=15_000)
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
        expect(row.locator(".mark")).to_have_text("running", timeout=15_000)
        self.assertGreater(asked[2] - asked[1], 1, "it does not ask in a hurry")
        self.board.post(f"/api/v1/builds/{build_id}/cancel")

    def test_no_page_scrolls_sideways_on_a_phone_or_breaks_its_policy(self) -> None:
        build_id = self.board.start("hostile")
        self.board.wait(build_id)
        context = self.new_context(viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True)
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
        expect(self.page.locator("#pill")).to_contain_text("Signed out", timeout=20_000)
        self.board.post(f"/api/v1/builds/{build_id}/cancel")
