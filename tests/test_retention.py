"""What is done to old logs: nothing is lost by compacting, whatever breaks; nothing is left behind by pruning."""

import json
from unittest import mock

from django.db import OperationalError
from django.test import TestCase, TransactionTestCase, override_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyCase

from builds import blocks, events, landmarks, lifecycle, printed, retention
from builds.events import Chunk, Fact
from builds.landmarks import Annotation, AnnotationAt, GroupAt
from builds.models import Board, Build, Event, LogBlock
from builds.retention import Differs, Pace, oldlog, verbs

from . import live
from .oldlogs import as_text, drafts, everything, hurried, long_log, over, rows


class Broken(Exception):
    pass


def numbers(build_id: int) -> list[int]:
    return list(Event.objects.filter(build_id=build_id).order_by("seq").values_list("seq", flat=True))


@hurried
class CompactingTests(PropertyCase):
    @settings(max_examples=60, deadline=None)
    @given(drafts(), st.sampled_from([1, 30, blocks.BLOCK_BYTES]))
    def test_readers_by_number_get_the_same_lines_before_and_after(self, log: list, size: int) -> None:
        build_id = over(log, slug=f"p{Build.objects.count()}")
        before, text = everything(build_id), as_text(build_id)
        with mock.patch.object(blocks, "BLOCK_BYTES", size):
            done = retention.compact(build_id, Pace())
        build = Build.objects.get(pk=build_id)
        self.assertEqual(everything(build_id), before)
        self.assertEqual(done.lines, sum(map(len, before.values())))
        self.assertEqual(done.bytes, sum(len(line.text.encode()) + 1 for lines in before.values() for line in lines))
        self.assertEqual((build.log_lines, build.log_bytes), (done.lines, done.bytes))
        self.assertEqual(text.count("\n"), done.lines + sum(isinstance(one, Fact) and one.kind == "cut" for one in log))
        self.assertEqual((build.horizon, numbers(build_id), events.gaps(build_id)), (build.head, [build.head], []))


@hurried
class CompactTests(TestCase):
    def setUp(self) -> None:
        self.build_id = over(long_log())
        self.before = everything(self.build_id)

    def test_the_last_event_stays_one_and_nothing_visible_changes(self) -> None:
        build, revision = Build.objects.get(pk=self.build_id), Board.get().revision
        with mock.patch("builds.wakes.wake") as wake, self.captureOnCommitCallbacks(execute=True):
            retention.compact(self.build_id, Pace())
        wake.assert_not_called()
        after = Build.objects.get(pk=self.build_id)
        self.assertEqual((after.head, after.revision, Board.get().revision), (build.head, build.revision, revision))
        self.assertIsNotNone(after.compacted_at)
        self.assertFalse(after.log_rest)
        [record] = events.read(self.build_id, after.horizon - 1)
        self.assertEqual((record.kind, json.loads(record.data)["status"]), ("build", "passed"))
        self.assertEqual(printed.total_lines(self.build_id, 0), 3000)
        self.assertEqual(printed.total_lines(self.build_id, 1), 10)

    def test_only_what_is_over_is_compacted_and_that_once(self) -> None:
        lease = live.running()
        stored = rows(lease.build_id)
        for build_id in (lease.build_id, live.queued().pk, 10**9):
            self.assertIsNone(retention.compact(build_id, Pace()))
        retention.compact(self.build_id, Pace())
        self.assertIsNone(retention.compact(self.build_id, Pace()))
        self.assertEqual(rows(lease.build_id), stored)

    def test_a_silent_build_has_no_block(self) -> None:
        for build_id in (over(), lifecycle.cancel(live.queued().pk, by="alice").pk):
            self.assertEqual(retention.compact(build_id, Pace()).lines, 0)
            self.assertEqual(rows(build_id), (1, 0))

    def test_a_block_that_does_not_say_what_the_events_say_costs_no_event_and_is_not_tried_again(self) -> None:
        stored = rows(self.build_id)[0]

        def another_text(draft: blocks.Draft) -> blocks.Draft:
            block = blocks.decode(0, draft.step, draft.line, draft.lines, draft.body)
            run = block.parts[0]
            if isinstance(run, blocks.Cut):
                return draft  # it has no text
            return blocks.encode([run._replace(texts=[*run.texts[:-1], "another"]), *block.parts[1:]])

        def another_time(draft: blocks.Draft) -> blocks.Draft:
            block = blocks.decode(0, draft.step, draft.line, draft.lines, draft.body)
            run = block.parts[0]
            if isinstance(run, blocks.Cut):
                return draft  # and no time
            return blocks.encode([run._replace(at=Build.objects.get(pk=self.build_id).created_at), *block.parts[1:]])

        store = blocks.store
        for what, wrong in {
            "a text": lambda build, number, draft: store(build, number, another_text(draft)),
            "a time": lambda build, number, draft: store(build, number, another_time(draft)),
            "a block that is not there": lambda build, number, draft: number and store(build, number, draft),
            "a damaged body": lambda build, number, draft: store(build, number, draft._replace(body=draft.body[:-9])),
            "lines that are not there": lambda build, number, draft: store(build, number, draft._replace(lines=2)),
        }.items():
            with self.subTest(what), mock.patch.object(blocks, "store", wrong), self.assertRaises(Differs):
                with self.assertLogs("builds.retention.verbs", "ERROR") as logged:
                    retention.compact(self.build_id, Pace())
                self.assertIn(f"build={self.build_id}", logged.output[0])
            build = Build.objects.get(pk=self.build_id)
            self.assertEqual((rows(self.build_id), build.compacted_at, build.horizon), ((stored, 0), None, 1))
            self.assertEqual(everything(self.build_id), self.before)
            self.assertIn("not compacted", build.log_note)
        with override_settings(BUILDBOARD_COMPACT_HOURS=0):
            self.assertEqual(list(retention.due()), [])
            self.assertEqual([one.build_id for one in retention.due(again=True)], [self.build_id])
        retention.compact(self.build_id, Pace())
        self.assertEqual(Build.objects.get(pk=self.build_id).log_note, "")
        self.assertEqual(everything(self.build_id), self.before)

    def test_an_open_line_that_was_cut_while_it_went_on_is_no_difference(self) -> None:
        cut = {"step": "one", "line": 2, "lines": 9, "bytes": 90}
        nothing = {"step": "two", "line": 1, "lines": 0, "bytes": 0}
        log = [Chunk(0, 1, ["a", "ha"], open=True), Fact("cut", cut), Fact("cut", nothing), Chunk(0, 11, ["b"])]
        build_id = over(log)
        self.assertEqual(retention.compact(build_id, Pace()).lines, 2)
        self.assertEqual([line.number for line in printed.lines(build_id, 0, 1, 99)], [1, 11])
        self.assertEqual((printed.total_lines(build_id, 0), printed.total_lines(build_id, 1)), (11, 0))

    def test_a_cut_that_is_missing_is_noticed(self) -> None:
        parts = oldlog.parts

        def without(build_id: int):
            return (part for part in parts(build_id) if isinstance(part, blocks.Run))

        with (
            mock.patch.object(oldlog, "parts", without),
            self.assertRaises(Differs),
            self.assertLogs("builds.retention.verbs", "ERROR"),
        ):
            retention.compact(self.build_id, Pace())


@hurried
class BrokenOffTests(TransactionTestCase):
    """A round that ends anywhere, by whatever, costs nothing, and the next one finishes what it began."""

    def broken_at(self, verb, count: int) -> None:
        """Run it with a write that fails at the `count`th."""
        done = []
        rests = Pace.batch

        def batch(pace):
            done.append(1)
            if len(done) > count:
                raise Broken
            return rests(pace)

        with mock.patch.object(Pace, "batch", batch):
            verb()

    def test_compacting_that_is_broken_off_after_any_write_loses_nothing_and_is_finished_later(self) -> None:
        with mock.patch.object(blocks, "BLOCK_BYTES", 20_000), mock.patch("builds.retention.pace._FEWEST", 2):
            for count in range(60):
                build_id = over(long_log(12), slug="again")
                before, text = everything(build_id), as_text(build_id)
                try:
                    self.broken_at(lambda build_id=build_id: retention.compact(build_id, Pace()), count)
                except Broken:
                    self.assertEqual(everything(build_id), before, f"after {count} writes")
                    self.assertEqual(events.gaps(build_id), [])
                    for one in retention.due():
                        self.assertTrue(one.rest)
                    with override_settings(BUILDBOARD_COMPACT_HOURS=0):
                        retention.run()
                    self.assertEqual(everything(build_id), before)
                    self.assertEqual(rows(build_id)[0], 1)
                    self.assertIsNone(retention.compact(build_id, Pace()))
                else:
                    self.assertGreater(count, 5, text)
                    break
            else:
                self.fail("it never came to its end")

    def test_pruning_that_is_broken_off_says_at_once_that_the_log_is_gone_and_is_finished_later(self) -> None:
        with mock.patch.object(blocks, "BLOCK_BYTES", 20_000), mock.patch("builds.retention.pace._FEWEST", 2):
            for compacted in (False, True):
                for count in range(1, 60):
                    build_id = over(long_log(12), slug="again")
                    if compacted:
                        retention.compact(build_id, Pace())
                    try:
                        self.broken_at(lambda build_id=build_id: retention.prune(build_id, "for a test", Pace()), count)
                    except Broken:
                        self.assertEqual(everything(build_id), {0: [], 1: []})
                        self.assertEqual(events.gaps(build_id), [])
                        retention.run()
                    else:
                        break
                    self.assertEqual(rows(build_id), (1, 0))
                self.assertGreater(count, 2)

    def test_a_database_that_goes_away_ends_the_round_and_nothing_else(self) -> None:
        build_id = over(long_log(5))
        with override_settings(BUILDBOARD_COMPACT_HOURS=0):
            away = mock.patch.object(blocks, "store", side_effect=OperationalError("away"))
            with away, self.assertRaises(OperationalError):
                retention.run()
            self.assertEqual(retention.run().compacted, 1)
        self.assertEqual(rows(build_id), (1, 5))  # the steps took turns, and a cut is a block of its own


@hurried
class PruningTests(TestCase):
    def test_the_row_stays_and_says_what_was_there_when_it_went_and_why(self) -> None:
        for compacted in (False, True):
            with self.subTest(compacted=compacted):
                build_id = over(long_log(), slug=f"p{compacted}")
                if compacted:
                    retention.compact(build_id, Pace())
                before, revision = Build.objects.get(pk=build_id), Board.get().revision
                done = retention.prune(build_id, "90 days after it ended", Pace())
                build = Build.objects.get(pk=build_id)
                self.assertEqual((done.lines, build.log_lines, build.log_bytes), (3003, 3003, done.bytes))
                self.assertEqual(rows(build_id), (1, 0))
                self.assertEqual((build.head, build.horizon), (before.head + 1, before.head + 1))
                self.assertEqual((Board.get().revision, build.revision), (revision, before.revision), "no list changes")
                [record] = events.read(build_id, build.horizon - 1)
                self.assertEqual(json.loads(record.data)["pruned_at"], build.data()["pruned_at"])
                self.assertEqual(everything(build_id), {0: [], 1: []})
                self.assertEqual(printed.total_lines(build_id, 0), 0)
                self.assertRegex(
                    retention.pruned(build),
                    r"^Its log was pruned on \d+ \w{3} \d{4}, 90 days after it ended: 3,003 lines, 1\d\d\.\d kB\.$",
                )
                self.assertIsNone(retention.prune(build_id, "again", Pace()))

    def test_annotations_outlive_the_log_and_groups_go_with_it(self) -> None:
        build_id = over([Chunk(0, 1, ["::group::g", "::error::x", "::endgroup::"])])
        groups, said = [GroupAt(0, 1, "g", 1, 3)], [AnnotationAt(0, 2, 1, Annotation("error", "x"))]
        begun = [groups[0]._replace(last=None), *said, *groups]
        landmarks.store(build_id, begun, {"groups_told": 1, "errors_told": 1})
        retention.compact(build_id, Pace())
        self.assertEqual((landmarks.groups(build_id), landmarks.annotations(build_id)), (groups, said))
        done = retention.prune(build_id, "90 days after it ended", Pace())
        self.assertEqual((landmarks.groups(build_id), landmarks.annotations(build_id)), ([], said))
        assert done is not None
        self.assertEqual((rows(build_id), done.rows), ((1, 0), 3), "an event, a block, a group")
        [record] = events.read(build_id, Build.objects.get(pk=build_id).horizon - 1)
        self.assertEqual(json.loads(record.data)["annotations"]["error"], 1)

    def test_what_is_not_over_or_kept_is_never_pruned(self) -> None:
        lease, kept = live.running(), over(long_log(3))
        lifecycle.keep(kept, True)
        stored = rows(kept), rows(lease.build_id)
        for build_id in (lease.build_id, live.queued().pk, kept, 10**9):
            self.assertIsNone(retention.prune(build_id, "why", Pace()))
        self.assertEqual((rows(kept), rows(lease.build_id)), stored)

    def test_who_keeps_it_at_the_last_moment_keeps_it(self) -> None:
        build_id = over(long_log(3))
        stored = rows(build_id)[0]
        with mock.patch.object(verbs, "_measure", lambda *_: lifecycle.keep(build_id, True) and (0, 0)):
            self.assertIsNone(retention.prune(build_id, "why", Pace()))
        self.assertEqual(rows(build_id), (stored + 1, 0))

    def test_who_keeps_it_while_it_is_compacted_changes_nothing_about_that(self) -> None:
        build_id = over(long_log(3))
        before = everything(build_id)
        verify = verbs._verify
        with mock.patch.object(verbs, "_verify", lambda *a: (verify(*a), lifecycle.keep(build_id, True))[0]):
            retention.compact(build_id, Pace())
        build = Build.objects.get(pk=build_id)
        self.assertEqual((numbers(build_id), everything(build_id)), ([build.head], before))
        self.assertTrue(json.loads(events.read(build_id, build.head - 1)[0].data)["kept"])

    def test_a_build_that_is_deleted_meanwhile_is_passed_over(self) -> None:
        first, second = over(long_log(3), slug="a"), over(long_log(3), slug="b")
        with mock.patch.object(blocks, "store", lambda *_: Build.objects.filter(pk=first).delete()):
            self.assertIsNone(retention.compact(first, Pace()))
        self.assertIsNone(retention.compact(first, Pace()))
        self.assertEqual(LogBlock.objects.count(), 0)
        self.assertTrue(Build.objects.filter(pk=second).exists())


@hurried
class RoundTests(TestCase):
    @override_settings(BUILDBOARD_KEEP_LEAST=0, BUILDBOARD_KEEP_DAYS=30)
    def test_a_round_prunes_and_compacts_what_is_due_and_tells_how_far_it_is(self) -> None:
        old, kept, middle, last, new = (over(long_log(2), days=days) for days in (50, 40, 20, 10, 0))
        lifecycle.keep(kept, True)
        told = []
        tally = retention.run(tell=lambda done, of, so_far: told.append((done, of, so_far.pruned, so_far.compacted)))
        self.assertEqual((tally.pruned, tally.compacted, tally.failed, tally.left), (1, 3, [], 0))
        self.assertEqual(tally.lines, 4 * 203)
        self.assertEqual(told, [(0, 4, 0, 0), (1, 4, 1, 0), (2, 4, 1, 1), (3, 4, 1, 2)])
        became = [(bool(b.pruned_at), bool(b.compacted_at)) for b in Build.objects.order_by("pk")]
        self.assertEqual(became, [(True, False), (False, True), (False, True), (False, True), (False, False)])
        self.assertEqual(retention.run().rows, 0)
        self.assertEqual({old, kept, middle, last, new}, set(Build.objects.values_list("pk", flat=True)))

    @override_settings(BUILDBOARD_COMPACT_HOURS=0)
    def test_one_that_cannot_be_compacted_does_not_stop_the_others(self) -> None:
        first, second = over(long_log(2), slug="a"), over(long_log(2), slug="b")
        store = blocks.store

        def wrong(build_id, number, draft):
            store(build_id, number, draft if build_id == second else draft._replace(body=b"x"))

        with mock.patch.object(blocks, "store", wrong), self.assertLogs("builds.retention.verbs", "ERROR"):
            tally = retention.run()
        self.assertEqual((tally.failed, tally.compacted), ([first], 1))
        self.assertEqual(retention.run().failed, [])
        self.assertEqual(retention.run(again=True).compacted, 1)

    @override_settings(BUILDBOARD_COMPACT_HOURS=0)
    def test_it_stops_between_two_batches(self) -> None:
        for slug in "abc":
            over(long_log(2), slug=slug)
        asked = []
        tally = retention.run(stopping=lambda: len(asked) > 25 or asked.append(1))
        self.assertGreater(tally.left, 0)
        self.assertEqual(tally.left + tally.compacted, 3)
        self.assertEqual(retention.run().left, 0)
        self.assertEqual([rows(build.pk)[0] for build in Build.objects.all()], [1, 1, 1])
