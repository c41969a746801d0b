"""The log of a page under its reader's hands: folding, keys, wrapping, times, addresses, copying, playing again."""

import re

from builds import events
from builds.events import Chunk, Lease
from tests.browser.logs import LogCase
from tests.support.browser import read_log
from tests.support.processes import eventually


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

    def test_an_address_is_kept_where_the_browser_moves_the_log_before_it_is_drawn(self) -> None:
        """A view that grows or shrinks, as where a panel comes in above it, is scrolled by the browser itself."""
        from playwright.sync_api import expect

        for there in ("scrollTop -= 30", "style.height = '300px'"):
            self.open(self.lease.build_id)
            expect(self.row("2:400")).to_be_in_viewport()
            self.page.evaluate(
                f"""addEventListener("hashchange", () => {{
                  document.getElementById("lines").{there};
                  document.getElementById("lines").scrollTop += 0;
                }}, {{once: true}});
                location.hash = "#2:7";"""
            )
            expect(self.row("2:7")).to_be_in_viewport()
            self.scroll(0.8)  # and the reader is held nowhere
            self.page.wait_for_timeout(300)
            expect(self.row("2:7")).not_to_be_in_viewport()

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
