"""The text of a log, piece by piece, in the order in which it was written: from its events, or from the blocks that
they have become.

A line that is open is no piece's: the chunk that goes on with it has it again, and `standing` has those that none does.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.db.models import OuterRef, Subquery

from .. import blocks, cuts
from ..blocks import Run
from ..models import Event, Step

PIECE_BYTES = 16 * 1024
"""Of text that is searched at once, where no line is longer: some microseconds, and with the worst query 0.2 s."""
_BITE, _MOST_BITE = 8, 128
_BITE_BYTES = 256 * 1024


class Place(NamedTuple):
    """Where a reading goes on: so many lines into the unit (an event's seq, or a block's number)."""

    unit: int
    lines: int = 0


class Piece(NamedTuple):
    place: Place
    """Of its first line."""
    step: int
    line: int
    """Number of its first line, from 1 within the step at `step`."""
    text: str
    """Lines joined by line feeds."""
    lines: int


class Bite(NamedTuple):
    """What one look at the store gave."""

    pieces: list[Piece]
    place: Place
    """Where the next one goes on."""


def of_events(build_id: int, place: Place, head: int) -> Iterator[Bite]:
    """Up to the event `head`. Read in growing bites, so that huge events and tiny ones both stay within bounds."""
    bite = _BITE
    while place.unit <= head:
        rows: Any = list(
            Event.objects.filter(build_id=build_id, seq__gte=place.unit, seq__lte=head)
            .order_by("seq")
            .values_list("seq", "kind", "step", "line", "lines", "open", "body")[:bite]
        )
        pieces: list[Piece] = []
        size = 0
        for seq, kind, step, line, lines, is_open, body in rows:
            size += len(body)
            if kind != "log" or (is_open and lines == 1):
                continue
            text = body.rpartition("\n")[0] if is_open else body
            done = place.lines if seq == place.unit else 0  # of another one, what was begun has been cut since
            pieces += _pieces(seq, step, line, text, lines - is_open, done)
        place = Place(rows[-1][0] + 1 if len(rows) == bite else head + 1)
        bite = min(bite * 4, _MOST_BITE) if size < _BITE_BYTES else _BITE
        yield Bite(pieces, place)


def of_blocks(build_id: int, place: Place) -> Iterator[Bite]:
    while (block := blocks.following(build_id, place.unit - 1)) is not None:
        done = place.lines if block.number == place.unit else 0
        pieces: list[Piece] = []
        before = 0
        for part in block.parts:
            if isinstance(part, Run):
                lines = len(part.texts)
                text = "\n".join(part.texts)
                pieces += _pieces(block.number, part.step, part.line, text, lines, max(done - before, 0), before)
                before += lines
        place = Place(block.number + 1)
        yield Bite(pieces, place)


def _pieces(unit: int, step: int, line: int, text: str, lines: int, done: int, before: int = 0) -> Iterator[Piece]:
    """`text`, which is so many lines from number `line` on, and stands `before` lines into its unit, without its first
    `done` lines."""
    if done >= lines:
        return
    at = done
    if done:
        text, lines = text.split("\n", done)[done], lines - done
    while len(text) > PIECE_BYTES:
        end = text.rfind("\n", 0, PIECE_BYTES)
        end = end if end >= 0 else text.find("\n", PIECE_BYTES)
        if end < 0:
            break
        count = text.count("\n", 0, end) + 1
        yield Piece(Place(unit, before + at), step, line + at, text[:end], count)
        at, lines, text = at + count, lines - count, text[end + 1 :]
    yield Piece(Place(unit, before + at), step, line + at, text, lines)


def batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Small ones together, since each search has its price: not more text than one large piece."""
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        if batch and size + len(piece.text) > PIECE_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += len(piece.text) + 1
    if batch:
        yield batch


def standing(build_id: int) -> list[Piece]:
    """The lines that stand open now, one piece each: of each step the last one, where nothing has gone on with it.

    Two queries, however many steps there are, and a third where lines stand open: asked every second of a build that
    runs."""
    chunks = Event.objects.filter(build_id=build_id, step=OuterRef("position"), line__isnull=False)
    newest = Subquery(chunks.order_by("-line", "-seq").values("seq")[:1])
    steps = Step.objects.filter(build_id=build_id).order_by("position").annotate(newest=newest)
    names = {seq: name for name, seq in steps.values_list("name", "newest") if seq is not None}
    rows: Any = Event.objects.filter(build_id=build_id, seq__in=list(names), open=True).order_by("step")
    stand = list(rows.values_list("seq", "step", "line", "lines", "body"))
    gone = cuts.of_build(build_id) if stand else []
    found = []
    for seq, step, line, lines, body in stand:
        number = line + lines - 1
        if any(cut.step == names[seq] and number in cut for cut in gone):
            continue  # how it went on is not kept
        found.append(Piece(Place(seq, lines - 1), step, number, body.rpartition("\n")[2], 1))
    return found
