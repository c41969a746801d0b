"""Pages that are open while their board is restored from a backup."""

import time

from ..support.board import Board
from ..support.browser import BrowserCase
from ..support.processes import eventually

TALK = "steps: [{name: talk, run: 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done'}]"


class RestoreTest(BrowserCase):
    def test_open_pages_load_again_by_themselves_and_once(self) -> None:
        from playwright.sync_api import expect

        board = self.enterContext(Board())
        board.project("talk", TALK)
        web, worker = board.web(), board.workers(1)
        build_id = board.start("talk")
        eventually(lambda: len(board.lines(build_id)) > 20, 20)
        self.sign_in(board)
        of_build, of_board = self.page, self.context.new_page()
        loads: dict[str, int] = {}
        for name, page, path in (("build", of_build, f"/builds/{build_id}/"), ("board", of_board, "/")):
            page.goto(web.url + path)
            expect(page.locator("#pill")).to_contain_text("Live")
            loads[name] = 0
            page.on("load", lambda _, name=name: loads.update({name: loads[name] + 1}))
        board.manage("backup", str(board.data / "backup"), check=True)
        shown = len(board.lines(build_id))
        expect(of_build.locator(".ln", has_text=f"line {shown + 20}").first).to_be_visible()
        later = board.start("talk")
        expect(of_board.locator(f'[data-key="build-{later}"]')).to_be_visible()

        worker.close()
        web.terminate()
        board.manage("restore", str(board.data / "backup"), check=True)
        web.start()

        expect(of_build.locator("[data-slot=phrase]")).to_have_text("lost in talk")
        expect(of_build.locator("[data-slot=reason]")).to_contain_text("The board was restored from a backup of")
        expect(of_build.locator("#pill")).to_contain_text("Complete")
        expect(of_board.locator(f'[data-key="build-{later}"]')).to_have_count(0)
        expect(of_board.locator("#pill")).to_contain_text("Live")
        expect(of_board.locator(f'[data-key="build-{build_id}"]').get_by_text("lost").first).to_be_visible()
        last = len(board.lines(build_id))
        expect(of_build.locator(".ln", has_text=f"line {last}").first).to_be_visible()
        self.assertEqual(of_build.locator(".ln", has_text=f"line {last + 1}").count(), 0, "a line of the old world")
        time.sleep(3)
        self.assertEqual(loads, {"build": 1, "board": 1})
        self.screenshot("restored-build", of_build)
        self.screenshot("restored-board", of_board)
