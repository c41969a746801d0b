"""Names of steps on a build's page: whole beside long reasons, and in view where there are many."""

from builds import lifecycle
from tests.browser.logs import LogCase

REASON = "It needed what is not there, and says so at a length that leaves no room for anything else. " * 3


class NamesTest(LogCase):
    def test_a_name_is_whole_beside_a_reason_that_is_longer_than_its_heading(self) -> None:
        lease = self.begin("reasons")
        with self.board.database():
            lifecycle.end_step(lease, 1, "failed", exit_code=1, reason=REASON)
        for width in (390, 1280, 1920):
            self.page.set_viewport_size({"width": width, "height": 844})
            self.open(lease.build_id)
            heading = self.page.locator(".fold", has_text="compile")
            name, said = heading.locator("b"), heading.locator(".end")
            self.assertEqual(name.evaluate("name => name.scrollWidth - name.clientWidth"), 0, width)
            self.assertGreater(said.evaluate("said => said.scrollWidth - said.clientWidth"), 0, width)

    def test_many_steps_have_room_and_what_is_cut_below_fades(self) -> None:
        steps = ", ".join(f"{{name: step-{number}, run: x}}" for number in range(30))
        self.board.project("thirty", f"steps: [{steps}]")
        build_id = self.board.enqueue("thirty")
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.open(build_id)
        panel = self.page.locator(".side > .panel").first
        self.assertGreaterEqual(panel.evaluate("panel => panel.clientHeight"), 380)
        self.assertTrue(panel.evaluate("panel => panel.scrollHeight > panel.clientHeight"))
        self.assertEqual(panel.evaluate("panel => getComputedStyle(panel, '::after').position"), "sticky")
        panel.evaluate("panel => panel.scrollTo(0, panel.scrollHeight)")
        bottom = "element => element.getBoundingClientRect().bottom"
        last, end = panel.locator(".steps").evaluate(bottom), panel.evaluate(bottom)
        self.assertGreaterEqual(end - last, 24, "the last step stands above what fades")
