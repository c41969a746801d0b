"""A log that is kept, and what is said of it."""

import json

from django.test import TestCase, TransactionTestCase

from builds import events, lifecycle, retention
from builds.models import Build
from builds.retention import Pace

from . import live
from .oldlogs import hurried, over


@hurried
class KeepTests(TestCase):
    def test_keeping_is_a_visible_change_with_an_event_where_nobody_leases_the_build(self) -> None:
        build_id = over()
        before = Build.objects.get(pk=build_id)
        for kept in (True, False):
            build = lifecycle.keep(build_id, kept)
            self.assertEqual(build.kept, kept)
        after = Build.objects.get(pk=build_id)
        self.assertEqual((after.head, after.revision), (before.head + 2, before.revision + 2))
        told = [json.loads(record.data)["kept"] for record in events.read(build_id, before.head)]
        self.assertEqual(told, [True, False])
        lifecycle.keep(build_id, False)
        self.assertEqual(Build.objects.get(pk=build_id).head, after.head, "asking twice is asking once")

    def test_what_is_gone_cannot_be_kept(self) -> None:
        build_id = over()
        retention.prune(build_id, "why", Pace())
        with self.assertRaisesMessage(lifecycle.Refused, "nothing left to be kept"):
            lifecycle.keep(build_id, True)
        lifecycle.keep(build_id, False)


class KeepRunningTests(TransactionTestCase):
    def test_while_a_worker_leases_it_the_worker_alone_writes_its_log(self) -> None:
        lease = live.running()
        before = Build.objects.get(pk=lease.build_id)
        lifecycle.keep(lease.build_id, True)
        after = Build.objects.get(pk=lease.build_id)
        self.assertEqual((after.head, after.revision), (before.head, before.revision + 1))
        live.printed(lease, 1, "goes on")
        live.ended(lease)
        [*_, last] = events.read(lease.build_id, 0)
        self.assertTrue(json.loads(last.data)["kept"])
