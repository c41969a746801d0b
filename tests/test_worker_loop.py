"""Taking builds, one after the other, and being seen to live."""

import os
import tempfile
from pathlib import Path
from unittest import mock

from django.db import OperationalError
from django.test import TransactionTestCase, override_settings

from builds import lifecycle
from builds.models import Build, Project, Worker
from builds.worker import disk
from builds.worker.loop import Loop
from builds.worker.orders import Orders

NO_ROOM = "The worker's disk is full: 1 MB free of 2 MB, and 3 MB are required."


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

    def test_whose_supervisor_died_before_it_was_ready_takes_no_build(self) -> None:
        lifecycle.enqueue(self.project, by="alice")
        ours, its = os.pipe()
        self.addCleanup(os.close, ours)
        os.close(its)
        Loop("host:1:aa", Orders(ours)).run()
        self.assertEqual(Build.objects.get().status, "queued")

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

    def test_with_too_little_room_it_takes_no_build_and_says_why_until_there_is_room(self) -> None:
        lifecycle.enqueue(self.project, by="alice")
        notes: list[str] = []
        rooms = [NO_ROOM] * 2

        def room() -> str:
            notes.extend(Worker.objects.values_list("note", flat=True))
            self.assertEqual(Build.objects.queued().exists(), True)
            return rooms.pop() if rooms else ""

        def last(lease: object) -> None:
            notes.extend(Worker.objects.values_list("note", flat=True))
            self.orders.drain()

        with (
            mock.patch.object(disk, "shortage", room),
            mock.patch.object(self.loop, "work", last),
            self.assertLogs("builds.worker.loop", "WARNING") as said,
        ):
            self.loop.run()
        self.assertEqual(notes, [NO_ROOM, NO_ROOM, ""])
        self.assertEqual(len(said.output), 2)

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
