"""A cancel: of what waits, of what runs, and against the end."""

import json
from functools import partial

from django.test import TransactionTestCase

from builds import events, lifecycle
from builds.lifecycle import AlreadyFinished
from builds.models import Build
from builds.states import Status

from .racing import leased, project, state, together, told, whole_build


class CancelTests(TransactionTestCase):
    def setUp(self):
        self.project = project()

    def test_a_queued_build_ends_now(self):
        build = lifecycle.enqueue(self.project, by="alice")
        lifecycle.cancel(build.pk, by="bob")
        build.refresh_from_db()
        self.assertEqual((build.status, build.cancelled_by, build.head), ("cancelled", "bob", 2))
        self.assertIn("bob", build.reason)
        self.assertEqual({step.status for step in build.steps.all()}, {"skipped"})
        self.assertEqual(told(build.pk), [("build", "queued"), ("build", "cancelled")])
        self.assertIsNone(lifecycle.claim("worker", "t"))

    def test_a_running_build_is_asked_once_and_its_worker_hears_of_it(self):
        lease = leased(self.project)
        lifecycle.cancel(lease.build_id, by="bob")
        before = state(lease.build_id)
        lifecycle.cancel(lease.build_id, by="carol")
        self.assertEqual(state(lease.build_id), before)
        self.assertEqual((before["status"], before["cancelled_by"]), ("running", "bob"))
        self.assertFalse(lease.cancel_requested)
        lifecycle.renew(lease)
        self.assertTrue(lease.cancel_requested)
        lifecycle.confirm_cancel(lease)
        self.assertTrue(json.loads(events.read(lease.build_id, 0)[-1].data)["cancel_requested"])

    def test_a_finished_build_says_so(self):
        build = whole_build(self.project, "t")
        before = state(build.pk)
        with self.assertRaisesMessage(AlreadyFinished, f"Build {build.pk} has already ended: passed."):
            lifecycle.cancel(build.pk, by="bob")
        self.assertEqual(state(build.pk), before)

    def test_an_unknown_build_is_unknown(self):
        with self.assertRaises(Build.DoesNotExist):
            lifecycle.cancel(10**9, by="bob")

    def test_a_cancel_stored_before_the_end_wins(self):
        lease = leased(self.project)
        lifecycle.cancel(lease.build_id, by="bob")
        self.assertEqual(lifecycle.finish(lease, Status.PASSED), Status.CANCELLED)
        build = Build.objects.get(pk=lease.build_id)
        self.assertEqual((build.status, build.reason), ("cancelled", "Cancelled by bob."))

    def test_cancel_and_finish_at_once_agree_on_who_was_first(self):
        for n in range(15):
            lease = leased(self.project, f"t{n}")

            def ask(build_id: int = lease.build_id) -> bool:
                try:
                    lifecycle.cancel(build_id, by="bob")
                except AlreadyFinished:
                    return False
                return True

            asked, stored = together([ask, partial(lifecycle.finish, lease, Status.FAILED, "no")])
            self.assertEqual(stored, Status.CANCELLED if asked else Status.FAILED)
            self.assertEqual(Build.objects.get(pk=lease.build_id).status, stored)
