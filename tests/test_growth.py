"""Nothing gets slower with age: each query that a board asks every day finds what it reads in an index, by the plans of
the database, and there are no more of them after a longer past. What they read is counted in `test_growth_work.py`."""

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from builds import beats
from builds.models import Outgoing, Project, Target

from .support import past
from .support.everyday import RECIPE, WHAT, Everyday

BIG = ("build", "event", "step", "logblock", "loggroup", "annotation", "artifact", "testcase", "outgoing", "changes")
"""Tables that grow for as long as a board is used."""
KEPT = 2_700
"""Of three projects: as many as have their logs by the rules that hold where none are set."""
_TABLES = "|".join(f"builds_{name}" for name in BIG)
_SEQ_SCAN = re.compile(rf"Seq Scan on ({_TABLES})\b")
_SCAN = re.compile(r"SCAN (\w+)")
_ALIAS = re.compile(rf'"({_TABLES})" ([UT]\d+)\b')
_PARTIAL = re.compile(r"USING (COVERING )?INDEX (build_log_rest|build_uncompacted|outgoing_due|artifact_unsettled)\b")
"""Indexes that have only what is due: to read all of one is to read what there is to do."""
_EXPLAINED = re.compile(r"\s*(SELECT|UPDATE|DELETE|WITH)\b")


class Aged(TestCase):
    def setUp(self) -> None:
        self.projects = [Project.objects.create(name=f"p{at}", slug=f"p{at}", recipe=RECIPE) for at in range(3)]
        self.admin = User.objects.create_superuser("admin")

    def everyday(self, builds: int, long: int = 1_000) -> Everyday:
        _, over = past.grow(self.projects, builds, stored=200, events=30, kept=KEPT)
        beats.beat("host:1")
        past.analyze()
        with self.captureOnCommitCallbacks(execute=True):
            day = Everyday(self.projects[0], self.admin, over)
        day.lengthen(long)
        return day

    def do(self, day: Everyday, what: str) -> None:
        """As if it were committed: a lease knows only then what it has stored."""
        with self.captureOnCommitCallbacks(execute=True):
            day.do(what)


class PlanTest(Aged):
    def test_every_query_of_every_day_finds_what_it_reads_in_an_index(self) -> None:
        day = self.everyday(4_000)
        target = Target.objects.create(project=self.projects[0], name="chat", kind="webhook")
        Outgoing.objects.bulk_create(
            Outgoing(target=target, key=f"k{at}", what="passed", state="sent", done_at=timezone.now())
            for at in range(3_000)
        )
        past.analyze()
        self.do(day, "/metrics")  # the first one counts whole tables, for a minute
        for what in WHAT:
            asked: list[tuple[str, Any]] = []

            def note(execute: Any, sql: str, params: Any, *more: Any, asked: Any = asked) -> Any:
                asked.append((sql, params))
                return execute(sql, params, *more)

            with connection.execute_wrapper(note):
                self.do(day, what)
            for sql, params in asked:
                if _EXPLAINED.match(sql):
                    with self.subTest(what, sql=sql):
                        self.assertEqual(list(bad_lines(sql, params)), [])


class NumberTest(Aged):
    def test_thirty_builds_and_three_hundred_take_as_many_queries(self) -> None:
        day = self.everyday(30)  # one at least on every page
        few = self.numbers(day)
        _, day.over = past.grow(self.projects, 270, stored=200, events=30)
        many = self.numbers(day)
        changed = {what: (count, many[what]) for what, count in few.items() if many[what] != count}
        self.assertEqual(changed, {})
        self.assertLessEqual(max(few.values()), 40, few)

    def numbers(self, day: Everyday) -> dict[str, int]:
        for what in WHAT:
            self.do(day, what)  # warms what is kept in memory
        found = {}
        for what in WHAT:
            with CaptureQueriesContext(connection) as asked:
                self.do(day, what)
            found[what] = len(asked)
        return found


def bad_lines(sql: str, params: Any) -> Iterator[str]:
    """Those of its plan that read a whole table, or all of an index."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # As on a solid disk: of some thousand rows, most of which are wanted, it reads the table at its own costs.
            cursor.execute("SET LOCAL random_page_cost = 1.1")
            cursor.execute(f"EXPLAIN {sql}", params)
            lines = [row[0].strip() for row in cursor.fetchall()]
            yield from (line for line in lines if _SEQ_SCAN.search(line))
            return
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        lines = [row[-1] for row in cursor.fetchall()]
    # A walk along the key that ends with its page is a "scan", too; one that is sorted afterwards does not end early.
    walks = "LIMIT" in sql and "ORDER BY" in sql and not any("TEMP B-TREE FOR ORDER BY" in line for line in lines)
    big = {*_TABLES.split("|"), *(alias for _, alias in _ALIAS.findall(sql))}
    for line in lines:
        scanned = _SCAN.search(line)
        if scanned and scanned[1] in big and not _PARTIAL.search(line) and not walks:
            yield line
