"""A slice of a search: as much of a log as a moment allows, and the cursor from which the next one goes on.

Every line is counted once, when it is whole. Lines that stand unfinished are not: `unfinished` names those that match
as they are now, in each slice that has come to the newest event. So a total is the sum of `lines` and the number of the
last `unfinished`.
"""

import re
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

from .. import events, printed
from ..events import Extent
from . import pieces
from .pattern import Pattern
from .pieces import Bite, Piece, Place

SECONDS = 0.25
"""A slice ends with the piece that passes this."""
MAX_MATCHES = 1_000
"""In one slice."""
_CURSOR = re.compile(r"([eb])([0-9]{1,18})\.([0-9]{1,9})\Z")


class BadCursor(ValueError):
    """It never was one."""


class Match(NamedTuple):
    step: int
    """Position."""
    line: int
    spans: list[tuple[int, int]]
    """In UTF-16 code units of `text`."""
    text: str
    """The line without colours and links."""


@dataclass
class Slice:
    matches: list[Match] = field(default_factory=list)
    """In the order in which the log was written; none where only their number was asked for."""
    lines: int = 0
    """Matching lines in this slice."""
    unfinished: list[Match] = field(default_factory=list)
    cursor: str | None = None
    """None: there is nothing more, and never will be; or `is_void`."""
    more: bool = False
    """There is more of the log already."""
    head: int = 0
    final: bool = False
    """The build is over."""
    is_void: bool = False
    """The cursor that was given leads nowhere any more: begin again."""
    pruned_at: datetime | None = None


def look(
    build_id: int,
    pattern: Pattern,
    cursor: str | None = None,
    limit: int = MAX_MATCHES,
    *,
    positions: bool = True,
    seconds: float = SECONDS,
) -> Slice:
    """One slice of the build's log, from `cursor` on (None: from the beginning). `BadCursor`.

    At most `limit` matches. Without `positions` matches are only counted, as many as there is time for.
    """
    until = time.monotonic() + seconds
    kind, place = _decode(cursor)
    extent = events.extent(build_id)
    if extent is None:
        return Slice(is_void=True)
    became = printed.what_became(build_id)
    now = "b" if became.compacted_at else "e"
    if became.pruned_at or (kind or now) != now or (now == "e" and place.unit > extent.head + 1):
        return _void(extent, became)
    found = Slice(head=extent.head, final=extent.final)
    of_log = pieces.of_blocks(build_id, place) if now == "b" else pieces.of_events(build_id, place, extent.head)
    stopped = _scan(found, of_log, pattern, limit if positions else None, until)
    if stopped is None and now == "e":
        found.unfinished = [match for piece in pieces.standing(build_id) for match in _matches([piece], pattern)]
    since = printed.what_became(build_id)  # after: what was read may have been half gone by then
    if since != became:
        return _void(extent, since)
    found.more = stopped is not None
    if stopped is not None or not extent.final:
        found.cursor = _encode(now, stopped or Place(extent.head + 1))
    return found


def _void(extent: Extent, became: printed.Became) -> Slice:
    return Slice(head=extent.head, final=extent.final, is_void=not became.pruned_at, pruned_at=became.pruned_at)


def _scan(found: Slice, bites: Iterable[Bite], pattern: Pattern, limit: int | None, until: float) -> Place | None:
    """Where it had to stop; None: that was all."""
    for bite in bites:
        for batch in pieces.batches(bite.pieces):
            if limit is None:
                found.lines += pattern.count(_text(batch))
            else:
                for match in _matches(batch, pattern):
                    found.matches.append(match)
                    found.lines += 1
                    if found.lines >= limit:
                        return _behind(batch, match)
            if time.monotonic() > until:
                return _behind(batch)
        if time.monotonic() > until:
            return bite.place
    return None


def _matches(batch: Sequence[Piece], pattern: Pattern) -> Iterator[Match]:
    firsts = [0, *accumulate(piece.lines for piece in batch)]
    for hit in pattern.find(_text(batch)):
        at = bisect_right(firsts, hit.at) - 1
        piece = batch[at]
        yield Match(piece.step, piece.line + hit.at - firsts[at], hit.spans, hit.line)


def _text(batch: Sequence[Piece]) -> str:
    return "\n".join(piece.text for piece in batch)


def _behind(batch: Sequence[Piece], match: Match | None = None) -> Place:
    """The place behind the batch, or behind a match in it."""
    if match is None:
        last = batch[-1]
        return Place(last.place.unit, last.place.lines + last.lines)
    for piece in batch:
        if piece.step == match.step and piece.line <= match.line < piece.line + piece.lines:
            return Place(piece.place.unit, piece.place.lines + match.line - piece.line + 1)
    raise AssertionError


def _encode(kind: str, place: Place) -> str:
    return f"{kind}{place.unit}.{place.lines}"


def _decode(cursor: str | None) -> tuple[str | None, Place]:
    if cursor is None:
        return None, Place(0)
    found = _CURSOR.match(cursor)
    if found is None:
        raise BadCursor(cursor)
    return found[1], Place(int(found[2]), int(found[3]))
