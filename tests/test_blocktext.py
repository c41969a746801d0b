"""What is read of a block without the rest is what the whole block says."""

from django.test import SimpleTestCase, tag
from hypothesis import given, settings
from hypothesis import strategies as st

from builds import blocks, blocktext
from builds.blocks import Damaged, Row, Run

from .oldlogs import drafts
from .test_blocks import BEGAN, appended, damaged


def rows(log: list) -> list[Row]:
    packed = blocks.packed(blocks.settled(appended(log)))
    return [Row(number, *draft[:3], draft.body, draft.size) for number, draft in enumerate(packed)]


@tag("fast")
class OneBlockTests(SimpleTestCase):
    @settings(max_examples=100)
    @given(drafts(), st.integers(-2, 60), st.integers(-2, 60))
    def test_lines_and_text_are_those_of_the_whole_block(self, log: list, first: int, last: int) -> None:
        for row in rows(log):
            block = blocks.decode(*row[:-1])
            wanted = [line for line in block.lines() if first <= line.number <= last]
            self.assertEqual(list(blocktext.lines_within(row, first, last)), wanted)
            if row.size:
                lines = "".join(f"{line.text}\n" for line in block.lines())
                self.assertEqual(blocktext.text(row), lines.encode("utf-8", "surrogatepass"))

    @settings(max_examples=100)
    @given(drafts())
    def test_the_head_alone_tells_when_each_run_was_stored(self, log: list) -> None:
        for draft in blocks.packed(blocks.settled(appended(log))):
            block = blocks.decode(0, draft.step, draft.line, draft.lines, draft.body)
            self.assertEqual(
                list(blocktext.head_stamps(draft.step, draft.line, draft.body)),
                [
                    (part.step, part.line + len(part.texts) - 1, part.at)
                    if isinstance(part, Run)
                    else (part.step, part.last, None)
                    for part in block.parts
                ],
            )
        with self.assertRaises(Damaged):
            list(blocktext.head_stamps(0, 1, b"never written"))

    def test_a_body_that_is_damaged_is_never_taken_for_lines_or_text(self) -> None:
        draft = blocks.encode([Run(0, 1, ["a", "b", "c"], BEGAN)])
        for body in damaged(draft.body):
            with self.subTest(body[:20]), self.assertRaises(Damaged):
                list(blocktext.lines_within(Row(0, 0, 1, 3, body, 6), 1, 3))
        for body in damaged(draft.body)[:4]:
            with self.subTest(body[:20]), self.assertRaises(Damaged):
                blocktext.text(Row(0, 0, 1, 3, body, 6))
