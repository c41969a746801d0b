import json

from django.test import TestCase, TransactionTestCase

from builds import events, lifecycle, plans
from builds.events import Chunk, Lease
from builds.models import Build, Project
from builds.states import Status
from builds.web.logtail import Section, sections, stamp

from .racing import leased


class SectionsTest(TestCase):
    def setUp(self) -> None:
        project = Project.objects.create(
            name="p", slug="p", recipe="steps: [{name: a, run: x}, {name: b, run: x}, {name: c, run: x}]"
        )
        lifecycle.enqueue(project, by="alice")
        with self.captureOnCommitCallbacks(execute=True):
            lease = lifecycle.claim("host:1:x", "token")
        assert lease is not None
        self.lease: Lease = lease

    def append(self, *chunks: Chunk) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            events.append(self.lease, chunks)

    def begin(self, position: int) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.begin_step(self.lease, position)

    def end(self, position: int) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            lifecycle.end_step(self.lease, position, Status.PASSED, exit_code=0)

    def sections(self, limit: int = 500) -> list[Section]:
        build = Build.objects.get()
        return sections(build, list(build.steps.all()), build.head, limit)

    def shown(self, limit: int = 500) -> list[list[tuple[int, str]]]:
        return [[(line.number, line.text) for line in section.lines] for section in self.sections(limit)]

    def test_lines_stand_under_their_steps(self) -> None:
        self.begin(0)
        self.append(Chunk(0, 1, ["one", "two"]))
        self.end(0)
        self.begin(1)
        self.append(Chunk(1, 1, ["three"]))
        self.assertEqual(self.shown(), [[(1, "one"), (2, "two")], [(1, "three")], []])

    def test_a_line_that_went_on_is_shown_as_it_is_now(self) -> None:
        self.begin(0)
        self.append(Chunk(0, 1, ["compil"], open=True))
        self.assertTrue(self.sections()[0].lines[0].open)
        self.append(Chunk(0, 1, ["compiled", "next"]))
        self.assertEqual(self.shown()[0], [(1, "compiled"), (2, "next")])
        self.assertFalse(self.sections()[0].lines[0].open)

    def test_only_the_tail_is_shown_and_the_rest_is_counted(self) -> None:
        self.begin(0)
        for number in range(1, 301):
            self.append(Chunk(0, number, [f"line {number}"]))
        first = self.sections(limit=100)[0]
        self.assertEqual((len(first.lines), first.lines[-1].number, first.earlier, first.total), (100, 300, 200, 300))

    def test_few_lines_in_many_events_are_all_found(self) -> None:
        self.begin(0)
        for number in range(1, 201):
            self.append(Chunk(0, number, ["x"]))
        self.assertEqual(len(self.sections()[0].lines), 200)

    def test_what_is_missing_in_the_middle_is_said(self) -> None:
        self.begin(0)
        self.append(Chunk(0, 1, ["head"]), Chunk(0, 2001, ["tail"]))
        gaps = [line.gap for line in self.sections()[0].lines]
        self.assertEqual(gaps, ["", "1,999 lines left out (2 to 2000)"])

    def test_what_was_cut_at_the_end_of_a_step_is_said_and_counted(self) -> None:
        self.begin(0)
        self.append(Chunk(0, 1, ["head", "and o"], open=True))
        first = self.lease.head + 1
        for number in range(2, 9):
            self.append(Chunk(0, number, ["and on" if number == 2 else "more"]))
        last = self.lease.head
        self.end(0)
        self.begin(1)
        self.append(Chunk(1, 1, ["tail"]))
        events.cut(self.lease, first, last, "It was long.")
        one, two, _ = self.sections()
        self.assertEqual([line.text for line in one.lines], ["head"], "how the second went on is not known any more")
        self.assertEqual((one.total, one.gap), (8, "7 lines left out (2 to 8, 37 bytes): It was long."))
        self.assertEqual((one.missing, one.earlier, one.said), (7, 0, "8 lines, 7 left out"))
        self.assertEqual(json.loads(one.cuts_json)[0], one.cuts[0]._asdict())
        self.assertEqual((two.total, two.gap, two.cuts_json), (1, "", ""))

    def test_a_mark_tells_the_whole_cut_however_little_of_it_is_near(self) -> None:
        self.begin(0)
        for number in range(1, 31):
            self.append(Chunk(0, number, ["x"]))
        events.cut(self.lease, self.lease.head - 24, self.lease.head - 5, "It was long.")
        one = self.sections(limit=5)[0]
        said = "20 lines left out (6 to 25, 40 bytes): It was long."
        self.assertEqual([line.gap for line in one.lines], [said, "", "", "", ""])
        self.assertEqual((one.total, one.earlier, one.missing), (30, 5, 20))
        self.assertEqual([line.gap for line in self.sections(limit=4)[0].lines], ["", "", "", ""])
        self.assertEqual([line.gap for line in self.sections()[0].lines if line.gap], [said])

    def test_what_runs_is_unfolded_and_what_passed_is_not(self) -> None:
        self.begin(0)
        self.append(Chunk(0, 1, ["one"]))
        self.assertEqual([section.open for section in self.sections()], [True, False, False])
        self.end(0)
        self.begin(1)
        self.append(Chunk(1, 1, ["two"]))
        self.assertEqual([section.open for section in self.sections()], [False, True, False])

    def test_a_queued_build_has_empty_sections(self) -> None:
        self.assertEqual(self.shown(), [[], [], []])

    def test_times_are_as_wide_as_their_column(self) -> None:
        said = [stamp(seconds) for seconds in (-1, 0.456, 999.99, 1234.56, 66564.06)]
        self.assertEqual(said, ["0.00", "0.46", "999.99", "1234.6", "66564"])

    def test_a_step_that_has_printed_nothing_yet_is_unfolded_for_what_comes(self) -> None:
        self.begin(0)
        self.assertEqual([section.open for section in self.sections()], [True, False, False])

    def test_a_step_counts_the_lines_that_it_shows_and_leaves_the_rest_to_the_stream(self) -> None:
        """A page that counted lines which it does not show would take the next one for a hole."""
        self.begin(0)
        self.append(Chunk(0, 1, ["one"]))
        build = Build.objects.get()
        self.append(Chunk(0, 2, ["two"]))
        first = sections(build, list(build.steps.all()), build.head)[0]
        self.assertEqual(first.lines[-1].number, first.total)


class AdoptedTest(TransactionTestCase):
    def test_what_came_after_the_page_s_cursor_is_not_shown_under_the_steps_of_before(self) -> None:
        """The checkout found another recipe between two queries of a page."""
        project = Project.objects.create(name="w", slug="w", repository="https://git.example/w")
        lease = leased(project)
        lifecycle.begin_step(lease, 0)
        events.append(lease, [Chunk(0, 1, ["Cloning"])])
        build = Build.objects.get()
        steps = list(build.steps.all())
        lifecycle.end_step(lease, 0, Status.PASSED, exit_code=0)
        lifecycle.adopt(lease, plans.at_commit(build, "steps: [{name: a, run: x}]"), ".buildboard.yml")
        lifecycle.begin_step(lease, 1)
        events.append(lease, [Chunk(1, 1, ["of a"])])
        [checkout] = sections(build, steps, build.head)
        self.assertEqual([line.text for line in checkout.lines], ["Cloning"])
