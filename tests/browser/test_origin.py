"""A build's page while its commit becomes known, and with it the steps that it really has."""

from builds import events, lifecycle, plans
from builds.events import Chunk
from builds.models import Build
from builds.source import Commit
from builds.states import Status
from tests.support.board import Board
from tests.support.browser import BrowserCase

OWN = "steps: [{name: compile, run: x}, {name: test, run: x}]"
OTHER = "steps: [{name: lint, run: x}, {name: test, run: x}]"
COMMIT = "0123456789" * 4


class OriginTest(BrowserCase):
    def setUp(self) -> None:
        super().setUp()
        self.board = Board()
        self.addCleanup(self.board.close)
        self.board.project("widgets", OWN, repository="git@github.com:acme/widgets.git")
        self.board.web()
        self.sign_in(self.board)
        self.build_id = self.board.enqueue("widgets")
        with self.board.database():
            lease = lifecycle.claim("test:1", "t" * 32)
            assert lease is not None
            self.lease = lease
            lifecycle.begin_step(lease, 0)
        self.page.goto(f"{self.board.webs[0].url}/builds/{self.build_id}/")

    def check_out(self, found: str | None) -> None:
        new = {"commit": COMMIT, "title": "Mend it", "author": "Ada", "at": "2024-02-03T04:05:06Z"}
        changes = {"since": "f" * 40, "since_build": None, "count": 1, "gone": 0, "commits": [new]}
        with self.board.database():
            events.append(self.lease, [Chunk(0, 1, ["Fetching"])])
            lifecycle.checked_out(self.lease, Commit(COMMIT, "Mend it", "Ada", None, "main"), changes)
            lifecycle.end_step(self.lease, 0, Status.PASSED, exit_code=0)
            build = Build.objects.get(pk=self.build_id)
            lifecycle.adopt(self.lease, plans.at_commit(build, found), "" if found is None else ".buildboard.yml")
            lifecycle.begin_step(self.lease, 1)
            events.append(self.lease, [Chunk(1, 1, ["the first line of the recipe's own"])])

    def test_the_commit_and_what_is_new_appear_without_a_reload(self) -> None:
        from playwright.sync_api import expect

        expect(self.page.locator("#origin")).to_be_hidden()
        expect(self.page.locator("#changes")).to_be_hidden()
        recipe, image = (self.page.locator(f"dd[data-slot={name}]") for name in ("recipe", "image"))
        expect(recipe).to_be_hidden()
        self.page.evaluate("window.same = true")
        with self.board.database():
            Build.objects.filter(pk=self.build_id).update(recipe="image: debian:12\n" + OWN)
        self.check_out(None)
        expect(self.page.locator("#origin")).to_contain_text("Mend it")
        expect(self.page.locator("#origin a")).to_have_attribute(
            "href", f"https://github.com/acme/widgets/commit/{COMMIT}"
        )
        expect(self.page.locator("#changes")).to_contain_text("1 commit since fffffffff, which passed")
        expect(self.page.get_by_text("the first line of the recipe's own")).to_be_visible()
        expect(recipe).to_have_text("the project's own")
        expect(image).to_have_text("debian:12")
        self.assertTrue(self.page.evaluate("window.same"))

    def test_other_steps_than_were_expected_are_there_with_their_lines(self) -> None:
        from playwright.sync_api import expect

        steps = self.page.locator(".step b")
        expect(steps).to_have_text(["check out", "compile", "test"])
        self.check_out(OTHER)
        expect(steps).to_have_text(["check out", "lint", "test"])
        expect(self.page.get_by_text("the first line of the recipe's own")).to_be_visible()
        expect(self.page.locator("#origin")).to_contain_text("Mend it")
        for width in (1280, 390):
            self.page.set_viewport_size({"width": width, "height": 900})
            self.screenshot(f"origin-{width}")
