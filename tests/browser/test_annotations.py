"""Annotations on a build's page: live, once and in order, leading to their lines; and without JavaScript."""

from builds import events, lifecycle
from builds.events import Chunk, Lease
from builds.lookout import Finder
from builds.states import Status
from tests.support.board import Board
from tests.support.browser import BrowserCase

RECIPE = "steps: [{name: compile, run: x}, {name: test, run: x}]"


class AnnotationsTest(BrowserCase):
    def setUp(self) -> None:
        super().setUp()
        self.board = Board()
        self.addCleanup(self.board.close)
        self.board.project("hello", RECIPE)
        self.board.web()
        self.sign_in(self.board)
        build_id = self.board.enqueue("hello")
        self.finder, self.line = Finder(), 1
        with self.board.database():
            lease = lifecycle.claim("test:1", "t" * 32)
            assert lease is not None and lease.build_id == build_id
            self.lease: Lease = lease
            lifecycle.begin_step(self.lease, 0)
        self.url = f"{self.board.webs[0].url}/builds/{build_id}/"

    def print(self, *lines: str) -> None:
        with self.board.database():
            events.append(self.lease, *self.finder.look([Chunk(0, self.line, lines)]))
        self.line += len(lines)

    def notes(self) -> list[str]:
        return [" ".join(text.split()) for text in self.page.locator(".note").all_inner_texts()]

    def test_they_come_live_once_and_in_order_and_lead_to_their_lines(self) -> None:
        from playwright.sync_api import expect

        self.page.goto(self.url)
        expect(self.page.locator(".pill.live, .pill", has_text="Live")).to_be_visible()
        expect(self.page.locator("#annotations")).to_be_hidden()
        self.print("::group::all", "::warning file=a.c,line=3,title=unused::x", *["line"] * 200)
        heading = self.page.locator("[data-slot=annotated]")
        expect(heading).to_have_text("1 warning")
        self.print("::error::<b>It broke</b>", "##[error]And again%0A")
        expect(heading).to_have_text("2 errors, 1 warning")
        live = self.notes()
        self.assertEqual(
            live,
            [
                "error <b>It broke</b> compile, line 203",
                "error And again%0A compile, line 204",
                "warning unused x a.c:3 compile, line 2",
            ],
        )
        self.screenshot("annotations-live")
        self.print(*["::notice::n"] * 103)
        expect(heading).to_have_text("2 errors, 1 warning, 100 or more notices")
        with self.board.database():
            lifecycle.finish(self.lease, Status.FAILED, "It said no.")
        expect(heading).to_have_text("2 errors, 1 warning, 103 notices")
        expect(self.page.locator(".beyond")).to_have_text("and 3 more notices")
        self.page.click(".note.warning a")
        expect(self.page.locator("[id='1:2']")).to_be_in_viewport()
        after = self.notes()
        self.page.reload()
        expect(heading).to_have_text("2 errors, 1 warning, 103 notices")
        self.assertEqual(self.notes(), after, "what was added live is what the server renders")

    def test_without_javascript_they_are_there(self) -> None:
        self.print("::error file=a.c,line=3::It broke")
        context = self.new_context(java_script_enabled=False)
        self.sign_in(self.board, context=context)
        page = context.new_page()
        page.goto(self.url)
        self.assertIn("It broke", page.inner_text("#annotations"))
        page.click(".note a")
        self.assertTrue(page.url.endswith("#1:1"))
