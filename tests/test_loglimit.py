"""Where a log's head ends, and when its tail is cut."""

from django.test import SimpleTestCase, tag
from hypothesis import given
from hypothesis import strategies as st

from builds.events import Chunk
from builds.landmarks import GroupAt
from builds.loglimit import EVENT_BYTES, LogLimit, Span

HALF = 512 * 1024


def chunk(size: int) -> Chunk:
    """That counts as so many bytes."""
    return Chunk(0, 1, ["x" * (size - EVENT_BYTES - 1)])


@tag("fast")
class LogLimitTests(SimpleTestCase):
    def test_a_log_within_its_bound_is_never_cut(self) -> None:
        limit = LogLimit(1)
        for seq in range(1, 65):
            self.assertIsNone(limit.stored(seq, [chunk(HALF // 32)]))
        self.assertIsNone(limit.stored(65, [chunk(HALF // 8)]), "the slack")
        self.assertIsNotNone(limit.stored(66, [chunk(300)]))

    def test_the_head_is_what_fits_into_the_first_half(self) -> None:
        limit = LogLimit(1)
        limit.stored(1, [chunk(HALF)])
        self.assertIsNone(limit.stored(2, [chunk(HALF)]))
        self.assertIsNone(limit.stored(3, [chunk(HALF // 8)]))
        self.assertIsNone(limit.stored(4, [chunk(300)]), "the newest half would not be whole")
        self.assertEqual(limit.stored(5, [chunk(HALF)]), Span(2, 4))

    def test_what_is_cut_begins_with_the_tail_each_time(self) -> None:
        limit = LogLimit(1)
        spans = [span for seq in range(1, 400) if (span := limit.stored(seq, [chunk(HALF // 32)]))]
        self.assertEqual({span.first for span in spans}, {33})
        self.assertEqual([span.last - 32 for span in spans[:3]], [5, 10, 15], "in gulps of the slack")

    def test_characters_count_as_they_are_stored(self) -> None:
        limit = LogLimit(1)
        self.assertIsNone(limit.stored(1, [Chunk(0, 1, ["é" * (HALF // 2)])]))  # more than the head can take
        self.assertIsNotNone(limit.stored(2, [Chunk(0, 2, ["é" * (HALF // 2)])]))

    def test_landmarks_count_like_any_event(self) -> None:
        limit, mark = LogLimit(1), GroupAt(0, 1, "x" * 500, 1)
        limit.stored(2, [chunk(HALF - EVENT_BYTES), mark])
        self.assertIsNone(limit.stored(4, [chunk(HALF), mark]))
        self.assertEqual(limit.stored(6, [mark, chunk(HALF)]), Span(3, 5), "numbers are those of all events")

    def test_a_million_events_of_a_few_bytes_are_bounded_too_and_so_is_what_is_known_of_them(self) -> None:
        limit, last = LogLimit(1), 0
        for seq in range(1, 100_000):
            if span := limit.stored(seq, [Chunk(0, seq, ["x"])]):
                last = span.last
            self.assertLess(len(limit._segments), 600)
        self.assertLess(100_000 - last, (HALF + HALF // 8) // EVENT_BYTES + 10)

    @given(st.lists(st.integers(EVENT_BYTES + 1, HALF // 2), min_size=1, max_size=120))
    def test_head_and_newest_half_are_always_there_and_never_much_more(self, sizes: list[int]) -> None:
        limit, cut_to, first = LogLimit(1), 0, 0
        for seq, size in enumerate(sizes, 1):
            if span := limit.stored(seq, [chunk(size)]):
                self.assertGreater(span.last, cut_to)
                first, cut_to = span
                self.assertGreaterEqual(sum(sizes[cut_to:seq]), HALF)
            if first:
                self.assertLessEqual(sum(sizes[: first - 1]), HALF)
                self.assertGreater(sum(sizes[:first]), HALF)
                kept = sizes[cut_to:seq]  # its oldest chunk may reach out of the half, whatever its size
                self.assertLessEqual(sum(kept), HALF + max(HALF // 8, *kept))
