from django.test import TestCase, TransactionTestCase

from builds import lifecycle
from builds.events import Extent
from builds.live import frames, sources
from builds.live.sources import BoardSource, BuildSource, is_void
from tests import live


class BuildSourceTest(TransactionTestCase):
    def test_pages_hold_every_event_once_and_in_order(self) -> None:
        lease = live.running()
        for number in range(300):
            live.printed(lease, number + 1, f"line {number}")
        source, cursor, got = BuildSource(lease.build_id, 1), 0, []
        while True:
            page = source.page(cursor)
            got += page.frames
            cursor = page.upto
            if not page.more:
                break
        self.assertEqual([frame.id for frame in got], list(range(1, lease.head + 1)))
        self.assertEqual(frames.fields(got[3].body)[1], "log")
        self.assertEqual(source.page(lease.head), sources.Page([], lease.head, False))

    def test_a_page_is_bounded_by_bytes(self) -> None:
        lease = live.running()
        for number in range(60):
            live.printed(lease, 1 + number * 4, *["x" * 16_000] * 4)
        page = BuildSource(lease.build_id, 1).page(0)
        self.assertTrue(page.more)
        self.assertLess(sum(len(frame.body) for frame in page.frames), 2 * sources.PAGE_BYTES)

    def test_a_tail_begins_so_many_events_below_the_head_or_so_many_lines(self) -> None:
        lease = live.running()
        source = BuildSource(lease.build_id, 1)
        self.assertEqual(source.recent(source.extent()), 0)
        for number in range(12):
            live.printed(lease, 1 + number * 1_000, *["x"] * 1_000)
        extent = source.extent()
        self.assertEqual(source.recent(extent), extent.head - 5)
        for number in range(70):
            live.printed(lease, 12_001 + number, "x")
        extent = source.extent()
        self.assertEqual(source.recent(extent), extent.head - sources.PRELOAD)
        self.assertEqual(source.recent(extent._replace(horizon=extent.head - 3)), extent.head - 4)
        self.assertEqual(source.recent(extent._replace(horizon=extent.head + 1)), extent.head, "nothing is stored")

    def test_extents_come_in_one_query_and_a_build_that_is_gone_is_absent(self) -> None:
        first, second = live.queued(), live.queued()
        with self.assertNumQueries(1):
            found = sources.extents([first.pk, second.pk, second.pk + 99], False)
        self.assertEqual(found, {f"build.{pk}": Extent(1, 1, False) for pk in (first.pk, second.pk)})
        self.assertIsNone(BuildSource(second.pk + 99, 1).extent())


class BoardSourceTest(TestCase):
    def test_it_gives_newest_states_with_their_projects(self) -> None:
        first, second = live.queued(), live.queued("other")
        lifecycle.cancel(first.pk, by="alice")
        page = BoardSource().page(0)
        self.assertEqual([(frame.id, frame.key, frame.project) for frame in page.frames], [
            (2, second.pk, second.project_id), (3, first.pk, first.project_id)
        ])  # fmt: skip
        self.assertEqual(page.upto, 3)

    def test_too_many_changes_are_no_page(self) -> None:
        for _ in range(3):
            live.queued()
        limit, sources.BOARD_CHANGES = sources.BOARD_CHANGES, 2
        self.addCleanup(setattr, sources, "BOARD_CHANGES", limit)
        self.assertIsNone(BoardSource().page(0))
        self.assertEqual(len(BoardSource().page(1).frames), 2)

    def test_a_deleted_build_voids_the_cursors_before_it(self) -> None:
        live.queued()
        lifecycle.deleted()
        extent = BoardSource().extent()
        self.assertTrue(is_void(1, extent))
        self.assertFalse(is_void(2, extent))
        self.assertIsNone(BoardSource().page(1), "whoever reads on from there would keep its row")
        self.assertEqual(BoardSource().page(2).frames, [])

    def test_cursors_outside_of_what_is_stored_are_void(self) -> None:
        extent = Extent(5, 9, False)
        self.assertEqual([cursor for cursor in range(12) if not is_void(cursor, extent)], [4, 5, 6, 7, 8, 9])
