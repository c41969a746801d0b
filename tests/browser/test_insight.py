"""What a build's page tells beside its log, in a real browser: the bar and its words, silences, why it failed."""

import os
import re
from datetime import timedelta

from django.utils import timezone

from builds.models import Build, Event

from .. import failures
from ..support.board import Board
from ..support.browser import BrowserCase
from ..support.processes import eventually

PASSED = [
    *(f"[{n}/40] CXX engine/scene/part_{n}.cpp" for n in range(1, 38)),
    "use  sea-units",
    "use  tide-tables for the north mole",
    "link harbour-api in 1.2s",
    "done",
]
FAILED = [
    *(f"[{n}/40] CXX engine/scene/part_{n}.cpp" for n in range(1, 38)),
    "use  sea-units",
    "use  tide-tables for the south mole",
    "src/berths/forecast.ts:88:21 - error TS2345: Argument of type 'string' does not fit parameter 'station'.",
    "make: *** [Makefile:9: harbour-api] Error 2",
]
SIZES = {"1280": (1280, 800), "390": (390, 844), "1900": (1900, 1000)}
LATER = "steps: [{name: fetch, run: echo fetched}, {name: compile, run: 'sleep 1; echo \"error: no tide\"; exit 1'}]"


class InsightTests(BrowserCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board()
        cls.addClassCleanup(cls.board.close)
        cls.web = cls.board.web()

    def setUp(self) -> None:
        super().setUp()
        with self.board.database():
            failures.project()
        self.sign_in(self.board)

    def history(self, *seconds: float) -> None:
        for one in seconds:
            failures.build(PASSED, status="passed", seconds=one)

    def running(self, since: float, silent: float, usual: float = 40) -> int:
        """A build that has run for `since` seconds, and has printed nothing for `silent`."""
        build = failures.build(FAILED[:30], seconds=since)
        now = timezone.now()
        build.steps.filter(position=1).update(
            status="running", finished_at=None, exit_code=None, expected_seconds=usual, reason=""
        )
        Event.objects.filter(build=build, kind="log", step=1).update(at=now - timedelta(seconds=silent))
        # No worker has it, and no watcher of this board's is there to notice.
        Build.objects.filter(pk=build.pk).update(
            status="running",
            lease_token=f"t{build.pk}",
            finished_at=None,
            reason="",
            started_at=now - timedelta(seconds=since),
        )
        return build.pk

    def open(self, build_id: int, more: str = "") -> None:
        self.page.goto(f"{self.web.url}/builds/{build_id}/{more}")

    def number(self, slot: str, name: str) -> float:
        return float((self.page.get_attribute(f"[data-slot={slot}]", name) or "0").rstrip("%"))

    def shoot(self, name: str) -> None:
        """To be looked at: `SHOTS=1`."""
        if not os.environ.get("SHOTS"):
            return
        for size, (width, height) in SIZES.items():
            self.page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                self.screenshot(f"insight-{name}-{size}-{scheme}", full_page=size == "390")
        self.page.set_viewport_size({"width": 1280, "height": 800})

    def test_a_running_build_says_how_sure_the_guess_is_and_goes_on_counting(self) -> None:
        with self.board.database():
            self.history(*[38] * 3, *[41] * 5, *[47] * 2)
            build_id = self.running(22, 3)
        self.open(build_id)
        self.assertRegex(self.page.inner_text("[data-slot=left]"), r"about (1\d|2\d) s left")
        self.assertRegex(self.page.inner_text("[data-slot=usual]"), r"usually \d+–\d+ s")
        zone, fill = self.number("zone", "x"), self.number("fill", "width")
        self.assertTrue(fill < zone < 100, (fill, zone))
        self.shoot("running")
        eventually(lambda: self.number("fill", "width") > fill, 10)
        self.page.locator("#silences li[data-slot=silent]").get_by_text("in compile, after line 30").wait_for()
        self.assertEqual(self.page.get_attribute("#silences li[data-slot=silent] a", "href"), "#2:30")
        self.assertFalse(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def test_one_that_takes_too_long_walks_into_the_zone_and_never_past_it(self) -> None:
        with self.board.database():
            self.history(*[38] * 3, *[41] * 5, *[47] * 2)
            build_id = self.running(600, 300)
        self.open(build_id)
        self.assertEqual(self.page.inner_text("[data-slot=left]"), "any moment")
        self.assertEqual(self.page.inner_text("[data-slot=usual]"), "longer than all of the last 10 builds")
        self.assertEqual((self.page.inner_text("[data-slot=percent]"), self.number("fill", "width")), ("99 %", 99.0))
        self.shoot("late")

    def test_a_failed_builds_page_fetches_the_difference_and_links_to_both_lines(self) -> None:
        with self.board.database():
            self.history(30, 31, 32)
            passed = Build.objects.filter(status="passed").latest("pk").pk
            build_id = failures.build(FAILED, seconds=50, gap=9).pk
        self.open(build_id)
        self.page.locator("#failure .diff .is").wait_for()
        rows = self.page.locator("#failure .diff > div").all_inner_texts()
        self.assertEqual([re.sub(r"\s+", " ", row).strip() for row in rows][-2:], [
            f"passed {passed} passed use tide-tables for the north mole",
            f"failed {build_id} failed use tide-tables for the south mole",
        ])  # fmt: skip
        self.assertEqual(self.page.locator("#failure .diff b").all_inner_texts(), ["north", "south"])
        self.assertIn("error TS2345", self.page.inner_text("#failure .cause.first"))
        self.assertEqual(self.page.get_attribute("#log", "data-first-error"), "2:40")
        self.page.wait_for_selector("[id='2:40'].picked")
        self.assertFalse(self.page.url.endswith("2:40"), "the address stays that of the build")
        self.assertEqual(self.page.inner_text("[data-slot=compared]"), "· 19 s longer than usual")
        self.assertIn("9.0 s in compile, after line 1", self.page.inner_text("#silences"))
        self.shoot("failed")
        for theme in ("light", "dark"):
            self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        self.page.set_viewport_size({"width": 390, "height": 844})
        self.assertFalse(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))
        self.page.click(f"#failure .was a[href='/builds/{passed}/#2:39']")
        self.page.wait_for_selector("[id='2:39'].picked")

    def test_without_scripts_a_link_leads_to_the_difference(self) -> None:
        with self.board.database():
            self.history(30)
            build_id = failures.build(FAILED).pk
        context = self.new_context(java_script_enabled=False)
        self.sign_in(self.board, context=context)
        self.page = context.new_page()
        self.open(build_id)
        self.page.click("text=Compare what they printed")
        self.assertIn("for the south mole", self.page.inner_text("#failure .diff .is"))
        self.shoot("difference")

    def test_a_build_that_fails_before_ones_eyes_says_why(self) -> None:
        self.board.project("eyes", LATER)
        worker = self.board.workers(1)
        self.addCleanup(worker.close)
        build_id = self.board.enqueue("eyes")
        self.open(build_id)
        self.page.locator("#failure").get_by_text("First error").wait_for()
        self.assertIn("error: no tide", self.page.inner_text("#failure .cause.first"))
        self.page.keyboard.press("e")
        self.page.wait_for_selector("[id='2:1'].picked")
