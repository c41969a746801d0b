"""The board in a real browser."""

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
        from playwright.sync_api import expect

        super().setUp()
        self.expect = expect
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
