"""A project's page in a browser: plots that are pointed at, walked through and live; tables; a badge to copy."""

import re
from datetime import timedelta
from typing import Any

from django.utils import timezone

from builds.models import Build, Project

from ..support.board import Board
from ..support.browser import BrowserCase

RECIPE = "steps: [{name: say, run: echo hi}]"
STATUSES = ["passed"] * 9 + ["failed"] + ["passed"] * 9 + ["lost"]


class ProjectCase(BrowserCase):
    def setUp(self) -> None:
        super().setUp()
        self.board = Board()
        self.addCleanup(self.board.close)
        self.board.project("p", RECIPE)
        with self.board.database():
            self.builds = self.stored(STATUSES)
        self.web = self.board.web()
        self.url = f"{self.web.url}/projects/p/"
        self.sign_in(self.board)

    def stored(self, statuses: list[str]) -> list[int]:
        project, now = Project.objects.get(slug="p"), timezone.now()
        made = []
        for at, status in enumerate(statuses):
            began = now - timedelta(hours=len(statuses) - at)
            times = {"created_at": began - timedelta(seconds=2), "started_at": began}
            ended = began + timedelta(seconds=40 + at % 7)
            made.append(
                Build.objects.create(
                    project=project, recipe=RECIPE, status=status, worker="w", finished_at=ended, **times
                ).pk
            )
        return made

    def open(self, page: Any = None) -> Any:
        page = page or self.page
        page.goto(self.url)
        return page.locator("[data-plot=durations]")

    def at(self, plot: Any, share: float) -> tuple[float, float]:
        box = plot.locator(".over").bounding_box()
        return box["x"] + box["width"] * share, box["y"] + box["height"] / 2


class PointingTest(ProjectCase):
    def test_the_build_under_the_pointer_is_said_and_opened_and_nothing_moves(self) -> None:
        from playwright.sync_api import expect

        plot = self.open()
        expect(plot.locator(".legend")).to_be_visible()
        places = [self.page.locator(name).first for name in (".frame", "#history", "#start", "[data-plot=rates]")]
        before = [place.bounding_box() for place in places]
        self.page.mouse.move(*self.at(plot, 0.999))
        expect(plot.locator(".said")).to_contain_text(f"Build {self.builds[-1]} · lost · 45 s · waited 2 s · ")
        expect(plot.locator(".said .mark.s-lost")).to_be_visible()
        expect(plot.locator(".legend")).to_be_hidden()
        self.assertEqual([place.bounding_box() for place in places], before)
        self.page.mouse.move(*self.at(plot, 0.0))
        expect(plot.locator(".said")).to_contain_text(f"Build {self.builds[0]} · passed")
        self.page.mouse.move(0, 0)
        expect(plot.locator(".legend")).to_be_visible()
        self.assertEqual([place.bounding_box() for place in places], before)
        self.page.mouse.click(*self.at(plot, 0.999))
        self.page.wait_for_url(f"**/builds/{self.builds[-1]}/")

    def test_a_bar_of_the_pass_rate_leads_into_the_history(self) -> None:
        from playwright.sync_api import expect

        self.open()
        plot = self.page.locator("[data-plot=rates]")
        self.page.mouse.move(*self.at(plot, 0.95))
        expect(plot.locator(".said")).to_have_text(
            f"Builds {self.builds[0]}–{self.builds[-1]} · 18 of 20 passed · 90 %"
        )
        self.page.mouse.click(*self.at(plot, 0.95))
        self.page.wait_for_url(f"**/projects/p/?before={self.builds[-1] + 1}#history")
        expect(self.page.locator(f"[data-key=build-{self.builds[-1]}]")).to_be_visible()

    def test_a_finger_shows_first_and_opens_then(self) -> None:
        from playwright.sync_api import expect

        context = self.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
        self.sign_in(self.board, context=context)
        page = context.new_page()
        plot = self.open(page)
        page.touchscreen.tap(*self.at(plot, 0.97))
        expect(plot.locator(".said")).to_contain_text(f"Build {self.builds[-1]} · lost")
        self.assertEqual(page.url, self.url)
        page.touchscreen.tap(*self.at(plot, 0.97))
        page.wait_for_url(f"**/builds/{self.builds[-1]}/")


class KeysTest(ProjectCase):
    def test_arrows_walk_through_the_builds_and_enter_opens_one(self) -> None:
        from playwright.sync_api import expect

        plot = self.open()
        stick, said = plot.get_by_role("slider"), plot.locator(".said")
        stick.focus()
        expect(said).to_contain_text(f"Build {self.builds[-1]} · lost")
        for key, place in (("ArrowLeft", -2), ("ArrowLeft", -3), ("ArrowRight", -2), ("Home", 0), ("PageUp", 10)):
            self.page.keyboard.press(key)
            expect(said).to_contain_text(f"Build {self.builds[place]} · ")
        self.page.keyboard.press("ArrowLeft")
        expect(said).to_contain_text(f"Build {self.builds[9]} · failed")
        self.assertIn(f"Build {self.builds[9]} · failed", stick.get_attribute("aria-valuetext"))
        self.assertEqual((stick.get_attribute("aria-valuenow"), stick.get_attribute("aria-valuemax")), ("10", "20"))
        self.page.keyboard.press("Escape")
        expect(said).to_be_hidden()
        self.page.keyboard.press("Home")
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(f"**/builds/{self.builds[0]}/")

    def test_each_plot_is_one_stop_for_the_tab_key(self) -> None:
        self.open()
        self.page.get_by_role("slider").first.focus()
        stops = []
        for _ in range(4):
            stops.append(
                self.page.evaluate("document.activeElement.getAttribute('role') || document.activeElement.localName")
            )
            self.page.keyboard.press("Tab")
        self.assertEqual(stops, ["slider", "summary", "slider", "summary"])


class LiveTest(ProjectCase):
    def test_a_build_that_ends_is_drawn_while_the_table_is_open_and_a_point_is_shown(self) -> None:
        from playwright.sync_api import expect

        plot = self.open()
        plot.locator("summary").click()
        stick, said = plot.get_by_role("slider"), plot.locator(".said")
        stick.focus()
        self.page.keyboard.press("ArrowLeft")
        self.board.workers(1)
        build = self.board.start("p")
        self.board.wait(build)
        expect(plot.locator(f"[data-href='/builds/{build}/']")).to_have_count(1)
        expect(said).to_contain_text(f"Build {self.builds[-2]} · ")
        self.assertEqual((stick.get_attribute("aria-valuenow"), stick.get_attribute("aria-valuemax")), ("19", "21"))
        expect(plot.locator("td a").first).to_have_text(str(build))
        expect(plot.locator("td a").first).to_be_visible()
        expect(self.page.locator("h1 .mark")).to_have_text("passed")
        expect(self.page.locator("[data-live=badge] title")).to_have_text(re.compile(": passed$"))


class BadgeTest(ProjectCase):
    def test_what_is_copied_is_what_stands_in_the_field(self) -> None:
        from playwright.sync_api import expect

        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.web.url)
        self.open()
        field = self.page.get_by_label("Markdown")
        self.page.locator("[data-copy]").first.click()
        expect(self.page.locator("[data-copy]").first).to_have_text("Copied")
        self.assertEqual(self.page.evaluate("navigator.clipboard.readText()"), field.input_value())
        self.assertIn(f"({self.url}badge.svg)", field.input_value())

    def test_it_is_an_image_that_browsers_take(self) -> None:
        self.page.goto(f"{self.url}badge.svg?label=build%20%26%20test")
        self.assertEqual(self.page.locator("text").all_text_contents(), ["build & test", "lost"])
        self.assertGreater(self.page.locator("svg").bounding_box()["width"], 100)


class PlainTest(ProjectCase):
    def test_without_script_it_is_drawn_read_and_copied(self) -> None:
        from playwright.sync_api import expect

        context = self.new_context(java_script_enabled=False)
        self.sign_in(self.board, context=context)
        page = context.new_page()
        plot = self.open(page)
        expect(plot.locator(".pt")).to_have_count(20)
        self.assertIn(f"Build {self.builds[-1]} · lost · 45 s", plot.locator(".pt title").last.text_content())
        expect(plot.locator(".legend")).to_be_visible()
        plot.locator("summary").click()
        expect(plot.locator("td a").first).to_be_visible()
        expect(page.get_by_label("HTML")).to_be_visible()
        expect(page.locator("[data-copy]").first).to_be_hidden()

    def test_nothing_scrolls_sideways_however_narrow(self) -> None:
        for width in (320, 390, 768, 1280, 1920):
            self.page.set_viewport_size({"width": width, "height": 800})
            self.open()
            for summary in self.page.locator("summary").all():
                summary.click()
            self.page.get_by_role("slider").first.focus()
            self.assertLessEqual(self.page.evaluate("document.documentElement.scrollWidth"), width)
