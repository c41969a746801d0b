"""Builds that run outside: fenced as a worker's, whatever is sent twice, late, or by somebody else."""

import json
import random
from typing import Any
from unittest import mock

from django.db import IntegrityError, transaction
from django.test import SimpleTestCase, TestCase, TransactionTestCase, override_settings, tag
from hypothesis import given
from hypothesis import strategies as st

from builds import events, landmarks, lifecycle, printed, queue, runs
from builds.events import Chunk, Lease, LeaseLost
from builds.leases import LeaseWatch
from builds.lifecycle import Refused
from builds.models import Build, Event, Project
from builds.runs import OutOfStep, cleaned
from builds.source import Source
from builds.states import Status

TOKEN = "a" * 32


class Outside:
    def setUp(self) -> None:
        self.project = Project.objects.create(name="Hello", slug="hello", recipe="steps: [{name: a, run: b}]")
        self.head = 0
        self.build = self.begin()

    def begin(self, token: str = TOKEN, **more: Any) -> int:
        given = {
            "by": "alice",
            "worker": "laptop",
            "token": token,
            "steps": ["make"],
            "source": Source("command"),
        }
        lease = lifecycle.begin_outside(self.project, **(given | more))
        self.head = lease.head
        return lease.build_id

    def carry_out(self, verb: Any, head: int | None = None, token: str = TOKEN) -> runs.Standing:
        stands = runs.carry_out(self.build, token, self.head if head is None else head, verb)
        self.head = stands.head
        return stands

    def print(self, first: int, *lines: str, is_open: bool = False, head: int | None = None, over: Any = ()) -> None:
        chunks = [Chunk(0, first, lines, is_open)] if lines else []
        self.carry_out(lambda lease: runs.append(lease, chunks, over), head)

    def lines(self) -> list[str]:
        return [line.text for line in printed.lines(self.build, 0, 1, 10_000)]


@tag("fast")
class OutsideTests(Outside, TestCase):
    def test_a_run_from_its_beginning_to_its_end(self) -> None:
        self.carry_out(lambda lease: lifecycle.begin_step(lease, 0))
        self.print(1, "one", "two")
        self.print(3, "thr", is_open=True)
        self.print(3, "three", "four")
        self.carry_out(lambda lease: lifecycle.end_step(lease, 0, Status.PASSED, exit_code=0))
        lifecycle.finish(Lease(self.build, TOKEN, self.head), Status.PASSED)
        build = Build.objects.get()
        self.assertEqual((build.status, build.worker, build.outside, build.recipe), ("passed", "laptop", True, ""))
        self.assertEqual(self.lines(), ["one", "two", "three", "four"])
        self.assertEqual(events.gaps(self.build), [])

    def test_the_same_lease_is_the_same_build(self) -> None:
        self.assertEqual(self.begin(), self.build)
        self.assertNotEqual(self.begin("b" * 32), self.build)

    def test_what_comes_again_is_not_stored_again(self) -> None:
        self.carry_out(lambda lease: lifecycle.begin_step(lease, 0))
        for lines in (["one"], ["::group::a", "::error::b"], ["::group::c"]):
            before, first = self.head, len(self.lines()) + 1
            for _ in range(3):
                self.print(first, *lines, head=before)
        self.assertEqual(self.lines(), ["one", "::group::a", "::error::b", "::group::c"])
        self.assertEqual([group.last for group in landmarks.groups(self.build)], [3, None])
        self.assertEqual(Build.objects.get().errors_told, 1)

    def test_a_commit_whose_answer_is_lost_in_the_middle_lands_once(self) -> None:
        self.carry_out(lambda lease: lifecycle.begin_step(lease, 0))
        dice = random.Random(7)
        sent = 0
        for _ in range(60):
            count = dice.randint(1, 5)
            before = self.head
            for _ in range(dice.randint(1, 3)):
                self.print(sent + 1, *(f"line {sent + number + 1}" for number in range(count)), head=before)
            sent += count
        self.assertEqual(self.lines(), [f"line {number + 1}" for number in range(sent)])
        self.assertEqual(events.gaps(self.build), [])

    def test_nobody_else_writes(self) -> None:
        for token, head in (("b" * 32, self.head), (TOKEN, self.head + 1)):
            with self.assertRaises(LeaseLost):
                runs.carry_out(self.build, token, head, lambda lease: lifecycle.begin_step(lease, 0))
        lifecycle.lose(self.build, TOKEN, "gone")
        with self.assertRaises(LeaseLost):
            self.print(1, "one")
        with self.assertRaises(LeaseLost):
            runs.renewed(self.build, TOKEN)
        worker = lifecycle.enqueue(self.project, by="alice")
        lifecycle.claim("worker", "c" * 32)
        with self.assertRaises(LeaseLost):  # a worker's build is not written from outside, whatever is known of it
            runs.carry_out(worker.pk, "c" * 32, 2, lambda lease: None)

    def test_lines_that_do_not_come_next_are_refused(self) -> None:
        with self.assertRaisesMessage(OutOfStep, "Step 0 of build"):
            self.print(1, "one")
        self.carry_out(lambda lease: lifecycle.begin_step(lease, 0))
        self.print(1, "one")
        for first in (1, 3, 100):
            with self.assertRaisesMessage(OutOfStep, "Expected line 2 of step 0"):
                self.print(first, "other")
        self.assertEqual(self.lines(), ["one"])

    def test_groups_and_annotations_go_on_from_request_to_request(self) -> None:
        self.carry_out(lambda lease: lifecycle.begin_step(lease, 0))
        self.print(1, "::group::first", "in it")
        self.print(3, "::endgroup::", "::warning file=a.c,line=3::careful")
        self.print(5, "::group::second", "rest")
        self.print(7, over=[0])
        self.assertEqual([(group.line, group.last) for group in landmarks.groups(self.build)], [(1, 3), (5, 6)])
        [said] = landmarks.annotations(self.build)
        self.assertEqual((said.line, said.number, said.said.file), (4, 1, "a.c"))

    def test_a_cancel_reaches_it_and_wins(self) -> None:
        self.carry_out(lambda lease: lifecycle.begin_step(lease, 0))
        self.assertFalse(runs.renewed(self.build, TOKEN).cancel_requested)
        lifecycle.cancel(self.build, by="bob")
        self.assertTrue(runs.renewed(self.build, TOKEN).cancel_requested)
        self.assertTrue(self.carry_out(lifecycle.confirm_cancel).cancel_requested)
        status = lifecycle.finish(Lease(self.build, TOKEN, self.head), Status.PASSED)
        self.assertEqual((status, Build.objects.get().reason), (Status.CANCELLED, "Cancelled by bob."))

    def test_it_takes_no_workers_place_and_is_repeated_by_nobody_here(self) -> None:
        self.project.max_running = 1
        self.project.auto_retries = 3
        self.project.save()
        waiting = lifecycle.enqueue(self.project, by="alice")
        self.assertNotIn("already runs", queue.place(waiting).reason)
        self.assertEqual(lifecycle.claim("worker", "c" * 32).build_id, waiting.pk)
        lifecycle.lose(self.build, TOKEN, "gone")
        self.assertEqual(Build.objects.count(), 2)
        with self.assertRaisesMessage(Refused, "only there can it be repeated"):
            lifecycle.retry(Build.objects.get(pk=self.build), by="alice")

    def test_a_disabled_project_begins_nothing(self) -> None:
        self.project.enabled = False
        with self.assertRaisesMessage(Refused, "disabled"):
            self.begin("b" * 32)


@tag("fast")
class WatchTests(Outside, TestCase):
    def test_it_may_be_silent_for_longer_than_a_worker(self) -> None:
        lifecycle.enqueue(self.project, by="alice")
        worker = lifecycle.claim("worker", "c" * 32)
        now = [0.0]
        watch = LeaseWatch(15, clock=lambda: now[0], outside_seconds=120)
        lost = []
        for second in range(0, 130, 4):
            now[0] = float(second)
            lost += [(build_id, second) for build_id in watch.look()]
        self.assertEqual(lost, [(worker.build_id, 16), (self.build, 120)])
        self.assertEqual(
            Build.objects.get(pk=self.build).reason,
            "The worker laptop gave no sign of life for 120 s.",
        )

    def test_one_that_renews_is_left_alone(self) -> None:
        now = [0.0]
        watch = LeaseWatch(3, clock=lambda: now[0], outside_seconds=6)
        for second in range(60):
            now[0] = second / 2
            if second % 10 == 0:
                runs.renewed(self.build, TOKEN)
            self.assertEqual(watch.look(), [])


@tag("fast")
class CleanTests(SimpleTestCase):
    def test_what_commands_a_terminal_does_not_come_in(self) -> None:
        for line, expected in (
            ("plain é世界\t.", "plain é世界\t."),
            ("\x1b[31mred", "\x1b[31mred\x1b[0m"),
            ("\x1b]0;title\x07x", "x"),
            ("\x1b[2J\x1b[Hx", "x"),
            ("a\rb", "b"),
            ("a\nb", "a b"),
            ("a\0b\ud800", "ab?"),
            ("\x9b31mx", "\x1b[31mx\x1b[0m"),
        ):
            with self.subTest(line):
                self.assertEqual(cleaned(line), expected)

    @given(st.text(max_size=300))
    def test_once_is_enough(self, line: str) -> None:
        once = cleaned(line)
        self.assertEqual(cleaned(once), once)
        self.assertNotIn("\n", once)

    def test_a_long_line_is_cut(self) -> None:
        with override_settings(BUILDBOARD_MAX_LINE_KB=1):
            self.assertLess(len(cleaned("x" * 50_000)), 1_200)


class UnfitTests(Outside, TestCase):
    def test_steps_that_do_not_fit_are_refused_once(self) -> None:
        with self.assertRaises(IntegrityError), transaction.atomic():
            self.begin(token="f" * 32, steps=["a", "a"])


class CommittedTests(Outside, TransactionTestCase):
    def test_a_write_that_was_faster_is_no_loss(self) -> None:
        """The same request twice at the same time: the second finds the head taken when it writes."""
        self.carry_out(lambda lease: lifecycle.begin_step(lease, 0))
        before = self.head
        real = runs._lease

        def slow(build_id: int, token: str, head: int) -> Lease:
            with mock.patch.object(runs, "_lease", real):
                self.print(1, "one", head=before)
            return real(build_id, token, head)

        with mock.patch.object(runs, "_lease", slow):
            self.carry_out(lambda lease: events.append(lease, [Chunk(0, 1, ["one"]), Chunk(0, 2, ["two"])]), before)
        self.assertEqual(self.lines(), ["one"])

    def test_lines_whose_first_request_lands_before_they_are_looked_at_again_are_not_refused(self) -> None:
        """A program that has waited long enough asks again, and would take a refusal for the end of its report."""
        self.carry_out(lambda lease: lifecycle.begin_step(lease, 0))
        before = self.head
        real = runs._whole_lines

        def slow(build_id: int, step: int) -> int:
            with mock.patch.object(runs, "_whole_lines", real):
                self.print(1, "one", head=before)
            return real(build_id, step)

        with mock.patch.object(runs, "_whole_lines", slow):
            self.print(1, "one", head=before)
        self.assertEqual(self.lines(), ["one"])
        self.print(2, "two")
        self.assertEqual(self.lines(), ["one", "two"])

    @override_settings(BUILDBOARD_MAX_LOG_MB=1)
    def test_a_log_without_an_end_keeps_its_head_and_its_tail(self) -> None:
        self.carry_out(lambda lease: lifecycle.begin_step(lease, 0))
        count = 0
        for turn in range(60):
            if turn == 40:
                runs._limits._kept.clear()  # another process answers
            self.print(count + 1, *(f"{count + number + 1} {'x' * 1000}" for number in range(50)))
            count += 50
        stored = sum(len(event.body) for event in Event.objects.filter(build=self.build))
        self.assertLess(stored, 1.3 * 2**20)
        cuts = [json.loads(event.data) for event in events.read(self.build, 0, 5000) if event.kind == "cut"]
        self.assertEqual(cuts[0]["reason"], "The log reached its limit of 1 MB.")
        numbers = [int(line.split()[0]) for line in self.lines()]
        self.assertEqual((numbers[0], numbers[-1]), (1, count))
