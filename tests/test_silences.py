from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from django.db import connection
from django.test import SimpleTestCase, tag
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from builds import blocks, events, silences
from builds.events import Chunk, Fact
from builds.models import Build, Event, Step
from builds.silences import Span, Turn, longest

from . import live

BEGAN = datetime(2026, 3, 1, 12, 0, 0, 17, UTC)


def moment(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def turn(step: int | None, at: float, before: int | None, before_at: float, line: int, *, cut: bool = False) -> Turn:
    return Turn(step, moment(at), before, moment(before_at), line, cut)


@tag("fast")
class LongestTest(SimpleTestCase):
    def found(
        self, spans: list[tuple[int, float, float | None]], turns: list[Turn], now: float = 100, least: float = 5
    ):
        made = [Span(step, moment(begin), None if end is None else moment(end)) for step, begin, end in spans]
        return [
            (one.step, round(one.seconds, 3), one.line, one.lasts) for one in longest(made, turns, moment(now), least)
        ]

    def test_between_two_lines_before_the_first_and_after_the_last(self) -> None:
        turns = [turn(0, 6, None, 6, 0), turn(0, 17, 0, 8, 4), turn(None, 20, 0, 20, 9)]
        self.assertEqual(self.found([(0, 0, 40)], turns), [(0, 20, 9, False), (0, 9, 4, False), (0, 6, 0, False)])

    def test_a_silence_that_lasts_goes_on_until_now(self) -> None:
        turns = [turn(0, 1, None, 1, 0), turn(None, 60, 0, 60, 7)]
        self.assertEqual(self.found([(0, 0, None)], turns), [(0, 40, 7, True)])

    def test_a_step_that_prints_nothing_is_one_silence(self) -> None:
        turns = [turn(0, 1, None, 1, 0), turn(None, 2, 0, 2, 7)]
        self.assertEqual(self.found([(0, 0, 2), (1, 3, 33)], turns), [(1, 30, 0, False)])
        self.assertEqual(self.found([(0, 0, 30)], []), [(0, 30, 0, False)])

    def test_what_lies_between_two_steps_is_nobodys_silence(self) -> None:
        turns = [turn(0, 1, None, 1, 0), turn(1, 50, 0, 2, 7), turn(None, 51, 1, 51, 3)]
        self.assertEqual(self.found([(0, 0, 3), (1, 49, 52)], turns), [])

    def test_a_line_that_is_stored_after_the_end_of_its_step_makes_no_silence_longer(self) -> None:
        turns = [turn(0, 40, None, 40, 0), turn(None, 41, 0, 41, 1)]
        self.assertEqual(self.found([(0, 0, 10)], turns), [(0, 10, 0, False)])

    def test_around_a_cut_nothing_is_known(self) -> None:
        turns = [
            turn(0, 1, None, 1, 0),
            turn(None, 30, 0, 2, 7, cut=True),
            turn(0, 60, None, 60, 0, cut=True),
            turn(None, 70, 0, 70, 99),
        ]
        self.assertEqual(self.found([(0, 0, 80), (1, 80, 90)], turns), [(0, 10, 99, False)])

    def test_only_the_three_longest_count_and_none_below_the_least(self) -> None:
        turns = [turn(0, 0, None, 0, 0)]
        turns += [turn(0, 10 * n + n, 0, 10 * n, n) for n in range(1, 9)]
        self.assertEqual([one[1] for one in self.found([(0, 0, 89)], turns, least=2)], [8, 7, 6])


class StoredTest(TestCase):
    def setUp(self) -> None:
        silences._looked.clear()  # each test's builds have the numbers of the others', and began when they did

    def build(self, drafts: list[Chunk | Fact], ats: list[float], spans: list[tuple[float, float | None]]) -> Build:
        """Running, with events stored at these seconds, and steps that ran so."""
        lease = live.running()
        build = Build.objects.get(pk=lease.build_id)
        Event.objects.filter(build=build).delete()
        events.put(build.pk, 0, drafts)
        for seq, at in enumerate(ats, start=1):
            Event.objects.filter(build=build, seq=seq).update(at=moment(at))
        for position, (begin, end) in enumerate(spans):
            Step.objects.filter(build=build, position=position).update(
                started_at=moment(begin),
                finished_at=None if end is None else moment(end),
                status="running" if end is None else "passed",
                exit_code=None if end is None else 0,
            )
        Build.objects.filter(pk=build.pk).update(started_at=BEGAN)
        build.refresh_from_db()
        return build

    def found(self, build: Build) -> list[tuple[int, float, int]]:
        return [
            (one.step, round(one.seconds, 2), one.line) for one in silences.of_build(build, list(build.steps.all()))
        ]

    def over(self, build: Build, seconds: float) -> Build:
        Build.objects.filter(pk=build.pk).update(status="passed", lease_token=None, finished_at=moment(seconds), head=5)
        build.refresh_from_db()
        return build

    DRAFTS = (Chunk(0, 1, ["a", "b"]), Chunk(0, 3, ["c"], True), Chunk(0, 3, ["c d", "e"]), Chunk(1, 1, ["f"]))
    ATS = (1.0, 2.5, 14.0, 40.5)
    SPANS = ((0.0, 20.0), (20.0, 60.0))

    def test_events_with_an_open_line_and_two_steps(self) -> None:
        build = self.over(self.build(list(self.DRAFTS), list(self.ATS), list(self.SPANS)), 60)
        self.assertEqual(self.found(build), [(1, 20.5, 0), (1, 19.5, 1), (0, 11.5, 3)])

    def test_a_build_that_runs_tells_the_silence_that_lasts(self) -> None:
        build = self.build([Chunk(0, 1, ["a"])], [1], [(0, None)])
        Build.objects.filter(pk=build.pk).update(started_at=timezone.now() - timedelta(seconds=50))
        Step.objects.filter(build=build, position=0).update(started_at=timezone.now() - timedelta(seconds=50))
        Event.objects.filter(build=build).update(at=timezone.now() - timedelta(seconds=30))
        build.refresh_from_db()
        one, other = silences.of_build(build, list(build.steps.all()))
        self.assertEqual((one.line, one.lasts, other.line, other.lasts), (1, True, 0, False))
        self.assertTrue(29 < one.seconds < 40, one)

    def test_a_cut_hides_what_was_there(self) -> None:
        cut = Fact("cut", {"step": "one", "line": 2, "lines": 5, "bytes": 50})
        build = self.build([Chunk(0, 1, ["a"]), cut, Chunk(0, 7, ["z"])], [1, 2, 50], [(0, 58)])
        self.assertEqual(self.found(self.over(build, 60)), [(0, 8.0, 7)])

    def test_of_a_long_log_that_still_grows_the_newest_part_is_looked_at(self) -> None:
        build = self.build(list(self.DRAFTS), [1, 9, 17, 40], [(0, 20), (20, 48)])
        turns = silences.turns_of_events(build.pk, 5, after=1)
        spans = [Span(0, moment(0), moment(20)), Span(1, moment(20), moment(48))]
        told = [(one.step, round(one.seconds, 2), one.line) for one in longest(spans, turns, moment(60), 5)]
        self.assertEqual(told, [(1, 20, 0), (0, 8, 3), (1, 8, 1)])

    def test_a_compacted_log_tells_the_same_but_for_lines_that_were_open(self) -> None:
        build = self.over(self.build(list(self.DRAFTS), list(self.ATS), list(self.SPANS)), 60)
        runs = [blocks.Run(0, 1, ["a", "b"], moment(1)), blocks.Run(0, 3, ["c d", "e"], moment(14))]
        blocks.store(build.pk, 0, blocks.encode(runs))
        blocks.store(build.pk, 1, blocks.encode([blocks.Run(1, 1, ["f"], moment(40.5))]))
        Build.objects.filter(pk=build.pk).update(compacted_at=moment(99))
        build.refresh_from_db()
        self.assertEqual(self.found(build), [(1, 20.5, 0), (1, 19.5, 1), (0, 13.0, 2)])

    def test_a_build_that_is_over_is_asked_for_once(self) -> None:
        build = self.over(self.build([Chunk(0, 1, ["a"])], [1], [(0, 30)]), 61.5)
        steps = list(build.steps.all())
        first = silences.of_build(build, steps)
        with self.assertNumQueries(0):
            self.assertEqual(silences.of_build(build, steps), first)
        Build.objects.filter(pk=build.pk).update(pruned_at=moment(99))
        build.refresh_from_db()
        self.assertEqual(silences.of_build(build, steps), [])

    def test_a_log_with_too_many_turns_tells_none(self) -> None:
        """Two steps that print in turn: behind those that are fetched the rest would look like one silence."""
        drafts = [Chunk(n % 2, n // 2 + 1, ["x"]) for n in range(40)]
        build = self.over(self.build(drafts, [n / 10 for n in range(40)], [(0, 4), (0, 4)]), 4)
        for turns in (20, 40, 5_000):
            silences._of_final.cache_clear()
            with (
                mock.patch.object(silences, "_TURNS", turns),
                mock.patch.object(silences, "LEAST_SECONDS", 0.5),
                mock.patch.object(silences, "MOST_EVENTS_OVER", 10**6),
            ):
                self.assertEqual(self.found(build), [], turns)
        with mock.patch.object(silences, "_TURNS", 42), mock.patch.object(silences, "LEAST_SECONDS", 0.15):
            silences._of_final.cache_clear()
            self.assertEqual([one[1] for one in self.found(build)], [0.2], "the end of one of them")

    def test_the_silence_that_lasts_is_the_steps_own(self) -> None:
        build = self.build([Chunk(1, 1, ["a"]), Chunk(1, 2, ["b"]), Chunk(0, 1, ["x"])], [1, 2, 9], [(0, 1), (1, None)])
        found = silences.lasting(build, list(build.steps.all()))
        assert found is not None
        self.assertEqual((found.step, found.line, found.since), (1, 2, moment(2)))

    def test_the_newest_line_of_a_step_is_found_along_its_index(self) -> None:
        build = self.build([Chunk(0, 1, ["a"])], [1], [(0, None)])
        steps = list(build.steps.all())
        with CaptureQueriesContext(connection) as asked:
            silences.lasting(build, steps)
        (query,) = [one["sql"] for one in asked]
        plan = self.plan(query)
        if connection.vendor == "postgresql":
            self.assertRegex(plan, "Index Scan.* using event_line")
        else:
            self.assertIn("USING INDEX event_line (build_id=? AND step=? ", plan)

    def test_a_log_that_is_compacted_meanwhile_tells_none_and_nothing_is_kept(self) -> None:
        for column in ("compacted_at", "pruned_at"):
            build = self.over(self.build([Chunk(0, 1, ["a"])], [1], [(0, 30)]), 61.25)
            steps = list(build.steps.all())
            Build.objects.filter(pk=build.pk).update(**{column: moment(99)})
            self.assertEqual(silences.of_build(build, steps), [])
            Build.objects.filter(pk=build.pk).update(**{column: None})
            self.assertEqual([one.line for one in silences.of_build(build, steps)], [1])

    def plan(self, query: str) -> str:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute("SET LOCAL enable_bitmapscan = off")
                cursor.execute(f"EXPLAIN {query}")
                return "\n".join(row[0] for row in cursor.fetchall())
            cursor.execute(f"EXPLAIN QUERY PLAN {query}")
            return "\n".join(str(row[-1]) for row in cursor.fetchall())

    def test_a_running_builds_silences_are_found_along_the_index(self) -> None:
        build = self.build([Chunk(0, 1, ["a"])], [1], [(0, None)])
        steps = list(build.steps.all())
        with CaptureQueriesContext(connection) as asked:
            silences.of_build(build, steps)
        (query,) = [one["sql"] for one in asked if "LAG(" in one["sql"].upper()]
        self.assertLessEqual(len(asked), 4)
        plan = self.plan(query)
        if connection.vendor == "postgresql":
            self.assertRegex(plan, "Index Scan using .*(event_seq|event_cut)")
        else:
            self.assertRegex(plan, r"USING INDEX \S*event\S* \(build_id=\? AND seq>\?\)")

    def told(self, build: Build) -> list[tuple[int, float | None, int]]:
        """None for how long one is that goes on: that is another moment each time."""
        found = silences.of_build(build, list(build.steps.all()))
        return [(one.step, None if one.lasts else round(one.seconds, 2), one.line) for one in found]

    PRINTED = st.tuples(st.integers(0, 1), st.integers(1, 3), st.floats(0, 30))

    @given(st.lists(st.lists(PRINTED, max_size=4), max_size=6), st.sampled_from([3, 100]), st.integers(0, 8))
    @settings(max_examples=25, deadline=None)
    def test_looked_at_again_and_again_a_running_log_tells_what_it_tells_at_once(self, portions, most, cut) -> None:
        silences._looked.clear()
        build = self.build([], [], [(0, None), (0, None)])
        steps = list(build.steps.all())
        at, total = 0.0, [0, 0]
        patches = {"MOST_EVENTS": most if most < 100 else 10**6, "LEAST_SHARE": 0.0}
        with mock.patch.multiple(silences, **patches):
            for portion in portions:
                for step, lines, pause in portion:
                    at += pause
                    events.put(build.pk, build.head, [Chunk(step, total[step] + 1, ["x"] * lines)])
                    total[step] += lines
                    build.head += 1
                    Event.objects.filter(build=build, seq=build.head).update(at=moment(at))
                if cut and build.head > cut:
                    words = {"step": steps[0].name, "line": 1, "lines": 1, "bytes": 9}
                    Event.objects.filter(build=build, seq=cut).delete()
                    events.put(build.pk, cut - 1, [Fact("cut", words)])
                again = self.told(build)
                if most == 100:
                    silences._looked.clear()
                    self.assertEqual(self.told(build), again)

    def test_a_running_log_is_read_on_from_where_it_was_left(self) -> None:
        build = self.build([Chunk(0, n + 1, ["a"]) for n in range(50)], [float(n) for n in range(50)], [(0, None)])
        Build.objects.filter(pk=build.pk).update(head=50)
        build.refresh_from_db()
        looks = []
        look = silences._look

        def looking(*args: Any) -> Any:
            looks.append(args[2])
            return look(*args)

        with mock.patch.multiple(silences, _look=looking, LEAST_SHARE=0.0):
            first = self.told(build)
            events.put(build.pk, 50, [Chunk(0, 51, ["b"])])
            Event.objects.filter(build=build, seq=51).update(at=moment(60))
            build.head = 51
            second = self.told(build)
        self.assertEqual(looks, [0, 49])
        self.assertEqual(first, [(0, None, 50)])
        self.assertEqual(second, [(0, None, 51), (0, 11.0, 50)])

    @given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 3), st.floats(0, 30)), max_size=12))
    @settings(max_examples=25, deadline=None)
    def test_events_and_blocks_of_a_log_without_open_lines_tell_the_same(self, log) -> None:
        at, drafts, ats, runs, total = 0.0, [], [], [], [0, 0]
        for step, lines, pause in log:
            at += pause
            texts = ["x"] * lines
            drafts.append(Chunk(step, total[step] + 1, texts))
            runs.append(blocks.Run(step, total[step] + 1, texts, moment(at)))
            ats.append(at)
            total[step] += lines
        build = self.build(drafts, ats, [(0, at + 8), (0, at + 8)])
        for number, draft in enumerate(blocks.packed(runs)):
            blocks.store(build.pk, number, draft)
        spans = [Span(position, moment(0), moment(at + 8)) for position in (0, 1)]
        told = [
            [(one.step, round(one.seconds, 3), one.line) for one in longest(spans, turns, moment(at + 9), 5)]
            for turns in (silences.turns_of_events(build.pk, 5), silences.turns_of_blocks(build.pk, 5))
        ]
        self.assertEqual(*told)
