"""What a topic is, behind its name: a build's log, or the board. Plain functions of the database, called on a reader.

Both answer the same questions: where it stands, and the next page of frames above a cursor.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple, Protocol

from .. import events, wakes
from ..events import Extent
from . import frames
from .frames import Frame, Packed, Slice

PAGE_EVENTS = 512
PAGE_BYTES = 1024 * 1024
"""A page ends with the event that passes this: one event has at most a chunk's 1,000 lines."""
_BITE = 8
SLICE_TEXT = 128 * 1024
"""Of a log, in what viewers who are behind get in one write; as frames it is up to twice as much."""
_ALIGNED = (16, 128, 1024)
PRELOAD, PRELOAD_LINES = 64, 5_000
"""A new tail begins so many events below the head, or so many lines: most of those who come back are that near."""
BOARD_CHANGES = 500
"""A viewer of the board that missed more loads the page again: that is one query, and this would be many rows."""


class Page(NamedTuple):
    frames: list[Frame]
    upto: int
    """The cursor of whoever has this page."""
    more: bool
    """There is more above it already."""


class Source(Protocol):
    topic: str
    kind: str
    replaces: bool
    """Whether a newer frame may take an older one's place."""

    def extent(self) -> Extent | None: ...

    def recent(self, extent: Extent) -> int:
        """Above which number a new tail begins."""

    def page(self, after: int) -> Page | None: ...

    def behind(self, after: int) -> Slice | None:
        """What follows, for viewers who are behind the tail; None: nothing can, without a gap."""


class BuildSource:
    kind = "build"
    replaces = False

    def __init__(self, build_id: int, project: int) -> None:
        self.build_id = build_id
        self.project = project
        self.topic = wakes.build_topic(build_id)
        self._names: list[str] | None = None

    def extent(self) -> Extent | None:
        """None: the build is gone."""
        return events.extent(self.build_id)

    def recent(self, extent: Extent) -> int:
        """Sixty-four events of a flood are four megabytes, for which whoever comes first would wait."""
        return events.near(self.build_id, extent, PRELOAD, PRELOAD_LINES)

    def page(
        self, after: int, size_limit: int = PAGE_BYTES, kinds: Collection[str] | None = None, head: int = 0
    ) -> Page | None:
        """Read in growing bites, so that a page of huge events and one of tiny ones both stay within bounds.

        None: what follows is not stored any more; it was compacted or pruned a moment ago. `kinds`: of these alone;
        whoever has read all of them up to `head`, which was seen before, has that as their cursor.
        """
        if self._names is None:
            self._names = events.settled_names(self.build_id)
        found: list[Frame] = []
        size, bite = 0, _BITE
        while size < size_limit and len(found) < PAGE_EVENTS:
            cursor = found[-1].id if found else after
            records = events.read(self.build_id, cursor, bite, self._names, kinds)
            if _has_holes(cursor, records) and self._is_void(cursor):
                return None
            for record in records:
                body = frames.encode(record.seq, record.kind, record.data)
                found.append(Frame(record.seq, record.seq, self.project, body))
                size += len(body)
            if len(records) < bite:
                return Page(found, max(found[-1].id if found else after, head), False)
            bite = min(bite * 4, 128) if size < size_limit // 8 else _BITE
        return Page(found, found[-1].id, True)

    def behind(self, after: int) -> Slice | None:
        if self._names is None:
            self._names = events.settled_names(self.build_id)
        limit = after_which(after) - after
        found, last = events.written(self.build_id, after, limit, self._names, SLICE_TEXT, frames.LOG, frames.text)
        if (not found or last - after != len(found)) and self._is_void(after):
            return None
        body = "".join(found).encode("utf-8", "replace")
        return Slice(Packed(body, len(found), self.project), body, last)

    def _is_void(self, cursor: int) -> bool:
        extent = self.extent()
        return extent is None or is_void(cursor, extent)


class BoardSource:
    kind = "board"
    replaces = True
    topic = wakes.BOARD

    def extent(self) -> Extent:
        return board_extent()

    def recent(self, extent: Extent) -> int:
        return max(extent.head - PRELOAD, extent.horizon - 1, 0)

    def page(self, after: int) -> Page | None:
        """None: more changed than one page holds, or a build was deleted since."""
        extent = board_extent()  # first: what is read next has every build's newest state up to its head
        if is_void(after, extent):
            return None
        changed = events.changed(after, BOARD_CHANGES + 1)
        if len(changed) > BOARD_CHANGES:
            return None
        found = [
            Frame(revision, build_id, project, frames.encode(revision, "build", data))
            for revision, build_id, project, data in changed
        ]
        return Page(found, max(extent.head, found[-1].id if found else after), False)

    def behind(self, after: int) -> Slice | None:
        page = self.page(after)
        return page and Slice(page.frames, b"".join(frame.body for frame in page.frames), max(page.upto, after))


def after_which(after: int) -> int:
    """The number at which a slice that begins behind `after` ends at the latest, so that those who came from elsewhere
    go on with the same ones."""
    for size in _ALIGNED:
        if after % size:
            return after - after % size + size
    return after + _ALIGNED[-1]


def board_extent() -> Extent:
    """With the horizon as a build has it: the oldest number still stored, not the oldest cursor still good."""
    extent = events.board_extent()
    return Extent(extent.horizon + 1, extent.head, False)


def extents(build_ids: Iterable[int], board: bool) -> dict[str, Extent]:
    """By topic, those of many builds in one query, and the board's; a build that is gone is absent."""
    build_ids = list(build_ids)
    found = {}
    if build_ids:
        found = {wakes.build_topic(pk): extent for pk, extent in events.heads(build_ids).items()}
    if board:
        found[wakes.BOARD] = board_extent()
    return found


def _has_holes(cursor: int, records: list[events.Record]) -> bool:
    """Whether these are not what follows the cursor number by number: there was a `cut`, or they are being deleted."""
    return not records or records[0].seq != cursor + 1 or records[-1].seq - records[0].seq != len(records) - 1


def is_void(cursor: int, extent: Extent) -> bool:
    """Whether nothing can follow `cursor` without a gap: what came next is not stored, or it is of another world."""
    return cursor + 1 < extent.horizon or cursor > extent.head
