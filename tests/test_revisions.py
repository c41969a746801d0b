"""The board's revision is taken as the last word of a transaction: by one build after the other, in the order in which
their changes are committed, and by none whose change is taken back."""

from functools import partial
from unittest import mock

from django.db import connection, transaction
from django.test import TransactionTestCase, override_settings

from builds import lifecycle
from builds.events import Lease
from builds.lifecycle import change
from builds.models import Board, Build
from builds.states import Status

from .racing import answer_lost, leased, project, together


class RevisionTests(TransactionTestCase):
    def setUp(self) -> None:
        self.project = project()
        self.lease = leased(self.project)
        lifecycle.begin_step(self.lease, 0)

    def told(self, fraction: float = 0.5) -> None:
        lifecycle.report_progress(self.lease, 0, fraction)

    def stands(self) -> tuple[int, int]:
        """The board's, and the build's."""
        return Board.get().revision, Build.objects.get(pk=self.lease.build_id).revision

    def test_each_change_takes_the_next_one_and_tells_its_number_with_the_wake(self) -> None:
        before = self.stands()[0]
        with mock.patch.object(change.wakes, "wake") as woken:
            self.told()
        self.assertEqual(self.stands(), (before + 1, before + 1))
        self.assertIn(mock.call(change.wakes.BOARD, before + 1), woken.mock_calls)

    def test_a_board_that_has_no_row_yet_gets_one(self) -> None:
        Board.objects.all().delete()
        self.told()
        self.assertEqual(self.stands(), (1, 1))
        self.assertEqual(len(Board.get().world), 16)

    def test_what_is_taken_back_takes_none_and_leaves_nothing_for_the_next(self) -> None:
        before = self.stands()
        with mock.patch.object(change.wakes, "wake") as woken:
            with self.assertRaises(ZeroDivisionError), transaction.atomic():
                change.revise(self.lease.build_id)
                raise ZeroDivisionError
            with transaction.atomic():
                Build.objects.filter(pk=self.lease.build_id).update(reason="another transaction")
        self.assertEqual(self.stands(), before)
        self.assertEqual(woken.mock_calls, [])

    def test_a_connection_that_dies_with_the_commit_takes_it_once(self) -> None:
        before = self.stands()[0]
        for landed in (False, True):
            with answer_lost(landed), self.assertRaisesMessage(Exception, "the connection was lost"):
                self.told()
            self.told()  # once more, as a worker does
            before += 1
            self.assertEqual(self.stands(), (before, before), f"landed: {landed}")

    def test_two_builds_of_one_transaction_take_two(self) -> None:
        self.project.auto_retries = 1
        self.project.save()
        before = self.stands()[0]
        token = Build.objects.get(pk=self.lease.build_id).lease_token or ""
        self.assertTrue(lifecycle.lose(self.lease.build_id, token, "gone"))
        found = sorted(Build.objects.filter(revision__gt=before).values_list("revision", flat=True))
        self.assertEqual(found, [before + 1, before + 2])
        self.assertEqual(Board.get().revision, before + 2)

    def test_many_at_once_take_one_each(self) -> None:
        leases = [leased(self.project, f"token {at}") for at in range(6)]
        for lease in leases:
            lifecycle.begin_step(lease, 0)
        before = self.stands()[0]

        def speak(lease: Lease) -> list[int]:
            given = []
            for at in range(10):
                lifecycle.report_progress(lease, 0, at / 10)
                given.append(Build.objects.values_list("revision", flat=True).get(pk=lease.build_id))
            return given

        given = [revision for one in together([partial(speak, lease) for lease in leases]) for revision in one]
        self.assertEqual(sorted(given), list(range(before + 1, before + 61)))

    def test_what_counts_all_builds_holds_the_boards_row(self) -> None:
        lifecycle.enqueue(self.project, by="alice")
        with override_settings(BUILDBOARD_MAX_RUNNING=1):
            self.assertIsNone(lifecycle.claim("w", "other"))
        said = [] if connection.vendor == "sqlite" else connection._last_words
        self.assertEqual(list(said), [])
        self.assertEqual(lifecycle.finish(self.lease, Status.FAILED), Status.FAILED)
