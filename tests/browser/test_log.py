"""The log of a build's page: a million lines, a flood, folding, wrapping, times, addresses, copying."""

import re
from typing import Any

from builds import events, lifecycle
from builds.events import Chunk, Lease
from builds.lookout import Finder
from tests.support.board import Board
from tests.support.browser import BrowserCase, read_log
from tests.support.processes import eventually

RECIPE = "steps: [{name: configure, run: x}, {name: compile, run: x}, {name: package, run: x}]"
FLOOD = """
steps:
  - name: flood
    run: |
      python3 -u - <<'EOF'
      import time
      began = time.monotonic()
      for number in range(1, 60_001):
          print(f"line {number} of a flood that does not end soon")
          if number % 250 == 0:
              time.sleep(max(began + number / 5_000 - time.monotonic(), 0))
      EOF
"""
MILLION = 1_000_000


class LogCase(BrowserCase):
    board: Board

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.board = Board(
            BUILDBOARD_LEASE_SECONDS="3600"
        )  # nobody renews the lease of a build that the test itself writes
        cls.addClassCleanup(cls.board.close)
        cls.board.web()

    def setUp(self) -> None:
        super().setUp()
        self.sign_in(self.board)

    @classmethod
    def begin(cls, slug: str) -> Lease:
        """A running build of three steps, the second of them just begun, with 40 lines from the first."""
        cls.board.project(slug, RECIPE)
        build_id = cls.board.enqueue(slug)
        with cls.board.database():
            lease: Lease = lifecycle.claim("test:1", f"token of {slug}")
            assert lease.build_id == build_id
            lifecycle.begin_step(lease, 0)
            cls.print(lease, 0, 1, 40)
            lifecycle.end_step(lease, 0, "passed", exit_code=0)
            lifecycle.begin_step(lease, 1)
        return lease

    @classmethod
    def print(cls, lease: Lease, step: int, first: int, last: int, text: str = "line {} of it") -> None:
        with cls.board.database():
            chunks = [
                Chunk(step, begin, [text.format(number) for number in range(begin, min(begin + 999, last) + 1)])
                for begin in range(first, last + 1, 1_000)
            ]
            for at in range(0, len(chunks), 50):
                events.append(lease, chunks[at : at + 50])

    def open(self, build_id: int, more: str = "") -> None:
        self.page.goto("about:blank")
        self.page.goto(f"{self.board.webs[0].url}/builds/{build_id}/{more}")

    def row(self, address: str) -> Any:
        return self.page.locator(f"[id='{address}']")

    def scroll(self, share: float) -> None:
        """And one frame on, in which the page hears of it."""
        set_and_wait = """async (lines, share) => {
          lines.scrollTop = lines.scrollHeight * share;
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }"""
        self.page.locator("#lines").evaluate(set_and_wait, share)

    def settled(self) -> list[int]:
        """The numbers of the lines in the document, once each of them has its text."""
        eventually(lambda: self.page.locator(".ln.awaited").count() == 0, 10, "a line stays blank")
        return [int(text) for text in self.page.locator(".ln > a").all_text_contents()]


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
        expect(self.page.locator("#pill")).to_contain_text("Live", timeout=20_000)
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
        expect(self.page.locator("[data-slot=phrase]")).to_have_text(re.compile("^cancelled"), timeout=30_000)
        expect(self.page.locator("#pill")).to_contain_text("Complete", timeout=30_000)
        printed = self.board.lines(build_id)
        expect(self.row(f"1:{len(printed)}")).to_be_in_viewport()
        self.scroll(0)
        numbers = self.settled()
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))


class ReaderTest(LogCase):
    lease: Lease

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.lease = cls.begin("reader")
        with cls.board.database():
            events.append(cls.lease, [Chunk(1, 1, ["first", f"{'long ' * 200}end", "third \x1b[1mbold\x1b[0m here"])])
        cls.print(cls.lease, 1, 4, 400)

    def setUp(self) -> None:
        super().setUp()
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def test_steps_fold_and_an_address_unfolds_what_hides_its_line(self) -> None:
        from playwright.sync_api import expect

        self.open(self.lease.build_id)
        self.scroll(0)
        heading = self.page.locator("#step-1")
        expect(heading).to_have_attribute("aria-expanded", "false")
        heading.click()
        expect(self.row("1:1")).to_be_visible()
        heading.press("Enter")
        expect(self.row("1:1")).to_have_count(0)
        self.page.evaluate("location.hash = '#1:40'")
        expect(self.row("1:40")).to_be_in_viewport()
        self.assertEqual([row for row, _ in read_log(self.page)][:40], [f"1:{number}" for number in range(1, 41)])

    def test_keys_lead_through_the_log(self) -> None:
        from playwright.sync_api import expect

        self.open(self.lease.build_id)
        expect(self.row("2:400")).to_be_in_viewport()
        press = self.page.keyboard.press
        press("k")
        expect(self.row("2:1")).to_be_in_viewport()
        expect(self.page.locator("#follow")).to_have_attribute("aria-pressed", "false")
        press("k")
        expect(self.row("1:1")).to_be_in_viewport()
        press("j")
        expect(self.row("1:1")).not_to_be_in_viewport()
        expect(self.row("2:1")).to_be_in_viewport()
        press("/")
        expect(self.page.locator("#query")).to_be_focused()
        self.page.keyboard.type("line 77 of")  # and not the keys `n`, `f` and so on
        expect(self.page.locator("#found")).to_have_text(re.compile("^1 line"))
        self.page.locator("#query").blur()
        press("n")
        expect(self.row("2:77")).to_be_in_viewport()
        press("w")
        expect(self.page.locator("#wrap")).to_have_attribute("aria-pressed", "true")
        press("w")
        press(".")
        expect(self.row("2:400")).to_be_in_viewport()
        expect(self.page.locator("#follow")).to_have_attribute("aria-pressed", "true")
        press("f")
        expect(self.page.locator("#follow")).to_have_attribute("aria-pressed", "false")
        press("?")
        expect(self.page.locator("#keys")).to_contain_text("search in the log")
        press("Escape")
        expect(self.page.locator("#keys")).to_be_hidden()

    def test_a_link_to_where_the_address_is_already_leads_there_again(self) -> None:
        from playwright.sync_api import expect

        self.open(self.lease.build_id, "#2:50")
        expect(self.row("2:50")).to_be_in_viewport()
        box, log = self.row("2:50").bounding_box(), self.page.locator("#lines").bounding_box()
        self.assertAlmostEqual(box["y"] - log["y"], log["height"] / 3, delta=2)  # and not where the browser puts it
        self.scroll(1)
        expect(self.row("2:50")).not_to_be_in_viewport()
        self.page.evaluate("""() => {
          const link = document.createElement("a");
          link.href = "#2:50";
          link.id = "again";
          link.textContent = "again";
          document.querySelector(".head").append(link);
        }""")
        self.page.click("#again")
        expect(self.row("2:50")).to_be_in_viewport()

    def test_a_reader_by_keyboard_gets_past_the_log_and_keeps_the_focus_in_it(self) -> None:
        self.open(self.lease.build_id, "#2:50")
        self.page.wait_for_selector("[id='2:50']")
        self.page.focus("#lines")
        for _ in range(8):
            self.page.keyboard.press("Tab")
        self.assertFalse(self.page.evaluate("document.getElementById('lines').contains(document.activeElement)"))
        self.page.locator("[id='2:50'] > a").focus()
        for _ in range(5):
            self.page.keyboard.press("PageDown")
            self.page.wait_for_timeout(60)
        self.assertEqual(self.page.evaluate("document.activeElement.id"), "lines")

    def test_wrapped_lines_are_as_high_as_they_are_and_the_place_stays(self) -> None:
        from playwright.sync_api import expect

        self.open(self.lease.build_id, "#2:3")
        expect(self.row("2:3")).to_be_in_viewport()
        self.page.locator("#wrap").click()
        expect(self.page.locator("#lines")).to_have_class(re.compile("wrap"))
        expect(self.row("2:3")).to_be_in_viewport()
        self.assertGreater(self.row("2:2").bounding_box()["height"], 60)
        self.assertLessEqual(self.page.locator("#lines").evaluate("e => e.scrollWidth - e.clientWidth"), 0)
        rows = dict(read_log(self.page))
        self.assertEqual(len(rows), 440)
        self.assertTrue(rows["2:2"].endswith("long end"))
        self.page.reload()
        expect(self.page.locator("#wrap")).to_have_attribute("aria-pressed", "true")
        self.page.locator("#wrap").click()
        eventually(lambda: self.row("2:2").bounding_box()["height"] == 20, 5, "the line stays high")

    def test_times_since_the_start_by_the_clock_or_none_and_the_choice_is_remembered(self) -> None:
        from playwright.sync_api import expect

        self.open(self.lease.build_id)
        time = self.page.locator(".ln > time").last
        expect(time).to_have_text(re.compile(r"^\d+\.\d+$"))
        self.page.locator("#times").select_option("clock")
        expect(time).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\.\d\d$"))
        self.page.reload()
        expect(time).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\.\d\d$"))
        self.page.locator("#times").select_option("none")
        expect(time).to_be_hidden()

    def test_a_press_on_a_number_picks_the_line_and_shift_a_stretch_that_the_address_keeps(self) -> None:
        from playwright.sync_api import expect

        self.open(self.lease.build_id, "#2:100")
        self.row("2:102").locator("a").first.click()
        expect(self.page).to_have_url(re.compile("#2:102$"))
        self.row("2:105").locator("a").first.click(modifiers=["Shift"])
        expect(self.page).to_have_url(re.compile("#2:102-105$"))
        expect(self.page.locator(".picked")).to_have_count(4)
        self.page.reload()
        expect(self.page.locator(".picked")).to_have_count(4)
        expect(self.row("2:102")).to_be_in_viewport()

    def test_what_is_copied_is_the_text_that_was_selected_also_what_has_left_the_document(self) -> None:
        self.open(self.lease.build_id, "#2:3")
        start = self.row("2:3").locator("pre").bounding_box()
        self.page.mouse.move(start["x"] + 1, start["y"] + 10)
        self.page.mouse.down()
        self.page.mouse.move(start["x"] + 600, start["y"] + 11)
        self.page.mouse.move(start["x"] + 600, start["y"] + 50)
        self.page.mouse.up()
        self.page.keyboard.press("Control+C")
        copied = self.page.evaluate("navigator.clipboard.readText()").split("\n")
        self.assertEqual(copied, ["third bold here", "line 4 of it", "line 5 of it"])
        self.page.mouse.click(start["x"] + 600, start["y"] + 90)  # what is selected would be dragged along
        self.page.mouse.move(start["x"] + 1, start["y"] + 10)
        self.page.mouse.down()
        self.page.mouse.move(start["x"] + 100, start["y"] + 30)
        self.page.locator("#lines").evaluate("e => { e.scrollTop += 5000 }")
        self.page.wait_for_timeout(300)
        self.page.mouse.move(start["x"] + 600, start["y"] + 12)
        self.page.mouse.up()
        self.assertEqual(self.row("2:9").count(), 0, "lines of the selection have left the document")
        self.page.keyboard.press("Control+C")
        copied = self.page.evaluate("navigator.clipboard.readText()").split("\n")
        self.assertEqual(copied[:2], ["third bold here", "line 4 of it"])
        self.assertEqual(copied[1:], [f"line {number} of it" for number in range(4, 3 + len(copied))])
        self.assertGreater(len(copied), 200)


class ReplayTest(LogCase):
    def test_a_finished_build_is_played_again_from_its_times(self) -> None:
        from playwright.sync_api import expect

        recipe = """
        steps:
          - {name: slow, run: "for i in $(seq 1 30); do echo line $i; sleep 0.1; done"}
          - {name: quick, run: "echo the end; exit 3"}
        """
        self.board.project("replay", recipe)
        worker = self.board.workers(1)
        self.addCleanup(worker.terminate)
        build_id = self.board.start("replay")
        self.board.wait(build_id)
        self.open(build_id)
        self.page.locator("#speed").evaluate("e => { e.value = '1' }")
        self.page.locator("#replay").click()
        quick = self.page.locator('.step[data-step="1"] .mark')
        slow = self.page.locator('.step[data-step="0"] .mark')
        expect(slow).to_have_text("running")
        expect(quick).to_have_text("pending")
        self.assertLess(self.page.locator(".ln").count(), 28)
        eventually(lambda: self.page.locator(".ln").count() > 5, 10, "nothing is played")
        self.page.locator("#play").click()
        expect(self.page.locator("#play")).to_have_text("Play")
        before = self.page.locator(".ln").count()
        self.page.wait_for_timeout(400)
        self.assertEqual(self.page.locator(".ln").count(), before)
        self.page.locator("#moment").evaluate("e => { e.value = e.max / 2; e.dispatchEvent(new Event('input')) }")
        expect(self.page.locator("#step-1 .end")).to_have_text(re.compile("^[1-9][0-9]? lines"))
        self.assertLess(self.page.locator(".ln").count(), 30)
        self.screenshot("replay")
        self.page.locator("#speed").select_option("60")
        self.page.locator("#play").click()
        expect(self.page.locator("#play")).to_have_text("Play again")
        expect(quick).to_have_text("failed")
        expect(self.page.locator(".ln", has_text="the end")).to_be_visible()
        expect(self.page.locator("[data-slot=phrase]")).to_have_text(re.compile("^failed"))
        self.page.locator("#replay").click()
        expect(self.page.locator("#replaybar")).to_be_hidden()
        expect(self.page.locator("#follow")).to_be_hidden()
        self.assertEqual(len(read_log(self.page)), 31)
