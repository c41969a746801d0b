"""Taking builds, one after the other, and being seen to live."""

import tempfile
from pathlib import Path
from unittest import mock

from django.db import OperationalError
from django.test import TransactionTestCase, override_settings

from builds import lifecycle
from builds.models import Build, Project, Worker
from builds.worker.loop import Loop
from builds.worker.orders import Orders


class LoopTests(TransactionTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bb-loop-")
        self.addCleanup(folder.cleanup)
        changed = override_settings(BUILDBOARD_DATA=Path(folder.name), BUILDBOARD_GRACE_SECONDS=1)
        changed.enable()
        self.addCleanup(changed.disable)
        self.project = Project.objects.create(name="p", slug="p", recipe="steps: [{name: a, run: 'true'}]")
        self.orders = Orders()
        self.loop = Loop("host:1:aa", self.orders)

    def test_it_takes_queued_builds_until_it_is_told_to_drain(self) -> None:
        for _ in range(2):
            lifecycle.enqueue(self.project, by="alice")
        work = self.loop.work

        def last(lease: object) -> None:
            self.assertEqual(Worker.objects.get().name, "host:1:aa")
            work(lease)
            if not Build.objects.queued().exists():
                self.orders.drain()

        with mock.patch.object(self.loop, "work", last):
            self.loop.run()
        self.assertEqual([build.status for build in Build.objects.all()], ["passed", "passed"])
        self.assertFalse(Worker.objects.exists())

    def test_nothing_queued_is_nothing_taken(self) -> None:
        self.assertIsNone(self.loop.take())

    def test_a_claim_whose_answer_was_lost_is_found_again(self) -> None:
        lifecycle.enqueue(self.project, by="alice")
        lifecycle.enqueue(self.project, by="alice")
        claim = lifecycle.claim

        def unheard(*args: str) -> None:
            claim(*args)
            raise OperationalError("gone")

        with mock.patch.object(lifecycle, "claim", unheard), self.assertRaises(OperationalError):
            self.loop.take()
        lease = self.loop.take()
        self.assertEqual(lease.build_id, Build.objects.running().get().pk)
        self.assertNotEqual(self.loop.take().build_id, lease.build_id)

    def test_a_database_that_is_away_is_asked_again(self) -> None:
        lifecycle.enqueue(self.project, by="alice")
        claim, failures = lifecycle.claim, [OperationalError("gone")] * 2

        def failing(*args: str) -> object:
            if failures:
                raise failures.pop()
            self.orders.drain()
            return claim(*args)

        with mock.patch.object(lifecycle, "claim", failing), self.assertLogs("builds.worker", "WARNING"):
            self.loop.run()
        self.assertEqual(Build.objects.get().status, "passed")
