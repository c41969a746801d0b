"""What the steps of a build have printed, by step and line number, whatever has become of its log: events, blocks, or
nothing. Each question reads the events first and then asks what has become of them: what was read may have been half
gone by then."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import F, Value

from . import blocks, blocktext, cuts
from .blocks import Cut, Line, Stretch
from .events import MAX_CHUNK_LINES, step_names
from .models import Build, Event


class Became(NamedTuple):
    """What has become of a build's log: `compacted_at`: it is blocks; `pruned_at`: it is gone; None: it is events."""

    compacted_at: datetime | None = None
    pruned_at: datetime | None = None


def what_became(build_id: int) -> Became:
    row = Build.objects.filter(pk=build_id).values_list("compacted_at", "pruned_at").first()
    return Became(*row) if row else Became()


_UNKNOWN = Became()

# Each takes what is known to have become of the log: of one that is blocks, no events are looked for.


def total_lines(build_id: int, step: int, known: Became = _UNKNOWN) -> int:
    """How many lines the step at `step` has printed, an open one and those that were cut included."""
    if known.compacted_at:
        return blocks.total_lines(build_id, step)
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


def left_out(build_id: int, known: Became = _UNKNOWN) -> dict[int, list[Stretch]]:
    """By step position: what is cut of its lines, in order. Mostly nothing, and an index knows that."""
    if known.compacted_at:
        return _cuts_of_blocks(build_id)
    found = _cuts(build_id)
    became = what_became(build_id)
    if became.compacted_at or became.pruned_at:
        return {} if became.pruned_at else _cuts_of_blocks(build_id)
    return found


def _cuts_of_blocks(build_id: int) -> dict[int, list[Stretch]]:
    return cuts.by_step((cut.step, cut.stretch) for cut in blocks.cuts(build_id))


def _cuts(build_id: int) -> dict[int, list[Stretch]]:
    """The same from the events alone."""
    found = cuts.of_build(build_id)
    names = step_names(build_id) if found else []
    return cuts.by_step((names.index(cut.step), cut.stretch) for cut in found)


def lines(build_id: int, step: int, first: int, last: int, known: Became = _UNKNOWN) -> list[Line]:
    """The lines of the step at `step` with numbers `first` to `last`, both included, that are stored."""
    if last < first:
        return []
    if known.compacted_at:
        return blocktext.lines(build_id, step, first, last)
    found = lines_of_events(build_id, step, first, last)
    became = what_became(build_id)
    if became.compacted_at or became.pruned_at:
        return [] if became.pruned_at else blocktext.lines(build_id, step, first, last)
    return found


def lines_of_events(build_id: int, step: int, first: int, last: int) -> list[Line]:
    """The same from the events alone, whatever has become of the log since."""
    found: dict[int, Line] = {}
    near = Event.objects.filter(
        build_id=build_id, step=step, line__isnull=False, line__lte=last, line__gt=first - MAX_CHUNK_LINES
    )
    chunks = near.filter(lines__gt=Value(first) - F("line")).order_by("seq")
    for start, is_open, at, body in chunks.values_list("line", "open", "at", "body"):
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
    if not row.size:
        parts = blocks.decode(*row[:-1]).parts
        return BlockText(row.number, row.step, row.last, b"", [part for part in parts if isinstance(part, Cut)])
    return BlockText(row.number, row.step, row.last, blocktext.text(row), [])
