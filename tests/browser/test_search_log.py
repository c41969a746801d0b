"""The search in the tools of a real log."""

import re

from tests.browser.logs import LogCase
from tests.support.processes import eventually


class SearchTest(LogCase):
    def test_a_search_counts_marks_and_goes_to_lines_wherever_they_are_also_while_the_build_runs(self) -> None:
        from playwright.sync_api import expect

        lease = self.begin("searched")
        self.print(lease, 1, 1, 5_000)
        self.print(lease, 1, 5_001, 5_001, "a needle, number {}")
        self.print(lease, 1, 5_002, 9_000)
        self.open(lease.build_id)
        expect(self.page.locator("#pill")).to_contain_text("Live")
        query, found = self.page.locator("#query"), self.page.locator("#found")
        query.fill("needle")
        expect(found).to_have_text(re.compile("^1 "))
        query.press("Enter")
        expect(self.row("2:5001")).to_be_in_viewport()
        expect(self.row("2:5001")).to_have_class(re.compile("current"))
        expect(self.row("2:5001").locator("mark")).to_have_text("needle")
        self.print(lease, 1, 9_001, 9_001, "another needle, {}")
        expect(found).to_have_text("1 of 2")
        query.press("Enter")
        expect(self.row("2:9001")).to_be_in_viewport()
        query.press("Shift+Enter")
        expect(self.row("2:5001")).to_be_in_viewport()
        query.press("Escape")
        expect(self.page.locator("mark")).to_have_count(0)
        expect(self.page.locator(".current")).to_have_count(0)

    def test_who_listens_is_told_the_first_count_and_the_match_gone_to_and_not_each_new_line(self) -> None:
        from playwright.sync_api import expect

        lease = self.begin("told")
        self.print(lease, 1, 1, 1, "a needle, {}")
        self.open(lease.build_id)
        expect(self.page.locator("#pill")).to_contain_text("Live")
        self.page.evaluate("""() => {
          window.told = [];
          const line = document.getElementById("announce");
          new MutationObserver(() => window.told.push(line.textContent)).observe(line, { childList: true });
        }""")
        query, found = self.page.locator("#query"), self.page.locator("#found")
        query.fill("needle")
        expect(found).to_have_text("1 line")
        eventually(lambda: "1 line" in self.page.evaluate("told"), 10, "the count is not told")
        for number in (2, 3):
            self.print(lease, 1, number, number, "a needle, {}")
            expect(found).to_have_text(f"{number} lines")
            self.page.wait_for_timeout(5_500)
        self.assertEqual(self.page.evaluate("told.filter(one => one.includes('lines'))"), [])
        query.press("Enter")
        eventually(lambda: self.page.evaluate("told.at(-1)") == "1 of 3", 10, "the match is not told")
