"""What is cut out of a log: exactly what is said, whatever was printed, and nobody is shown anything else."""

import json
from collections import defaultdict
from itertools import pairwise
from typing import Any

from django.db import OperationalError
from django.test import TransactionTestCase
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from buildboard.terminal.replay import Header, Replay
from builds import cuts, events, lifecycle, printed
from builds.blocks import Stretch
from builds.cuts import Cut, Row, plan
from builds.events import Chunk, Fact, LeaseLost
from builds.live.logs import Writer
from builds.models import Build, Event, Step

from .racing import answer_lost, leased, project, state

NAMES = ("one", "zwei ☃")
REASON = "The log reached its limit of 1 MB."


class Model:
    """A build's log as a list, and what a reader of all of it knows: each line's text, and by which event."""

    def __init__(self) -> None:
        self.build = Build.objects.create(project=project(f"p{Build.objects.count()}"), recipe="")
        Step.objects.bulk_create(Step(build=self.build, position=n, name=name) for n, name in enumerate(NAMES))
        self.events: list[Any] = []
        self.lines: dict[int, dict[int, tuple[int, str, bool]]] = {0: {}, 1: {}}
        """By step and number: the event that has it, its text, and whether it is open."""

    def put(self, draft: Chunk | Fact) -> None:
        events.put(self.build.pk, len(self.events), [draft])
        self.events.append(draft)
        Build.objects.filter(pk=self.build.pk).update(head=len(self.events))
        if isinstance(draft, Chunk):
            for number, text in enumerate(draft.lines, draft.line):
                is_open = draft.open and number == draft.line + len(draft.lines) - 1
                self.lines[draft.step][number] = (len(self.events), text, is_open)

    def print(self, step: int, texts: list[str], is_open: bool) -> None:
        last = max(self.lines[step], default=0)
        first = last if last and self.lines[step][last][2] else last + 1
        self.put(Chunk(step, first, [f"{step}.{n} {text}" for n, text in enumerate(texts, first)], is_open))

    def do(self, what: str, *rest: Any, first: int) -> None:
        if what == "print":
            self.print(*rest)
        elif what == "cut":
            cuts.replace(self.build.pk, first, max(len(self.events) - rest[0], first - 1), NAMES, REASON)
        else:
            self.put(Fact(what, {"step": NAMES[rest[0]], "name": NAMES[rest[0]], "status": "running"}))

    def missing(self, step: int) -> dict[int, str]:
        stored = set(Event.objects.filter(build=self.build, kind="log").values_list("seq", flat=True))
        return {number: text for number, (seq, text, _) in self.lines[step].items() if seq not in stored}

    def stored(self) -> list[tuple[int, str, dict[str, Any]]]:
        return [(record.seq, record.kind, json.loads(record.data)) for record in events.read(self.build.pk, 0, 10**6)]


texts = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\n\0\x1b"), max_size=4), min_size=1, max_size=4
)
moves = st.one_of(
    st.tuples(st.just("print"), st.integers(0, 1), texts, st.booleans()),
    st.tuples(st.just("print"), st.just(0), texts, st.booleans()),
    st.tuples(st.just("progress"), st.integers(0, 1)),
    st.tuples(st.sampled_from(["step", "group", "annotation"]), st.integers(0, 1)),
    st.tuples(st.just("cut"), st.integers(0, 3)),
)


class AnyLogTests(TestCase):
    @settings(max_examples=150, deadline=None)
    @given(st.integers(1, 6), st.lists(moves, max_size=30))
    def test_what_is_missing_is_what_the_cuts_say(self, first: int, done: list[tuple]) -> None:
        model = Model()
        for move in done:
            model.do(*move, first=first)
        self.check(model, first)

    def check(self, model: Model, first: int) -> None:
        build_id = model.build.pk
        stored = model.stored()
        self.assertEqual(events.gaps(build_id), [])
        kinds = {seq: kind for seq, kind, _ in stored}
        for seq in range(1, min(first, len(model.events) + 1)):
            self.assertNotEqual(kinds[seq], "cut", "the head stays as it was")
        kept = ("step", "group", "annotation")
        self.assertEqual([seq for seq, kind, _ in stored if kind in kept],
                         [seq for seq, draft in enumerate(model.events, 1)
                          if isinstance(draft, Fact) and draft.kind in kept])  # fmt: skip
        found = events_cuts(stored)
        for step, name in enumerate(NAMES):
            missing = model.missing(step)
            said = [number for cut in found[name] for number in range(cut.line, cut.line + cut.lines)]
            self.assertEqual(said, sorted(missing))
            self.assertEqual(
                sum(cut.size for cut in found[name]), sum(len(text.encode()) + 1 for text in missing.values())
            )
            whole = printed.left_out(build_id).get(step, [])
            self.assertEqual(said, [number for cut in whole for number in range(cut.line, cut.last + 1)])
            self.assertEqual(sum(cut.bytes for cut in whole), sum(cut.size for cut in found[name]))
            self.assertTrue(all(after.line > cut.last + 1 for cut, after in pairwise(whole)), "none touches the next")
            self.assertEqual(printed.total_lines(build_id, step), max(model.lines[step], default=0))
            shown = {line.number: line.text for line in printed.lines(build_id, step, 1, 10**6)}
            self.assertEqual(shown, {n: text for n, (_, text, _) in model.lines[step].items() if n not in missing})
        self.assertLessEqual(len(stored), len(model.events))

    @settings(max_examples=100, deadline=None)
    @given(st.integers(1, 4), st.lists(moves, max_size=25), st.lists(st.integers(0, 40), max_size=3), st.integers(0, 9))
    def test_whoever_reads_meanwhile_is_told_each_line_once_or_that_it_is_missing(
        self, first: int, done: list[tuple], looks: list[int], behind: int
    ) -> None:
        """Readers that look now and then, and so see some cuts early, some late and some merged."""
        model, cursor = Model(), 0
        writer, replay = Writer(keeps_styling=True), Replay(colours=True)
        text = b""
        said: list[Any] = []

        def look(limit: int) -> None:
            nonlocal cursor, text
            for record in events.read(model.build.pk, cursor, limit):
                cursor = record.seq
                text += writer.feed(record.kind, json.loads(record.data))
                if record.kind != "step":
                    said.extend(replay.feed(record.kind, record.data))

        for number, move in enumerate(done):
            model.do(*move, first=first)
            if number in looks:
                look(behind)
        look(10**6)
        text += writer.rest()
        said += replay.feed("build", json.dumps({"status": "lost", "reason": ""}))
        headers = [each.text for each in said if isinstance(each, Header) and "left out" in each.text]
        self.check_reader(model, text.decode().split("\n")[:-1])
        self.check_reader(model, [each for each in said if isinstance(each, str)] + headers)

    def check_reader(self, model: Model, lines: list[str]) -> None:
        """Every line that was shown is as it was last, none came twice, and the others were told to be missing."""
        told = sum(int(line.strip("[─ ").split()[0]) for line in lines if REASON in line)
        shown = [line for line in lines if REASON not in line]
        final = {text for lines in model.lines.values() for _, text, _ in lines.values()}
        self.assertEqual([line for line in shown if line not in final], [])
        self.assertEqual(len(shown), len(set(shown)))
        self.assertEqual(len(shown) + told, len(final))


def events_cuts(stored: list[tuple[int, str, dict[str, Any]]]) -> dict[str, list[Cut]]:
    found: dict[str, list[Cut]] = defaultdict(list)
    for seq, kind, data in stored:
        if kind == "cut":
            found[data["step"]].append(Cut(seq, data["step"], data["line"], data["lines"], data["bytes"]))
    return found


class MergedTests(TestCase):
    def test_cuts_that_touch_are_one_and_so_are_those_that_overlap(self) -> None:
        for given_, whole in (
            ([(1, 2, 20, "x"), (3, 4, 40, "x")], [(1, 6, 60, "x")]),
            ([(3, 4, 40, "x"), (1, 1, 10, "x")], [(1, 1, 10, "x"), (3, 4, 40, "x")]),
            ([(1, 5, 50, ""), (2, 2, 20, "x")], [(1, 5, 50, "x")]),
            ([(7, 0, 0, "x")], []),
        ):
            self.assertEqual(cuts.merged(Stretch(*one) for one in given_), whole)
        self.assertEqual(cuts.by_step([(1, Stretch(1, 0, 0, "")), (0, Stretch(1, 1, 2, ""))]), {0: [(1, 1, 2, "")]})


class PlanTests(TestCase):
    def test_what_one_step_printed_without_a_break_becomes_one_cut_with_the_last_number(self) -> None:
        rows = [Row(5, "log", "a", 1, 2, 20), Row(6, "log", "a", 3, 1, 10)]
        self.assertEqual(plan(rows, {}), ([], [Cut(6, "a", 1, 3, 30)]))

    def test_a_cut_takes_in_what_follows_it_and_two_steps_that_take_turns_are_two_cuts(self) -> None:
        rows = [Row(6, "cut", "a", 1, 3, 30), Row(7, "log", "b", 1, 1, 5), Row(8, "log", "a", 4, 1, 9),
                Row(9, "log", "b", 2, 1, 5)]  # fmt: skip
        self.assertEqual(plan(rows, {}), ([], [Cut(8, "a", 1, 4, 39), Cut(9, "b", 1, 2, 10)]))

    def test_a_fact_stays_and_parts_two_cuts(self) -> None:
        rows = [Row(5, "log", "a", 1, 2, 20), Row(6, "step", ""), Row(7, "log", "a", 3, 1, 10)]
        self.assertEqual(plan(rows, {}), ([], [Cut(5, "a", 1, 2, 20), Cut(7, "a", 3, 1, 10)]))

    def test_an_open_line_that_a_later_event_has_is_not_missing(self) -> None:
        self.assertEqual(plan([Row(5, "log", "a", 1, 3, 30, 4)], {"a": 3}), ([], [Cut(5, "a", 1, 2, 25)]))
        self.assertEqual(plan([Row(5, "log", "a", 3, 1, 5, 4)], {"a": 3}), ([], [Cut(5, "a", 3, 0, 0)]))

    def test_an_open_line_that_nothing_has_replaced_stays(self) -> None:
        self.assertEqual(plan([Row(5, "log", "a", 1, 3, 30, 4)], {}), ([5], []))

    def test_only_the_newest_word_on_progress_stays(self) -> None:
        rows = [Row(5, "progress", "a"), Row(6, "log", "a", 1, 1, 3), Row(7, "progress", "a")]
        self.assertEqual(plan(rows, {}), ([7], [Cut(6, "a", 1, 1, 3)]))


class FenceTests(TransactionTestCase):
    def setUp(self) -> None:
        self.lease = leased(project())
        self.first = self.lease.head + 1
        for number in range(1, 6):
            events.append(self.lease, [Chunk(0, number, ["x" * 9])])

    def seqs(self) -> list[tuple[int, str]]:
        return [(record.seq, record.kind) for record in events.read(self.lease.build_id, 0)]

    def test_a_cut_is_a_sign_of_life_and_takes_no_number(self) -> None:
        before = state(self.lease.build_id)
        events.cut(self.lease, self.first, self.first + 2, REASON)
        after = state(self.lease.build_id)
        self.assertEqual((after["head"], after["renewal"]), (before["head"], before["renewal"] + 1))
        self.assertEqual((after["horizon"], after["revision"]), (before["horizon"], before["revision"]))
        self.assertEqual(self.seqs()[-3:], [(self.first + 2, "cut"), (self.first + 3, "log"), (self.first + 4, "log")])
        data = json.loads(events.read(self.lease.build_id, self.first + 1)[0].data)
        self.assertEqual(data, {"step": "one", "line": 1, "lines": 3, "bytes": 30, "reason": REASON})
        events.append(self.lease, [Chunk(0, 6, ["y"])])

    def test_a_cut_whose_answer_was_lost_is_done_once(self) -> None:
        for landed in (True, False):
            with self.subTest(landed=landed):
                with self.assertRaises(OperationalError), answer_lost(landed):
                    events.cut(self.lease, self.first, self.first + 2, REASON)
                events.cut(self.lease, self.first, self.first + 2, REASON)
                [cut] = cuts.of_build(self.lease.build_id)
                self.assertEqual(cut[:5], (self.first + 2, "one", 1, 3, 30))

    def test_a_lease_that_is_lost_cuts_nothing(self) -> None:
        lifecycle.lose(self.lease.build_id, self.lease.token, "It was silent.")
        before = self.seqs()
        with self.assertRaises(LeaseLost):
            events.cut(self.lease, self.first, self.first + 2, REASON)
        self.assertEqual(self.seqs(), before)

    def test_a_head_that_is_not_the_stores_cuts_nothing(self) -> None:
        before = self.seqs()
        self.lease.head -= 1
        with self.assertRaises(LeaseLost):
            events.cut(self.lease, self.first, self.first + 2, REASON)
        self.assertEqual(self.seqs(), before)

    def test_the_cuts_of_a_build_are_found_by_an_index(self) -> None:
        from django.db import connection

        if connection.vendor == "sqlite":
            plan = Event.objects.filter(build_id=1, kind="cut").order_by("seq").explain()
            self.assertIn("event_cut", plan)
