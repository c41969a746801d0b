"""A build from its claim to its end: by its worker, against others at once, and as the board hears of it."""

import json
import random
from functools import partial
from unittest import mock

from django.db import IntegrityError, OperationalError, transaction
from django.test import TransactionTestCase

from builds import beats, events, lifecycle
from builds.events import Chunk, Lease, LeaseLost
from builds.lifecycle import Refused
from builds.models import Board, Build, Project, Step
from builds.states import FINAL, Status

from .racing import RECIPE, answer_lost, leased, project, state, together, told, whole_build


class WorkerTests(TransactionTestCase):
    def setUp(self):
        self.project = project()

    def test_the_oldest_queued_build_is_taken(self):
        first = lifecycle.enqueue(self.project, by="alice")
        lifecycle.enqueue(self.project, by="alice")
        lease = lifecycle.claim("host:1", "t")
        self.assertEqual((lease.build_id, lease.head), (first.pk, 2))
        first.refresh_from_db()
        self.assertEqual((first.status, first.worker, first.lease_token), ("running", "host:1", "t"))
        self.assertIsNotNone(first.started_at)
        self.assertEqual(told(first.pk), [("build", "queued"), ("build", "running")])

    def test_nothing_queued_is_nothing_taken_and_no_write_lock(self):
        with self.assertNumQueries(2):
            self.assertIsNone(lifecycle.claim("host:1", "t"))

    def test_six_workers_take_two_hundred_builds_once_each(self):
        total = 200
        Build.objects.bulk_create(Build(project=self.project, recipe=RECIPE) for _ in range(total))

        def work(me: int) -> list[int]:
            taken: list[int] = []
            while Build.objects.queued().exists():
                lease = lifecycle.claim(f"worker {me}", f"{me}.{len(taken)}")
                if lease is not None:
                    taken.append(lease.build_id)
            return taken

        taken = sorted(build for builds in together([partial(work, n) for n in range(6)]) for build in builds)
        self.assertEqual(taken, sorted(Build.objects.values_list("pk", flat=True)))
        self.assertEqual(set(Build.objects.values_list("status", "head")), {("running", 1)})
        revisions = sorted(Build.objects.values_list("revision", flat=True))
        self.assertEqual(revisions, list(range(1, total + 1)), "one revision for each claim")

    def test_a_build_from_start_to_end(self):
        build = whole_build(self.project, "t")
        self.assertEqual((build.status, build.reason, build.lease_token), ("passed", "", None))
        self.assertEqual([(s.status, s.exit_code) for s in build.steps.all()], [("passed", 0)] * 2)
        self.assertEqual(
            told(build.pk),
            [("build", "queued"), ("build", "running"), *[("step", "running"), ("step", "passed")] * 2]
            + [("build", "passed")],
        )
        self.assertEqual(json.loads(events.read(build.pk, 0)[-1].data), build.data())

    def test_what_a_failed_build_did_not_reach_is_skipped(self):
        lease = leased(self.project)
        lifecycle.begin_step(lease, 0)
        lifecycle.end_step(lease, 0, Status.FAILED, exit_code=2, reason="exit code 2")
        self.assertEqual(lifecycle.finish(lease, Status.FAILED, "one said no\0 \udce9"), Status.FAILED)
        build = Build.objects.get(pk=lease.build_id)
        self.assertEqual([s.status for s in build.steps.all()], ["failed", "skipped"])
        self.assertEqual(build.reason, "one said no ?", "what no database takes does not keep a build from ending")

    def test_a_step_changes_only_as_it_may(self):
        lease = leased(self.project)
        with self.assertRaises(Refused):
            lifecycle.end_step(lease, 0, Status.PASSED, exit_code=0)
        lifecycle.begin_step(lease, 0)
        before = state(lease.build_id)
        with self.assertRaises(Refused):
            lifecycle.begin_step(lease, 0)
        with self.assertRaises(IntegrityError):
            lifecycle.end_step(lease, 0, Status.PASSED, exit_code=1)
        self.assertEqual(state(lease.build_id), before)
        with self.assertRaises(Refused):
            lifecycle.finish(lease, Status.QUEUED)
        self.assertEqual(state(lease.build_id), before)

    def test_a_steps_own_word_is_kept_between_0_and_1(self):
        lease = leased(self.project)
        lifecycle.begin_step(lease, 0)
        for said, kept in ((0.25, 0.25), (7, 1.0), (-1, 0.0)):
            lifecycle.report_progress(lease, 0, said)
            self.assertEqual(Step.objects.get(build=lease.build_id, position=0).progress, kept)
        self.assertEqual(json.loads(events.read(lease.build_id, 0)[-1].data), {"step": "one", "progress": 0.0})
        lifecycle.end_step(lease, 0, Status.PASSED, exit_code=0)
        self.assertEqual(Step.objects.get(build=lease.build_id, position=0).progress, 1.0)

    def test_every_verb_may_be_called_again_when_its_answer_was_lost(self):
        for landed in (True, False):
            with self.subTest(landed=landed):
                build = lifecycle.enqueue(self.project, by="alice")
                token = f"token {landed}"
                held: list[Lease] = []
                verbs = (
                    lambda token=token, held=held: held.append(lifecycle.claim("w", token)),
                    lambda held=held: lifecycle.begin_step(held[-1], 0),
                    lambda held=held: lifecycle.report_progress(held[-1], 0, 0.5),
                    lambda held=held: lifecycle.confirm_cancel(held[-1]),
                    lambda held=held: lifecycle.end_step(held[-1], 0, Status.FAILED, exit_code=1),
                    lambda held=held: lifecycle.finish(held[-1], Status.FAILED, "no"),
                )
                for verb in verbs:
                    head, revision = events.extent(build.pk).head, Board.get().revision
                    with self.assertRaises(OperationalError), answer_lost(landed):
                        verb()
                    answer = verb()
                    self.assertEqual(events.extent(build.pk).head, head + 1)
                    self.assertEqual(len(events.read(build.pk, head)), 1)
                    self.assertEqual(Board.get().revision, revision + 1)
                self.assertEqual(answer, Status.FAILED)
                self.assertEqual([s.status for s in build.steps.all()], ["failed", "skipped"])

    def test_a_finish_is_carried_out_though_an_earlier_answer_was_lost_and_never_asked_for_again(self):
        lease = leased(self.project)
        with self.assertRaises(OperationalError), answer_lost():
            events.append(lease, [Chunk(0, 1, ["a"])])
        self.assertEqual(lifecycle.finish(lease, Status.FAILED, "no"), Status.FAILED)
        self.assertEqual(Build.objects.get(pk=lease.build_id).status, "failed")
        self.assertEqual([r.seq for r in events.read(lease.build_id, 0)], [1, 2, 3, 4])

    def test_without_the_lease_no_verb_does_anything(self):
        lease = leased(self.project)
        lifecycle.begin_step(lease, 0)
        self.assertTrue(lifecycle.lose(lease.build_id, lease.token, "The worker was silent."))
        before = state(lease.build_id)
        self.assertEqual((before["status"], before["reason"]), ("lost", "The worker was silent."))
        self.assertEqual([step["status"] for step in before["steps"]], ["lost", "skipped"])
        for verb in (
            partial(lifecycle.renew, lease),
            partial(lifecycle.begin_step, lease, 1),
            partial(lifecycle.end_step, lease, 0, Status.PASSED, exit_code=0),
            partial(lifecycle.report_progress, lease, 0, 0.5),
            partial(lifecycle.confirm_cancel, lease),
            partial(lifecycle.finish, lease, Status.PASSED),
        ):
            with self.subTest(verb.func.__name__), self.assertRaises(LeaseLost):
                verb()
        self.assertEqual(state(lease.build_id), before)

    def test_finish_and_lose_at_once_end_a_build_once(self):
        for n in range(15):
            lease = leased(self.project, f"t{n}")

            def finish(lease: Lease = lease) -> bool:
                try:
                    lifecycle.finish(lease, Status.PASSED)
                except LeaseLost:
                    return False
                return True

            finished, lost = together([finish, partial(lifecycle.lose, lease.build_id, lease.token, "silent")])
            self.assertNotEqual(finished, lost)
            self.assertEqual(told(lease.build_id)[-1], ("build", "passed" if finished else "lost"))
            self.assertEqual(len(told(lease.build_id)), 3)


class WatcherTests(TransactionTestCase):
    def setUp(self):
        self.project = project()

    def test_a_lease_that_moved_is_not_lost(self):
        lease = leased(self.project)
        token, renewal, worker = lifecycle.leases()[lease.build_id]
        self.assertEqual((token, worker), (lease.token, "worker"))
        lifecycle.renew(lease)
        self.assertFalse(lifecycle.lose(lease.build_id, token, "silent", renewal=renewal))
        self.assertFalse(lifecycle.lose(lease.build_id, "another", "silent"))
        self.assertFalse(lifecycle.lose(10**9, token, "silent"))
        self.assertTrue(lifecycle.lose(lease.build_id, token, "silent", renewal=renewal + 1))
        self.assertFalse(lifecycle.lose(lease.build_id, token, "silent"), "once")
        self.assertEqual(lifecycle.leases(), {})

    def test_a_cancel_does_not_renew_a_lease(self):
        lease = leased(self.project)
        before = lifecycle.leases()
        lifecycle.cancel(lease.build_id, by="bob")
        self.assertEqual(lifecycle.leases(), before)


class BoardTests(TransactionTestCase):
    def setUp(self):
        self.project = project()

    def test_each_visible_change_takes_the_next_revision_and_wakes_the_board(self):
        build = lifecycle.enqueue(self.project, by="alice")
        lease = lifecycle.claim("w", "t")
        verbs = [
            partial(lifecycle.begin_step, lease, 0),
            partial(lifecycle.report_progress, lease, 0, 0.5),
            partial(lifecycle.end_step, lease, 0, Status.FAILED, exit_code=1),
            partial(lifecycle.cancel, build.pk, by="bob"),
            partial(lifecycle.finish, lease, Status.FAILED),
        ]
        for verb in verbs:
            before = Board.get().revision
            with self.subTest(verb.func.__name__), mock.patch("builds.wakes.wake") as wake:
                verb()
                self.assertEqual(Board.get().revision, before + 1)
                wake.assert_any_call("board", before + 1)
                ((revision, pk, of, data),) = events.changed(before, 10)
                self.assertEqual((revision, pk, of), (before + 1, build.pk, self.project.pk))
                self.assertEqual(json.loads(data)["id"], build.pk)
        before = Board.get().revision
        beats.beat("w")
        self.assertEqual(Board.get().revision, before)

    def test_a_deleted_build_raises_the_boards_horizon(self):
        build = lifecycle.enqueue(self.project, by="alice")
        with mock.patch("builds.wakes.wake") as wake:
            build.delete()
        wake.assert_called_once_with("board", 2)
        self.assertEqual(events.board_extent(), (2, 2, False))

    def test_the_first_change_makes_the_boards_row(self):
        Board.objects.all().delete()
        together([partial(lifecycle.enqueue, self.project, by="alice")] * 4)
        self.assertEqual(sorted(Build.objects.values_list("revision", flat=True)), [1, 2, 3, 4])

    def test_any_mix_of_verbs_ends_without_a_deadlock_and_with_true_logs(self):
        Project.objects.update(auto_retries=3, max_running=4)
        for _ in range(6):
            lifecycle.enqueue(self.project, by="alice")

        def act(seed: int) -> None:
            dice = random.Random(seed)
            leases: list[Lease] = []
            for n in range(25):
                builds = list(Build.objects.values_list("pk", flat=True))
                one = dice.choice(builds)
                choice = dice.randint(0, 8)
                try:
                    if choice == 0:
                        lifecycle.enqueue(self.project, by="alice", request_key=f"{n % 3}")
                    elif choice == 1:
                        lifecycle.cancel(one, by="bob")
                    elif choice == 2:
                        lifecycle.retry(Build.objects.get(pk=one), by="carol")
                    elif choice == 3:
                        for pk, (token, _, _) in list(lifecycle.leases().items())[:1]:
                            lifecycle.lose(pk, token, "silent")
                    elif choice == 4:
                        lifecycle.deleted()
                    elif choice == 5 or not leases:
                        leases += filter(None, [lifecycle.claim(f"w{seed}", f"{seed}.{n}")])
                    elif choice == 6:
                        events.append(dice.choice(leases), [Chunk(0, 1, ["a"])])
                    elif choice == 7:
                        lifecycle.begin_step(dice.choice(leases), 0)
                    else:
                        lifecycle.finish(leases.pop(), Status.FAILED, "no")
                except (Refused, LeaseLost):
                    pass

        together([partial(act, seed) for seed in range(6)])
        self.assertLessEqual(Build.objects.running().count(), 4)
        revisions = list(Build.objects.values_list("revision", flat=True))
        self.assertEqual(len(set(revisions)), len(revisions))
        self.assertLessEqual(max(revisions), Board.get().revision)
        for build in Build.objects.all():
            records = events.read(build.pk, 0)
            self.assertEqual([record.seq for record in records], list(range(1, build.head + 1)))
            ends = [status for kind, status in told(build.pk) if kind == "build" and status in FINAL]
            self.assertEqual(ends, [build.status] if build.is_final else [])

    def test_a_verb_inside_a_rolled_back_transaction_did_nothing(self):
        with self.assertRaises(RuntimeError), transaction.atomic():
            lifecycle.enqueue(self.project, by="alice")
            raise RuntimeError
        self.assertFalse(Build.objects.exists())
        self.assertEqual(Board.get().revision, 0)
