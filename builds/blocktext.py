"""What is asked of the blocks of a log without all that is in them: text that nobody looks at, a few lines, times. What
a block is, `blocks.py` knows.
"""

import json
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from . import blocks
from .blocks import Cut, Damaged, Line, Row

_HEAD_BYTES = 16 * 1024
"""Of a block's first line, mostly. One that has more only takes longer."""
_BROKEN = (zlib.error, ValueError, TypeError, KeyError, OverflowError)


def text(row: Row) -> bytes:
    """Its lines, each with a line feed. `Damaged` as `blocks.decode`."""
    try:
        whole = zlib.decompress(row.body, bufsize=row.size + _HEAD_BYTES)
    except zlib.error as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error
    found = b"".join((memoryview(whole)[whole.find(b"\n") + 1 :], b"\n"))
    if len(found) != row.size:
        raise Damaged(f"{len(found)} bytes of text, and its row says {row.size}")
    return found


def lines(build_id: int, step: int, first: int, last: int) -> list[Line]:
    """The lines of the step at `step` with numbers `first` to `last`, both included, that are stored."""
    begins = "SELECT max(line) FROM builds_logblock WHERE build_id = %s AND step = %s AND line <= %s"
    where = f"step = %s AND line BETWEEN COALESCE(({begins}), %s) AND %s ORDER BY number"
    found: dict[int, Line] = {}
    for row in blocks.rows(build_id, where, step, build_id, step, first, first, last):
        found |= {line.number: line for line in lines_within(row, first, last)}
    return [found[number] for number in sorted(found)]


def lines_within(row: Row, first: int, last: int) -> Iterator[Line]:
    """Those of one block with numbers `first` to `last`: the others are not made. `Damaged` as `blocks.decode`."""
    try:
        head, _, body = zlib.decompress(row.body, bufsize=row.size + _HEAD_BYTES).partition(b"\n")
        number, at, taken = row.line, 0, 0
        wanted: list[tuple[int, int, int, int, bool]] = []
        for run in json.loads(head)["runs"]:
            if isinstance(run, dict):
                continue
            skipped, count, passed, is_open = run
            number, at = number + skipped, at + passed
            begin, end = max(first - number, 0), min(last + 1 - number, count)
            if begin < end:
                wanted.append((number + begin, taken + begin, taken + end, at, bool(is_open) and end == count))
            number, taken = number + count, taken + count
        if taken != (body.count(b"\n") + 1 if taken or body else 0):
            raise Damaged(f"its runs know {taken} lines, and its text has others")
        texts = body.split(b"\n", wanted[-1][2]) if wanted else []
        for number, begin, end, at, is_open in wanted:
            moment = blocks.moment(at)
            for place in range(begin, end):
                line = texts[place].decode("utf-8", "surrogatepass")
                yield Line(number + place - begin, line, is_open and place == end - 1, moment)
    except _BROKEN as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error


class Stamp(NamedTuple):
    """When lines of the step at `step` were stored together, the last of which has the number `last`. `at` None: they
    are left out of the log."""

    step: int
    last: int
    at: datetime | None


def stamps(build_id: int) -> Iterator[Stamp]:
    """Of the whole log, in the order in which its lines were written."""
    number = -1
    while (row := blocks.row_after(build_id, number)) is not None:
        number = row.number
        yield from head_stamps(row.step, row.line, row.body)


def head_stamps(step: int, line: int, body: bytes) -> Iterator[Stamp]:
    """Of one block, from its first line alone: its text stays compressed. `Damaged` as `blocks.decode`."""
    try:
        reader = zlib.decompressobj()
        head = reader.decompress(body, 4096)
        while b"\n" not in head and reader.unconsumed_tail:
            head += reader.decompress(reader.unconsumed_tail, 65536)
        place, at = line - 1, 0
        for run in json.loads(head.partition(b"\n")[0])["runs"]:
            if isinstance(run, dict):
                cut = Cut(step, run)
                yield Stamp(step, cut.last, None)
                continue
            skipped, count, passed, _ = run
            place, at = place + skipped + count, at + passed
            yield Stamp(step, place, blocks.moment(at))
    except _BROKEN as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error
