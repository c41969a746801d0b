"""A new world: what of the old one is void in it, and what goes on."""

import json
import os
import shutil
import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from django.db import connection, transaction
from django.db.backends.sqlite3.base import Database
from django.test import SimpleTestCase, TransactionTestCase

from builds import events, landmarks, lifecycle, worlds
from builds.events import Chunk, LeaseLost
from builds.landmarks import GroupAt
from builds.lifecycle import Refused
from builds.live import sources
from builds.models import Board, Build, Event, Step, Worker
from builds.printed import lines
from builds.states import Status
from builds.worlds import NUMBERS_SKIPPED, renew

from .live import ended, printed, project, queued, running
from .support.board import Board as RealBoard

MOMENT = datetime(2026, 3, 1, 4, 5, 6, tzinfo=UTC)


def void(cursor: int, build: Build) -> bool:
    """Whether a reader of that build with that cursor, who names no world, has to load again."""
    extent = events.extent(build.pk)
    assert extent is not None
    return sources.is_void(cursor, extent)


class RenewTests(TransactionTestCase):
    def setUp(self) -> None:
        project()
        self.over = running()
        printed(self.over, 1, "one", "two")
        ended(self.over)
        self.lease = running()
        printed(self.lease, 1, "one", "two")
        printed(self.lease, 3, "three", is_open=True)
        self.waiting = queued()
        self.world = Board.get().world

    def build(self, number: int) -> Build:
        return Build.objects.get(pk=number)

    def test_a_running_build_is_lost_with_its_step_and_says_why(self) -> None:
        Build.objects.update(created_at=MOMENT)
        Build.objects.exclude(started_at=None).update(started_at=MOMENT)
        Step.objects.exclude(started_at=None).update(started_at=MOMENT)
        Build.objects.exclude(finished_at=None).update(finished_at=MOMENT)
        Event.objects.update(at=MOMENT)
        done = renew()
        lost = self.build(self.lease.build_id)
        self.assertEqual((lost.status, lost.lease_token, lost.finished_at), ("lost", None, MOMENT))
        self.assertEqual(
            lost.reason,
            "The board was restored from a backup of 2026-03-01 04:05:06 UTC. This build was running then; how it "
            "ended is not known.",
        )
        self.assertEqual([step.status for step in lost.steps.all()], ["lost", "skipped"])
        self.assertEqual((done.lost, done.as_of), ([(lost.pk, "hello")], MOMENT))
        last = events.read(lost.pk, lost.head - 1)[0]
        self.assertEqual((last.kind, json.loads(last.data)), ("build", lost.data()))
        self.assertEqual([line.text for line in lines(lost.pk, 0, 1, 9)], ["one", "two", "three"])
        self.assertEqual(events.gaps(lost.pk), [])

    def test_a_group_that_was_open_then_ends_with_what_is_there(self) -> None:
        group = GroupAt(0, 1, "g", 4)
        events.append(self.lease, [Chunk(0, 4, ["::group::g", "five"]), group], {"groups_told": 1})
        renew()
        lost = self.build(self.lease.build_id)
        self.assertEqual(landmarks.groups(lost.pk), [group._replace(last=5)])
        kinds = [record.kind for record in events.read(lost.pk, lost.head - 2)]
        self.assertEqual((kinds, events.gaps(lost.pk)), (["group", "build"], []))

    def test_a_queued_build_is_cancelled_unless_it_is_to_be_kept(self) -> None:
        done = renew()
        cancelled = self.build(self.waiting.pk)
        self.assertEqual((cancelled.status, cancelled.cancelled_by), ("cancelled", ""))
        self.assertRegex(cancelled.reason, r"queued then; whether it has run since is not known\. Start it again if")
        self.assertEqual((done.cancelled, done.kept), ([(cancelled.pk, "hello")], []))

        waiting = queued()
        done = renew(keep_queued=True)
        self.assertEqual((done.cancelled, done.kept), ([], [(waiting.pk, "hello")]))
        lease = lifecycle.claim("host:1:aa", "n" * 32)
        assert lease is not None
        lifecycle.begin_step(lease, 0)
        printed(lease, 1, "it runs")
        ended(lease)
        self.assertEqual(self.build(waiting.pk).status, "failed")
        self.assertEqual(events.gaps(waiting.pk), [])

    def test_a_build_that_is_over_stays_as_it_is(self) -> None:
        before = (self.build(self.over.build_id).data(), events.read(self.over.build_id, 0))
        renew()
        self.assertEqual((self.build(self.over.build_id).data(), events.read(self.over.build_id, 0)), before)

    def test_the_old_worker_is_fenced(self) -> None:
        renew()
        for verb in (
            lambda: events.append(self.lease, [Chunk(0, 4, ["four"])]),
            lambda: lifecycle.renew(self.lease),
            lambda: lifecycle.finish(self.lease, Status.PASSED),
        ):
            with self.assertRaises(LeaseLost):
                verb()
        self.assertFalse(Worker.objects.exists())

    def test_every_cursor_of_a_build_that_was_not_over_is_void_without_naming_its_world(self) -> None:
        """What the old world stored next, under the numbers that would come next, was something else."""
        heads = {number: self.build(number).head for number in (self.lease.build_id, self.waiting.pk)}
        renew()
        for number, head in heads.items():
            build = self.build(number)
            for cursor in (1, head - 1, head, head + 1, head + 2, head + 100_000):
                self.assertTrue(void(cursor, build), f"{cursor} of build {number}")
            self.assertFalse(void(build.horizon - 1, build))
            self.assertFalse(void(build.head, build))

    def test_cursors_of_the_board_are_void(self) -> None:
        before = Board.get()
        renew()
        extent = sources.board_extent()
        for cursor in (0, 1, before.revision - 1, before.revision, before.revision + 1, before.revision + 100_000):
            self.assertTrue(sources.is_void(cursor, extent), cursor)
        now = Board.get()
        self.assertFalse(sources.is_void(now.horizon, extent))
        self.assertFalse(sources.is_void(now.revision, extent))
        told = [json.loads(data)["status"] for _, _, _, data in events.changed(now.horizon, 10)]
        self.assertEqual(told, ["lost", "cancelled"])

    def test_worlds_that_came_of_the_same_backup_have_no_number_in_common(self) -> None:
        """A backup may be restored twice; what was read in between is void too."""
        queued()
        bases = []
        for _ in range(2):
            with transaction.atomic():
                mark = transaction.savepoint()
                renew()
                bases.append((Board.get().horizon, self.build(self.lease.build_id).horizon))
                transaction.savepoint_rollback(mark)
            time.sleep(0.005)
        self.assertGreater(bases[1][0], bases[0][0])
        self.assertGreater(bases[1][1], bases[0][1])

    def test_a_clock_that_was_set_back_gives_no_number_twice(self) -> None:
        renew()
        before = Board.get()
        lease = running()
        with mock.patch("builds.worlds.time.time", return_value=1.0):
            renew()
        self.assertGreater(Board.get().horizon, before.revision)
        self.assertTrue(void(lease.head, self.build(lease.build_id)))

    def test_no_build_gets_a_number_that_the_old_world_may_have_given(self) -> None:
        last = worlds.last_number()
        self.assertEqual(last, self.waiting.pk)
        done = renew()
        self.assertEqual(queued().pk, done.next_build)
        self.assertGreater(done.next_build, last + NUMBERS_SKIPPED)
        self.assertEqual(done.next_build % 1_000, 0)

        wanted = done.next_build + 7
        self.assertEqual(renew(next_build=wanted).next_build, wanted)
        self.assertEqual(queued().pk, wanted)
        with self.assertRaisesMessage(Refused, f"cannot be number {wanted}: expected {wanted + 1} to "):
            renew(next_build=wanted)

    def test_the_number_of_a_deleted_build_counts(self) -> None:
        number = self.waiting.pk
        self.waiting.delete()
        self.assertEqual(worlds.last_number(), number)

    def test_done_again_it_changes_no_build(self) -> None:
        renew()
        before = [(build.data(), build.head) for build in Build.objects.all()]
        world = Board.get().world
        done = renew()
        self.assertEqual([(build.data(), build.head) for build in Build.objects.all()], before)
        self.assertEqual((done.lost, done.cancelled), ([], []))
        self.assertNotIn(Board.get().world, (world, self.world))

    def test_it_happens_whole_or_not_at_all(self) -> None:
        before = [(build.data(), build.head) for build in Build.objects.all()], Board.get().revision
        with mock.patch("builds.worlds._give_next", side_effect=OSError), self.assertRaises(OSError):
            renew()
        self.assertEqual(([(build.data(), build.head) for build in Build.objects.all()], Board.get().revision), before)
        self.assertEqual(Board.get().world, self.world)

    def test_a_database_without_a_build_has_no_moment(self) -> None:
        Build.objects.all().delete()
        done = renew()
        self.assertEqual((done.as_of, done.lost, done.cancelled), (None, [], []))
        self.assertNotEqual(done.world, self.world)

    def test_the_last_sign_of_life_dates_the_backup(self) -> None:
        Build.objects.update(created_at=MOMENT)
        Build.objects.exclude(started_at=None).update(started_at=MOMENT)
        Build.objects.exclude(finished_at=None).update(finished_at=MOMENT)
        Event.objects.update(at=MOMENT)
        self.assertEqual(worlds.as_of(), MOMENT)
        printed(self.lease, 3, "later")
        line = worlds.as_of()
        assert line is not None
        self.assertLess(abs((datetime.now(UTC) - line).total_seconds()), 60)
        Event.objects.update(at=MOMENT)
        Worker.objects.create(name="host:1:aa", seen_at=MOMENT + timedelta(hours=1))
        self.assertEqual(worlds.as_of(), MOMENT + timedelta(hours=1))


class ReplacedFileTests(SimpleTestCase):
    """An SQLite file that is replaced under a connection."""

    databases = {"default"}

    def setUp(self) -> None:
        self.board = self.enterContext(RealBoard())
        self.enterContext(self.board.database())
        self.file = self.board.data / "buildboard.sqlite3"

    def other(self) -> tuple[Path, str]:
        """A copy that is a world of its own, and its name."""
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        Board.get()
        connection.close()
        copy = folder / "copy"
        shutil.copyfile(self.file, copy)
        database = sqlite3.connect(copy)
        database.execute("UPDATE builds_board SET world = 'another'")
        database.commit()
        database.close()
        return copy, "another"

    def test_a_connection_leaves_a_file_that_is_not_at_its_place_any_more(self) -> None:
        copy, world = self.other()
        before = Board.get().world
        self.assertFalse(worlds.leave_replaced())
        os.replace(copy, self.file)
        self.assertEqual(Board.get().world, before, "SQLite itself never notices")
        self.assertTrue(worlds.leave_replaced())
        self.assertFalse(worlds.leave_replaced())
        self.assertEqual(Board.get().world, world)

    def test_a_file_that_is_replaced_while_it_is_opened_is_left(self) -> None:
        copy, world = self.other()
        connect = Database.connect

        def slowly(*args: Any, **options: Any) -> Any:
            made = connect(*args, **options)
            made.execute("SELECT 1 FROM builds_board").fetchall()
            os.replace(copy, self.file)
            return made

        with mock.patch.object(Database, "connect", slowly):
            connection.connect()
        self.assertTrue(worlds.leave_replaced())
        self.assertEqual(Board.get().world, world)

    def test_while_nothing_is_there_it_stays_and_makes_no_empty_one(self) -> None:
        before = Board.get().world
        self.file.rename(self.board.data / "aside")
        self.assertFalse(worlds.leave_replaced())
        self.assertEqual(Board.get().world, before)
        self.assertFalse(self.file.exists())

    def test_a_transaction_is_not_torn(self) -> None:
        copy, _ = self.other()
        with transaction.atomic():
            before = Board.get().world
            os.replace(copy, self.file)
            self.assertFalse(worlds.leave_replaced())
            self.assertEqual(Board.get().world, before)
