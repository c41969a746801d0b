"""What a board does every day reads no more after a longer past: counted in the instructions of SQLite's machine, not
by a clock."""

from unittest import skipUnless

from django.db import connection
from django.db.models import F

from builds.models import Build

from .support import past
from .support.everyday import WHAT, Everyday
from .test_growth import KEPT, Aged


@skipUnless(connection.vendor == "sqlite", "counts SQLite's instructions")
class WorkTest(Aged):
    def test_everything_costs_the_same_after_a_past_four_times_as_long(self) -> None:
        day = self.everyday(3_300)
        for what in WHAT:
            self.do(day, what)  # warms what is kept in memory
        before = {what: self.work(day, what) for what in WHAT}
        Build.objects.exclude(finished_at=None).update(pruned_at=F("finished_at"))
        _, day.over = past.grow(self.projects, 9_900, stored=200, events=30, kept=KEPT)
        day.lengthen(3_000)
        past.analyze()
        for what in WHAT:
            self.do(day, what)
        for what, work in before.items():
            with self.subTest(what):
                self.assertLess(self.work(day, what), 1.2 * work + 20)

    def work(self, day: Everyday, what: str) -> int:
        """Hundreds of instructions that the database carries out."""
        hundreds = 0

        def more() -> None:
            nonlocal hundreds
            hundreds += 1

        connection.connection.set_progress_handler(more, 100)
        try:
            self.do(day, what)
        finally:
            connection.connection.set_progress_handler(None, 0)
        return hundreds
