"""What the steps of a build have printed, by step and line number, whatever has become of its log: events, blocks, or
nothing. Each question reads the events first and then asks what has become of them: what was read may have been half
gone by then."""

import zlib
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from . import blocks, cuts
from .blocks import Cut, Line, Stretch
from .events import MAX_CHUNK_LINES, query, step_names
from .models import Build, Event

MAX_ROWS = 1_000


def total_lines(build_id: int, step: int) -> int:
    """How many lines the step at `step` has printed, an open one and those that were cut included."""
    newest = (
        Event.objects.filter(build_id=build_id, step=step, line__isnull=False)
        .order_by("-line", "-seq")
        .values_list("line", "lines")
        .first()
    )
    became = what_became(build_id)
    if became.compacted_at or became.pruned_at:
        return 0 if became.pruned_at else blocks.total_lines(build_id, step)
    total = newest[0] + newest[1] - 1 if newest else 0
    return max([total, *(cut.last for cut in _cuts(build_id).get(step, []))])


def left_out(build_id: int) -> dict[int, list[Stretch]]:
    """By step position: what is cut of its lines, in order. Mostly nothing, and an index knows that."""
    found = _cuts(build_id)
    became = what_became(build_id)
    if became.compacted_at or became.pruned_at:
        return {} if became.pruned_at else cuts.by_step((cut.step, cut.stretch) for cut in blocks.cuts(build_id))
    return found


def _cuts(build_id: int) -> dict[int, list[Stretch]]:
    """The same from the events alone."""
    found = cuts.of_build(build_id)
    names = step_names(build_id) if found else []
    return cuts.by_step((names.index(cut.step), cut.stretch) for cut in found)


def lines(build_id: int, step: int, first: int, last: int) -> list[Line]:
    """The lines of the step at `step` with numbers `first` to `last`, both included, that are stored."""
    if last < first:
        return []
    found = lines_of_events(build_id, step, first, last)
    became = what_became(build_id)
    if became.compacted_at or became.pruned_at:
        return [] if became.pruned_at else blocks.lines(build_id, step, first, last)
    return found


def lines_of_events(build_id: int, step: int, first: int, last: int) -> list[Line]:
    """The same from the events alone, whatever has become of the log since."""
    found: dict[int, Line] = {}
    chunks = (
        Event.objects.filter(
            build_id=build_id, step=step, line__isnull=False, line__lte=last, line__gt=first - MAX_CHUNK_LINES
        )
        .order_by("seq")
        .values_list("line", "open", "at", "body")
    )
    for start, is_open, at, body in chunks.iterator(chunk_size=200):
        texts = body.split("\n")
        end = start + len(texts) - 1
        for number in range(max(start, first), min(end, last) + 1):  # type: ignore[arg-type, type-var]
            found[number] = Line(number, texts[number - start], is_open and number == end, at)
    opened = [line.number for line in found.values() if line.open]
    missing = _cuts(build_id).get(step, []) if opened else []
    for number in opened:
        if any(number in cut for cut in missing):
            del found[number]  # how it went on was cut
    return [found[number] for number in sorted(found)]


class Row(NamedTuple):
    """A stored event as it stands there."""

    seq: int
    kind: str
    step: int
    """Position. This and what follows: of a `log` event."""
    line: int
    open: bool
    body: str


def rows(build_id: int, after: int, head: int, size: int, most: int = MAX_ROWS) -> list[Row]:
    """The events above `after`, up to the one that passes `size` bytes, or the first one from `head` on, or `most` of
    them: at least one, where there is one. PostgreSQL looks at the sizes of so many."""
    found: list[Row] = []
    with connection.cursor() as cursor:
        cursor.execute(*query(build_id, after, most, (), size))
        for seq, kind, _, step, line, is_open, body in cursor:
            found.append(Row(seq, kind, step, line, bool(is_open), body))
            size -= len(body)
            if size < 0 or seq >= head:
                break
    return found


class BlockText(NamedTuple):
    """A block as its lines alone, each with a line feed; or as what stands for them."""

    number: int
    step: int
    last: int
    text: bytes
    cuts: list[Cut]


def block_text(build_id: int, number: int) -> BlockText | None:
    """The block after `number`, where nobody asks for single lines. `blocks.Damaged`."""
    row = blocks.row_after(build_id, number)
    if row is None:
        return None
    number, step, line, lines, body, size = row
    if not size:
        parts = blocks.decode(number, step, line, lines, body).parts
        return BlockText(number, step, line + lines - 1, b"", [part for part in parts if isinstance(part, Cut)])
    try:
        whole = zlib.decompress(body)
    except zlib.error as error:
        raise blocks.Damaged(f"{type(error).__name__}: {error}") from error
    text = whole[whole.find(b"\n") + 1 :] + b"\n"
    if len(text) != size:
        raise blocks.Damaged(f"{len(text)} bytes of text, and its row says {size}")
    return BlockText(number, step, line + lines - 1, text, [])


class Became(NamedTuple):
    """What has become of a build's log: `compacted_at`: it is blocks; `pruned_at`: it is gone; None: it is events."""

    compacted_at: datetime | None = None
    pruned_at: datetime | None = None


def what_became(build_id: int) -> Became:
    row = Build.objects.filter(pk=build_id).values_list("compacted_at", "pruned_at").first()
    return Became(*row) if row else Became()
