"""What a queued build waits for, as pages show it while others come and go: no reload, and no word that is not so."""

from typing import Any

from builds import lifecycle
from builds.models import Project

from ..support.board import Board
from ..support.browser import BrowserCase

WAITS = "steps: [{name: wait, run: 'sleep 600'}]"


class QueueTest(BrowserCase):
    def setUp(self) -> None:
        super().setUp()
        self.board = Board()
        self.addCleanup(self.board.close)
        self.board.project("p", WAITS)
        self.board.project("gpu", WAITS, runs_on="gpu")
        self.web = self.board.web()
        self.sign_in(self.board)

    def cancel(self, build_id: int) -> None:
        with self.board.database():
            lifecycle.cancel(build_id, by="alice")

    def test_a_build_page_keeps_its_place_true(self) -> None:
        from playwright.sync_api import expect

        first, second, third = (self.board.enqueue("p") for _ in range(3))
        self.page.goto(f"{self.web.url}/builds/{third}/")
        place = self.page.locator("[data-slot=place]")
        expect(place).to_have_text("3rd in the queue: no worker is running")
        self.board.workers(1)
        self.board.wait(first, status="running")
        expect(place).to_have_text("2nd in the queue: 1 build before it", timeout=30_000)
        self.cancel(second)
        expect(place).to_have_text("1st in the queue: next free worker", timeout=30_000)
        self.web.kill()
        expect(place).to_be_hidden(timeout=30_000)
        self.web.start()
        expect(place).to_have_text("1st in the queue: next free worker")
        self.cancel(first)
        expect(self.page.locator("[data-slot=phrase]")).to_have_text("running wait, step 1 of 1", timeout=30_000)
        expect(place).to_be_hidden()

    def test_a_place_that_is_never_answered_is_asked_for_again(self) -> None:
        from playwright.sync_api import expect

        first, second = (self.board.enqueue("p") for _ in range(2))
        self.page.add_init_script("""
          const limit = AbortSignal.timeout.bind(AbortSignal);
          AbortSignal.timeout = (milliseconds) => limit(milliseconds / 30);
        """)
        url = f"{self.web.url}/builds/{second}/"
        self.page.goto(url)
        place = self.page.locator("[data-slot=place]")
        expect(place).to_have_text("2nd in the queue: no worker is running")
        hung: list[Any] = []
        self.page.route(url, lambda route: route.continue_() if hung else hung.append(route))
        self.cancel(first)
        expect(place).to_have_text("1st in the queue: no worker is running")
        self.assertTrue(hung)

    def test_a_build_that_nothing_is_known_of_draws_no_axis_and_no_empty_log_and_never_had_a_worker(self) -> None:
        from playwright.sync_api import expect

        build_id = self.board.enqueue("p")
        self.page.set_viewport_size({"width": 390, "height": 844})
        self.page.goto(f"{self.web.url}/builds/{build_id}/")
        axis, worker, log = (self.page.locator(f"[data-slot={name}]") for name in ("axis", "worker", "log"))
        expect(worker).to_have_text("none yet")
        expect(axis).to_be_hidden()
        expect(log).to_be_hidden()
        self.assertLess((self.page.locator("#log").bounding_box() or {})["height"], 200)
        self.screenshot("queued-narrow", full_page=True)
        self.cancel(build_id)
        expect(worker).to_have_text("none: it never ran")
        expect(axis).to_be_hidden()
        self.page.reload()
        expect(worker).to_have_text("none: it never ran")
        expect(axis).to_be_hidden()

    def test_the_board_hears_of_workers_and_of_others_builds(self) -> None:
        from playwright.sync_api import expect

        build_id = self.board.enqueue("gpu")
        self.page.goto(self.web.url)
        row = self.page.locator(f"[data-key=build-{build_id}] .at")
        expect(row).to_have_text("1st · no worker is running")
        self.board.workers(1)
        expect(row).to_have_text("1st · no living worker has the label gpu (1 worker lives)")
        self.page.goto(f"{self.web.url}/projects/gpu/")
        expect(self.page.locator(".meta")).to_contain_text("runs on gpu")
        expect(row).to_have_text("1st · no living worker has the label gpu (1 worker lives)")

    def test_limits_are_said_where_the_builds_wait(self) -> None:
        from playwright.sync_api import expect

        with self.board.database():
            Project.objects.filter(slug="p").update(max_running=1)
        self.board.workers(2)
        first, second = self.board.enqueue("p"), self.board.enqueue("p")
        self.board.wait(first, status="running")
        self.page.goto(self.web.url)
        row = self.page.locator(f"[data-key=build-{second}] .at")
        expect(row).to_have_text("1st · its project already runs 1 of 1")
        self.cancel(first)
        expect(row).to_be_hidden()
