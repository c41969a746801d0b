"""The log of a build's page: a million lines, a flood, and places that stay."""

import re

from builds import events, lifecycle
from builds.events import Chunk, Lease
from builds.lookout import Finder
from tests.browser.logs import FLOOD, MILLION, LogCase
from tests.support.processes import eventually


class MillionTest(LogCase):
    lease: Lease

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.lease = cls.begin("million")
        cls.print(cls.lease, 1, 1, MILLION, "[{:7}] gcc -O2 -c \x1b[36msource.c\x1b[0m -o an-object-of-some-length.o")

    def test_its_tail_any_line_and_all_between_are_there_in_a_small_document(self) -> None:
        from playwright.sync_api import expect

        self.open(self.lease.build_id)
        expect(self.row(f"2:{MILLION}")).to_be_in_viewport()
        expect(self.row(f"2:{MILLION}").locator("i.c6")).to_have_text("source.c")
        expect(self.page.locator("[data-slot=total]")).to_have_text("1,000,040 lines")
        for address, line in (("#2:734512", 734_512), ("#L734512", 734_472), ("#2:1", 1), ("#2:999999", 999_999)):
            self.open(self.lease.build_id, address)
            expect(self.row(f"2:{line}")).to_be_in_viewport()
            expect(self.row(f"2:{line}")).to_have_class(re.compile("picked"))
            expect(self.row(f"2:{line}").locator("pre")).to_contain_text(f"[{line:7}] gcc")
        for step in range(21):
            self.scroll(step / 20)
            self.page.wait_for_timeout(30)
            numbers = self.settled()
            self.assertTrue(all(one + 1 == two for one, two in zip(numbers, numbers[1:], strict=False) if two > one))
            self.assertLess(self.page.locator("*").count(), 2_000)
        self.assertEqual(numbers[-1], MILLION)
        cdp = self.context.new_cdp_session(self.page)
        cdp.send("HeapProfiler.collectGarbage")
        cdp.send("Performance.enable")
        metrics = {one["name"]: one["value"] for one in cdp.send("Performance.getMetrics")["metrics"]}
        self.assertLess(metrics["JSHeapUsedSize"], 150e6)

    def test_the_last_line_can_be_reached_by_the_keyboard_and_small_steps_are_exact(self) -> None:
        from playwright.sync_api import expect

        self.open(self.lease.build_id, "#2:500000")
        expect(self.row("2:500000")).to_be_in_viewport()
        self.settled()
        self.page.wait_for_timeout(400)
        box = self.row("2:500000").bounding_box()
        self.page.locator("#lines").focus()
        self.page.locator("#lines").evaluate("e => e.scrollTop += 40")
        self.page.wait_for_timeout(400)  # the bar has been set right by then
        self.assertAlmostEqual(self.row("2:500000").bounding_box()["y"], box["y"] - 40, delta=1)
        self.page.keyboard.press("End")
        expect(self.row(f"2:{MILLION}")).to_be_in_viewport()
        self.page.keyboard.press("Home")
        expect(self.page.locator("#step-1")).to_be_in_viewport()

    def test_while_it_runs_a_reader_in_the_middle_is_left_alone(self) -> None:
        from playwright.sync_api import expect

        self.open(self.lease.build_id, "#2:400000")
        expect(self.row("2:400000")).to_be_in_viewport()
        expect(self.page.locator("#pill")).to_contain_text("Live")
        box = self.row("2:400000").bounding_box()
        self.print(self.lease, 2, 1, 2_000)
        expect(self.page.locator("#fresh")).to_have_text("2,000 new lines")
        self.assertEqual(self.row("2:400000").bounding_box(), box)
        self.page.locator("#fresh").click()
        expect(self.row("3:2000")).to_be_in_viewport()


class PlaceTest(LogCase):
    """Whatever comes, ends or changes its size: the newest line is in view, or what is read stays where it is."""

    def top(self) -> tuple[str, float]:
        """The first line that is wholly in view, and how far down."""
        find = """lines => {
          const edge = lines.getBoundingClientRect().top + 30;
          for (const row of lines.querySelectorAll(".ln")) {
            const { top } = row.getBoundingClientRect();
            if (top >= edge) return [row.id, top - edge];
          }
        }"""
        row, below = self.page.locator("#lines").evaluate(find)
        return str(row), float(below)

    def test_the_newest_line_is_in_view_however_many_steps_wait(self) -> None:
        from playwright.sync_api import expect

        names = ["first", *(f"later-{number}" for number in range(23))]
        self.board.project("many-steps", f"steps: [{', '.join(f'{{name: {name}, run: x}}' for name in names)}]")
        build_id = self.board.enqueue("many-steps")
        with self.board.database():
            lease = lifecycle.claim("test:1", "token of many steps")
            assert lease is not None
            lifecycle.begin_step(lease, 0)
        self.print(lease, 0, 1, 300)
        for width, height in ((1280, 800), (390, 700)):
            self.page.set_viewport_size({"width": width, "height": height})
            self.open(build_id)
            self.page.locator("#lines").scroll_into_view_if_needed()
            expect(self.row("1:300")).to_be_attached()
            row, log = self.row("1:300").bounding_box(), self.page.locator("#lines").bounding_box()
            self.assertAlmostEqual(row["y"] + row["height"], log["y"] + log["height"], delta=2)
        self.page.set_viewport_size({"width": 1280, "height": 800})
        self.print(lease, 0, 301, 400)
        expect(self.row("1:400")).to_be_in_viewport()
        expect(self.page.locator("#follow")).to_have_attribute("aria-pressed", "true")

    def test_a_group_that_ends_does_not_fold_under_its_reader_and_one_above_does_not_move_them(self) -> None:
        from playwright.sync_api import expect

        lease = self.begin("groups")
        finder = Finder()

        def say(first: int, *lines: str) -> None:
            with self.board.database():
                events.append(lease, *finder.look([Chunk(1, first, lines)]))

        say(1, "::group::one", *(f"line {number}" for number in range(2, 201)))
        self.open(lease.build_id, "#2:150")
        expect(self.row("2:150")).to_be_in_viewport()
        before = self.top()
        say(201, "::endgroup::", "::group::two", *(f"line {number}" for number in range(203, 400)))
        expect(self.page.locator("[data-slot=total]")).to_have_text("439 lines")
        self.assertEqual(self.top(), before, "the group in which one reads has ended")
        self.page.evaluate("location.hash = '#2:300'")
        expect(self.row("2:300")).to_be_in_viewport()
        before = self.top()
        self.page.locator("#lines").evaluate("lines => { lines.scrollTop -= 1 }")
        say(400, "::endgroup::", "the end")
        expect(self.page.locator("[data-slot=total]")).to_have_text("441 lines")
        after = self.top()
        self.assertEqual(after[0], before[0])
        self.assertAlmostEqual(after[1], before[1], delta=2)

    def test_other_heights_leave_the_reader_where_they_are(self) -> None:
        from playwright.sync_api import expect

        lease = self.begin("resized")
        self.print(lease, 1, 1, 3_000, "line {} " + "word " * 60)
        self.open(lease.build_id, "#2:2000")
        expect(self.row("2:2000")).to_be_in_viewport()
        self.page.locator("#lines").evaluate("lines => { lines.scrollTop -= 3 }")
        for change in (
            lambda: self.page.keyboard.press("w"),
            lambda: self.page.set_viewport_size({"width": 1280, "height": 640}),
            lambda: self.page.set_viewport_size({"width": 700, "height": 800}),
            lambda: self.page.set_viewport_size({"width": 390, "height": 800}),
            lambda: self.page.keyboard.press("w"),
        ):
            row = self.top()[0]
            change()
            self.page.wait_for_timeout(400)
            number = int(row.split(":")[1])
            self.assertLessEqual(abs(int(self.top()[0].split(":")[1]) - number), 1, f"away from {row}")

    def test_a_view_higher_than_any_other_is_full(self) -> None:
        from playwright.sync_api import expect

        lease = self.begin("high")
        self.print(lease, 1, 1, 2_000)
        self.page.set_viewport_size({"width": 3840, "height": 4320})
        self.open(lease.build_id)
        expect(self.row("2:2000")).to_be_in_viewport()
        box = self.page.locator("#lines").bounding_box()
        last = self.row("2:2000").bounding_box()
        self.assertLess(box["y"] + box["height"] - last["y"] - last["height"], 80)


class FloodTest(LogCase):
    def test_five_thousand_lines_a_second_leave_the_page_usable(self) -> None:
        from playwright.sync_api import expect

        self.board.project("flood", FLOOD)
        worker = self.board.workers(1)
        self.addCleanup(worker.terminate)
        build_id = self.board.start("flood")
        self.open(build_id)
        expect(self.page.locator("#pill")).to_contain_text("Live")
        eventually(lambda: "of a flood" in self.page.locator(".ln").last.inner_text(), 20, "no line")
        self.page.locator("#wrap").click()
        expect(self.page.locator("#wrap")).to_have_attribute("aria-pressed", "true")
        self.page.locator("#lines").hover()
        self.page.mouse.wheel(0, -2_000)
        expect(self.page.locator("#follow")).to_have_attribute("aria-pressed", "false")
        place = self.settled()
        self.page.wait_for_timeout(300)
        self.assertEqual(self.settled(), place, "what is read stands still")
        self.page.locator("#follow").click()
        self.assertLess(self.page.locator("*").count(), 2_000)
        self.page.get_by_role("button", name="Cancel").click()
        expect(self.page.locator("[data-slot=phrase]")).to_have_text(re.compile("^cancelled"))
        expect(self.page.locator("#pill")).to_contain_text("Complete")
        printed = self.board.lines(build_id)
        expect(self.row(f"1:{len(printed)}")).to_be_in_viewport()
        self.scroll(0)
        numbers = self.settled()
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
