import zlib
from datetime import UTC, datetime, timedelta

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from builds import blocks, blocktext
from builds.blocks import Cut, Damaged, Line, Part, Run
from builds.events import Chunk
from builds.live.logs import Writer
from builds.models import Build, LogBlock

from . import live
from .oldlogs import drafts

BEGAN = datetime(2026, 3, 1, 12, 0, 0, 17, UTC)
NAMES = ("one", "two")


def appended(log: list) -> list[Part]:
    """The parts of a log, stored a moment after each other."""
    found: list[Part] = []
    for seq, draft in enumerate(log):
        at = BEGAN + timedelta(microseconds=seq * 1_234_567)
        if isinstance(draft, Chunk):
            found.append(Run(draft.step, draft.line, draft.lines, at, draft.open))
        elif draft.kind == "cut":
            found.append(Cut(NAMES.index(draft.data["step"]), draft.data))
    return found


def by_number(parts: list[Part]) -> dict[tuple[int, int], Line]:
    """What a simple model says: the last word on each line."""
    return {(part.step, line.number): line for part in parts if isinstance(part, Run) for line in part.lines()}


def text(parts: list[Part]) -> bytes:
    """As `log.txt` has it."""
    writer, found = Writer(keeps_styling=True), b""
    for part in parts:
        if isinstance(part, Cut):
            found += writer.feed("cut", part.data)
        else:
            data = {"step": NAMES[part.step], "line": part.line, "text": "\n".join(part.texts), "open": part.open}
            found += writer.feed("log", data)
    return found + writer.rest()


def decoded(parts: list[Part]) -> list[Part]:
    found: list[Part] = []
    for number, draft in enumerate(blocks.packed(parts)):
        block = blocks.decode(number, draft.step, draft.line, draft.lines, draft.body)
        assert {part.step for part in block.parts} == {draft.step}, "a block mixes steps"
        for line in block.lines():
            assert block.line <= line.number <= block.last
        found += block.parts
    return found


@tag("fast")
def damaged(body: bytes) -> list[bytes]:
    """That of a block of the lines a, b and c, in ways that it must not be taken for one."""
    header, _, rest = zlib.decompress(body).partition(b"\n")
    return [
        b"",
        b"nonsense",
        body[:-3],
        zlib.compress(header + b"\na\nb"),
        zlib.compress(header + b"\na\nb\nc\nd"),
        zlib.compress(b"{}\n" + rest),
        zlib.compress(b'{"runs":[[0,3]]}\n' + rest),
        zlib.compress(b'{"runs":[["0",3,0,0]]}\n' + rest),
        zlib.compress(b"\n" + rest),
    ]


class SettlingTests(SimpleTestCase):
    @settings(max_examples=200)
    @given(drafts())
    def test_each_line_is_there_once_with_its_last_word_and_in_the_order_of_the_text(self, log: list) -> None:
        parts = appended(log)
        settled = list(blocks.settled(parts))
        numbers = [(part.step, line.number) for part in settled if isinstance(part, Run) for line in part.lines()]
        self.assertEqual(len(numbers), len(set(numbers)))
        self.assertEqual(by_number(settled), by_number(parts))
        closed = [part._replace(open=False) if isinstance(part, Run) else part for part in settled]
        self.assertEqual(text(closed), text(parts))

    def test_an_open_line_that_nobody_finished_comes_before_those_that_follow_it(self) -> None:
        half, more = Run(0, 1, ["a", "half"], BEGAN, True), Run(0, 3, ["c"], BEGAN)
        texts = [line.text for part in blocks.settled([half, more]) for line in part.lines()]
        self.assertEqual(texts, ["a", "half", "c"])

    def test_an_open_line_goes_with_the_cut_that_has_how_it_went_on(self) -> None:
        half = Run(0, 1, ["a", "half"], BEGAN, True)

        def after(step: int, line: int, lines: int) -> list[tuple]:
            cut = Cut(step, {"step": "one", "line": line, "lines": lines, "bytes": 1})
            return [
                ("cut", part.first, part.last) if isinstance(part, Cut) else tuple(line.text for line in part.lines())
                for part in blocks.settled([half, cut])
            ]

        self.assertEqual(after(0, 2, 5), [("a",), ("cut", 2, 6)])
        self.assertEqual(after(1, 2, 5), [("a",), ("cut", 2, 6), ("half",)])
        self.assertEqual(after(0, 2, 0), [("a",), ("half",)], "that stands for no line")


@tag("fast")
class EncodingTests(SimpleTestCase):
    @settings(max_examples=200)
    @given(drafts(), st.sampled_from([1, 20, blocks.BLOCK_BYTES]))
    def test_whatever_is_packed_comes_out_as_it_was(self, log: list, size: int) -> None:
        settled = list(blocks.settled(appended(log)))
        whole, blocks.BLOCK_BYTES = blocks.BLOCK_BYTES, size
        try:
            found = decoded(settled)
        finally:
            blocks.BLOCK_BYTES = whole
        self.assertEqual(
            [part._replace(texts=list(part.texts)) if isinstance(part, Run) else part for part in settled], found
        )

    def test_a_block_ends_with_the_run_that_passes_its_size_and_counts_its_text(self) -> None:
        line = "x" * 63
        runs = [Run(0, 1 + n * 1000, [line] * 1000, BEGAN) for n in range(10)]
        packed = list(blocks.packed(runs))
        self.assertEqual([(draft.line, draft.lines, draft.size) for draft in packed], [
            (1, 5000, 5000 * 64), (5001, 5000, 5000 * 64),
        ])  # fmt: skip
        self.assertLess(len(packed[0].body), 5_000)
        self.assertEqual(list(blocks.packed([])), [])

    def test_a_cut_that_is_all_there_is_of_a_step_has_its_numbers(self) -> None:
        [draft] = blocks.packed([Cut(1, {"step": "two", "line": 5, "lines": 7, "bytes": 70})])
        self.assertEqual((draft.step, draft.line, draft.lines, draft.size), (1, 5, 7, 0))
        for strange in ({}, {"line": None, "lines": "many"}, {"line": -3, "lines": 10**30}):
            self.assertEqual(list(blocks.settled([Cut(0, strange)])), [])

    def test_a_body_that_is_damaged_is_never_taken_for_lines(self) -> None:
        draft = blocks.encode([Run(0, 1, ["a", "b", "c"], BEGAN)])
        for body in damaged(draft.body):
            with self.subTest(body[:20]), self.assertRaises(Damaged):
                blocks.decode(0, 0, 1, 3, body)


class ReadingTests(TestCase):
    @settings(max_examples=40, deadline=None)
    @given(drafts(), st.sampled_from([1, 20, blocks.BLOCK_BYTES]), st.integers(-2, 60), st.integers(-2, 60))
    def test_lines_by_number_are_what_a_simple_model_says(self, log: list, size: int, first: int, last: int) -> None:
        build = live.queued(f"p{Build.objects.count()}")
        parts = appended(log)
        whole, blocks.BLOCK_BYTES = blocks.BLOCK_BYTES, size
        try:
            for number, draft in enumerate(blocks.packed(blocks.settled(parts))):
                blocks.store(build.pk, number, draft)
        finally:
            blocks.BLOCK_BYTES = whole
        model = by_number(parts)
        for step in (0, 1):
            expected = [line for (of, number), line in sorted(model.items()) if of == step and first <= number <= last]
            self.assertEqual(blocktext.lines(build.pk, step, first, last), expected)
            lasts = [part.last for part in parts if isinstance(part, Cut) and part.step == step]
            self.assertEqual(
                blocks.total_lines(build.pk, step), max([*lasts, *(n for of, n in model if of == step)], default=0)
            )
        written = [
            (part.step, line) for part in blocks.settled(parts) if isinstance(part, Run) for line in part.lines()
        ]
        for limit in (1, 3, 500):
            newest = blocks.newest(build.pk, limit)
            found = {(step, line) for step, lines in newest.items() for line in lines.values()}
            self.assertEqual(found, set(written[-limit:]))

    def test_a_step_that_ends_in_a_cut_says_where_it_ends(self) -> None:
        build = live.queued()
        cut = Cut(0, {"step": "one", "line": 2, "lines": 9, "bytes": 90})
        for number, draft in enumerate(blocks.packed([Run(0, 1, ["a"], BEGAN), cut])):
            blocks.store(build.pk, number, draft)
        newest = blocks.newest(build.pk, 500)
        self.assertEqual(
            ({step: list(lines) for step, lines in newest.items()}, blocks.cuts(build.pk)), ({0: [1]}, [cut])
        )
        self.assertEqual(LogBlock.objects.filter(size=0).count(), 1, "it is found without reading a line")
        self.assertEqual(blocks.total_lines(build.pk, 0), 10)

    def test_one_line_is_one_small_read(self) -> None:
        build = live.queued()
        for number, draft in enumerate(
            blocks.packed(Run(0, 1 + n * 1000, ["x" * 63] * 1000, BEGAN) for n in range(20))
        ):
            blocks.store(build.pk, number, draft)
        self.assertEqual(LogBlock.objects.count(), 4)
        with self.assertNumQueries(1):
            [line] = blocktext.lines(build.pk, 0, 7001, 7001)
        self.assertEqual(line.number, 7001)
        self.assertEqual(blocks.size(build.pk)[0], 4)

    def test_they_go_with_their_build_and_board_pages_load_again(self) -> None:
        build = live.queued()
        blocks.store(build.pk, 0, blocks.encode([Run(0, 1, ["a"], BEGAN)]))
        other = live.queued()
        blocks.store(other.pk, 0, blocks.encode([Run(0, 1, ["b"], BEGAN)]))
        build.delete()
        self.assertEqual([block.build_id for block in LogBlock.objects.all()], [other.pk])
