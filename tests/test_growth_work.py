"""What a board does every day reads no more after a longer past: counted in the instructions of SQLite's machine, not
by a clock."""

from collections.abc import Callable
from functools import partial
from unittest import skipUnless

from django.db import connection
from django.db.models import F

from builds import lifecycle
from builds.models import Build
from builds.retention import rules

from .support import past
from .support.everyday import WHAT, Everyday
from .test_growth import KEPT, Aged


@skipUnless(connection.vendor == "sqlite", "counts SQLite's instructions")
class WorkTest(Aged):
    def test_everything_costs_the_same_after_a_past_four_times_as_long(self) -> None:
        day = self.everyday(3_300)
        calls = {what: partial(self.do, day, what) for what in WHAT}
        before = self.works(calls)
        self.age(day)
        day.lengthen(3_000)
        self.compare(before, self.works(calls))

    def test_a_project_that_never_passes_costs_the_same_however_often_it_has_failed(self) -> None:
        day = self.everyday(3_300)
        sad = self.projects[1]
        calls: dict[str, Callable[[], object]] = {
            "its page": partial(day.get, f"/projects/{sad.slug}/"),
            "its start": partial(lifecycle.enqueue, sad, by="alice"),
            "its rules": partial(rules.rules_of, sad),
        }
        sad.builds.filter(status="passed").update(status="failed")
        before = self.works(calls)
        self.age(day)
        sad.builds.filter(status="passed").update(status="failed")
        self.compare(before, self.works(calls))

    def age(self, day: Everyday) -> None:
        """What there was is pruned meanwhile."""
        Build.objects.exclude(finished_at=None).update(pruned_at=F("finished_at"))
        _, day.over = past.grow(self.projects, 9_900, stored=200, events=30, kept=KEPT)

    def works(self, calls: dict[str, Callable[[], object]]) -> dict[str, int]:
        for call in calls.values():
            call()  # warms what is kept in memory
        return {what: self.work(call) for what, call in calls.items()}

    def compare(self, before: dict[str, int], after: dict[str, int]) -> None:
        for what, work in before.items():
            with self.subTest(what):
                self.assertLess(after[what], 1.2 * work + 20)

    def work(self, call: Callable[[], object]) -> int:
        """Hundreds of instructions that the database carries out."""
        hundreds = 0

        def more() -> None:
            nonlocal hundreds
            hundreds += 1

        connection.connection.set_progress_handler(more, 100)
        try:
            call()
        finally:
            connection.connection.set_progress_handler(None, 0)
        return hundreds
