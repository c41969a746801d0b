"""The search in the tools of a real log."""

import re

from tests.browser.test_log import LogCase


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
