"""Slices of a search over events and over blocks: together they have every line once."""

from unittest.mock import patch

from django.test import TransactionTestCase
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyCase

from builds import blocks, events, retention
from builds.events import Chunk, Fact
from builds.models import Build, Event, Project
from builds.retention import Pace
from builds.search import BadCursor, Match, Slice, compile, look, pieces
from builds.search.pieces import Place
from tests import live
from tests.oldlogs import drafts, everything, hurried, long_log, over

ANY = compile(r"\S", True, True)


def places(matches: list[Match]) -> list[tuple[int, int]]:
    return [(match.step, match.line) for match in matches]


def whole(build_id: int, pattern=ANY, limit: int = 1000, **options) -> tuple[list[tuple[int, int]], list, int]:
    """All slices: the matching lines, those of them that stand unfinished, and the total as a client counts it."""
    found: list[tuple[int, int]] = []
    total, cursor, one = 0, None, Slice(more=True)
    while one.more:
        one = look(build_id, pattern, cursor, limit, **options)
        assert not one.is_void
        found += places(one.matches)
        total, cursor = total + one.lines, one.cursor
    return found, places(one.unfinished), total + len(one.unfinished)


def expected(build_id: int) -> list[tuple[int, int]]:
    """The lines that have anything to see, by what readers by number get."""
    lines = everything(build_id)
    return sorted((step, one.number) for step in lines for one in lines[step] if ANY.count(one.text))


@hurried
class PropertyTests(PropertyCase):
    @settings(max_examples=15, deadline=None)
    @given(
        drafts(),
        st.sampled_from([1, 2, 1000]),
        st.sampled_from([4, 40, pieces.PIECE_BYTES]),
        st.sampled_from([1, blocks.BLOCK_BYTES]),
        st.sampled_from([0, 10]),
    )
    def test_every_matching_line_is_found_once_however_the_log_is_sliced(
        self, log: list, limit: int, piece: int, block: int, seconds: float
    ) -> None:
        build_id = over(log, slug=f"p{Build.objects.count()}")
        lines = expected(build_id)
        with patch.object(pieces, "PIECE_BYTES", piece), patch.object(pieces, "_BITE", 1):
            found, unfinished, total = whole(build_id, limit=limit, seconds=seconds)
            self.assertEqual(sorted(found + unfinished), lines)
            self.assertEqual(total, len(lines))
            self.assertEqual(whole(build_id, positions=False, seconds=seconds), ([], unfinished, total))
            with patch.object(blocks, "BLOCK_BYTES", block):
                retention.compact(build_id, Pace())
            found, unfinished, total = whole(build_id, limit=limit, seconds=seconds)
            self.assertEqual((sorted(found), unfinished, total), (lines, [], len(lines)))
            self.assertEqual(whole(build_id, positions=False, seconds=seconds), ([], [], len(lines)))


class RunningTests(TransactionTestCase):
    def test_a_line_that_goes_on_is_counted_when_it_is_whole_and_named_until_then(self) -> None:
        lease = live.running()
        pattern = compile("half", False, True)
        live.printed(lease, 1, "half of it", "ha", is_open=True)
        first = look(lease.build_id, pattern)
        self.assertEqual((places(first.matches), first.lines, first.unfinished), ([(0, 1)], 1, []))
        live.printed(lease, 2, "half", is_open=True)
        second = look(lease.build_id, pattern, first.cursor)
        self.assertEqual((second.matches, second.lines, places(second.unfinished)), ([], 0, [(0, 2)]))
        self.assertEqual(look(lease.build_id, pattern, second.cursor).unfinished, second.unfinished, "as it stands")
        live.printed(lease, 2, "half and whole", "more")
        third = look(lease.build_id, pattern, second.cursor)
        self.assertEqual((places(third.matches), third.lines, third.unfinished), ([(0, 2)], 1, []))
        self.assertEqual(whole(lease.build_id, pattern), ([(0, 1), (0, 2)], [], 2))

    def test_it_goes_on_where_new_lines_come_and_ends_with_the_build(self) -> None:
        lease = live.running()
        pattern = compile("a", False, True)
        one = look(lease.build_id, pattern)
        self.assertEqual((one.lines, one.more, one.final, one.head), (0, False, False, lease.head))
        live.printed(lease, 1, "a", "b", "a")
        one = look(lease.build_id, pattern, one.cursor)
        self.assertEqual((places(one.matches), one.more), ([(0, 1), (0, 3)], False))
        live.printed(lease, 4, "a")
        live.ended(lease)
        one = look(lease.build_id, pattern, one.cursor)
        self.assertEqual((places(one.matches), one.cursor, one.more, one.final), ([(0, 4)], None, False, True))

    def test_a_slice_ends_at_its_limit_within_a_chunk(self) -> None:
        lease = live.running()
        live.printed(lease, 1, *"aaaab")
        one = look(lease.build_id, compile("a", False, True), limit=3)
        self.assertEqual((places(one.matches), one.lines, one.more), ([(0, 1), (0, 2), (0, 3)], 3, True))
        self.assertEqual(one.unfinished, [], "named where the newest event was reached, and nowhere else")
        one = look(lease.build_id, compile("a", False, True), one.cursor, limit=3)
        self.assertEqual((places(one.matches), one.lines, one.more), ([(0, 4)], 1, False))

    def test_the_number_of_queries_does_not_grow_with_steps(self) -> None:
        steps = ", ".join(f"{{name: s{number}, run: x}}" for number in range(50))
        Project.objects.filter(pk=live.project("many").pk).update(recipe=f"steps: [{steps}]")
        lease = live.running("many")
        for step in range(0, 50, 2):
            live.printed(lease, 1, "half", "ha", step=step, is_open=step % 4 == 0)
        with self.assertNumQueries(3):
            standing = pieces.standing(lease.build_id)
        self.assertEqual([(one.step, one.line, one.text) for one in standing], [(n, 2, "ha") for n in range(0, 50, 4)])

    def test_a_cut_is_no_text_and_a_line_that_went_on_in_it_is_gone(self) -> None:
        lease = live.running()
        pattern = compile("line|left|long", True, True)
        live.printed(lease, 1, "line 1", "line 2", is_open=True)
        for number in range(2, 6):
            live.printed(lease, number, f"line {number}")
        begun = look(lease.build_id, pattern, limit=1)
        events.cut(lease, lease.head - 3, lease.head - 1, "It was too long.")
        self.assertEqual(whole(lease.build_id, pattern), ([(0, 1), (0, 5)], [], 2))
        self.assertEqual(places(look(lease.build_id, pattern, begun.cursor).matches), [(0, 5)])
        Event.objects.filter(build_id=lease.build_id, line=5).delete()
        self.assertEqual(whole(lease.build_id, pattern), ([(0, 1)], [], 1))

    def test_spans_are_those_of_the_shown_line(self) -> None:
        lease = live.running()
        live.printed(lease, 1, "\x1b[31m\U0001f600 error\x1b[0m and error")
        [match] = look(lease.build_id, compile("error", False, True)).matches
        self.assertEqual(match, Match(0, 1, [(3, 8), (13, 18)], "\U0001f600 error and error"))

    def test_a_cursor_that_never_was_one_is_refused_and_one_from_ahead_is_void(self) -> None:
        lease = live.running()
        for bad in ("", "7", "e", "e1", "x1.0", "e-1.0", "e1.0\n", "e" + "9" * 19 + ".0", "e٣.0"):
            with self.assertRaises(BadCursor):
                look(lease.build_id, ANY, bad)
        for cursor in (f"e{lease.head + 2}.0", "b0.0"):
            self.assertTrue(look(lease.build_id, ANY, cursor).is_void)
        self.assertFalse(look(lease.build_id, ANY, f"e{lease.head + 1}.0").is_void)
        self.assertTrue(look(99, ANY).is_void)


@hurried
class OldTests(TransactionTestCase):
    def test_a_log_that_is_compacted_between_two_slices_begins_again(self) -> None:
        build_id = over(long_log(3))
        pattern = compile("line 7", False, True)
        one = look(build_id, pattern, limit=2)
        retention.compact(build_id, Pace())
        self.assertTrue(look(build_id, pattern, one.cursor).is_void)
        again = look(build_id, pattern, limit=2)
        self.assertEqual(places(again.matches), places(one.matches))
        rest = look(build_id, pattern, again.cursor)
        self.assertEqual((rest.lines + again.lines, rest.cursor), (33, None))

    def test_what_happens_to_a_log_while_it_is_read_is_noticed(self) -> None:
        for verb, build_id in ((retention.compact, over(long_log(3))), (prune, over(long_log(3), slug="pruned"))):
            find = compile("line", False, True)
            inner = find.find

            def meanwhile(text: str, verb=verb, build_id=build_id, inner=inner):
                verb(build_id, Pace())
                return inner(text)

            with patch.object(find, "find", meanwhile):
                one = look(build_id, find)
            self.assertEqual((one.matches, one.lines, one.cursor), ([], 0, None))
            self.assertEqual((one.is_void, one.pruned_at is None), (verb is not prune, verb is not prune))

    def test_a_log_that_is_pruned_says_since_when(self) -> None:
        build_id = over(long_log(3))
        retention.compact(build_id, Pace())
        prune(build_id, Pace())
        one = look(build_id, ANY)
        self.assertEqual((one.lines, one.more, one.cursor), (0, False, None))
        self.assertEqual(one.pruned_at, Build.objects.get(pk=build_id).pruned_at)

    def test_memory_is_bounded_by_a_bite_whatever_the_log(self) -> None:
        log = [Chunk(0, 1 + n * 700, ["x" * 90] * 700) for n in range(40)]
        log += [Fact("progress", {"step": "one", "progress": 0.5})] * 300
        build_id = over(log)
        for compacted in (False, True):
            if compacted:
                retention.compact(build_id, Pace())
            bites = list(
                pieces.of_blocks(build_id, Place(0)) if compacted else pieces.of_events(build_id, Place(0), 400)
            )
            self.assertEqual(sum(piece.lines for bite in bites for piece in bite.pieces), 28_000)
            self.assertLess(max(sum(len(piece.text) for piece in bite.pieces) for bite in bites), 1_000_000)
            self.assertLessEqual(max(len(piece.text) for bite in bites for piece in bite.pieces), pieces.PIECE_BYTES)


def prune(build_id: int, pace: Pace) -> None:
    retention.prune(build_id, "90 days after it ended", pace)
