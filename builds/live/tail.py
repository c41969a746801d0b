"""A topic's newest frames in memory: read once and encoded once for all its viewers in this process.

`pump()` is the only writer. It is told that there may be news (`mark`), reads what is above its head, keeps it, wakes
the viewers, and rests: news of an idle topic leave at once, bursts in few writes.
Viewers pull: `after(cursor)` is one slice; what is older than the tail comes in pages from the store. Those who have
nothing left to pull and a client that takes what it is sent are handed what is new without being woken.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.conf import settings

from buildboard.presence import AWAY, database

from ..events import Extent
from ..gauges import streams
from .frames import Frame, Slice
from .pages import Pages, Reading
from .reading import read
from .sources import Page, Source, is_void

if TYPE_CHECKING:
    from .viewer import Viewer

logger = logging.getLogger(__name__)

SLICE_BYTES = 256 * 1024
SLICE_EVENTS = 1_000
SLICES = 64
"""Kept at a time for those who stand at the same cursors; the others' are made again."""
REST, REST_SECONDS = 2.7, 0.04
"""A tail rests so many times what its last flush cost the event loop, and so long at most: its price is by the write,
whatever is in it. A thousand viewers of a hundred events a second then get three or four in each."""
TURN_SECONDS = 0.005
"""Handing news to many viewers lets others have their turn so often."""
TOGETHER = 20
"""Viewers who are handed news before the clock is looked at."""
FAILED_SECONDS = 0.5
PROBLEM_SECONDS = 5.0
"""A tail that cannot read for so long, though the database is there, says so to its viewers."""


Learn = Callable[[set[int]], Awaitable[None]]
"""Called with the projects of new frames, before any viewer gets them."""


class Tail:
    def __init__(self, source: Source, learn: Learn, pages: Pages) -> None:
        self.source = source
        self._learn = learn
        self._pages = pages
        self.topic = source.topic
        self.viewers: set[Viewer] = set()
        self.extent: Extent | None = None
        """As it was last read; its head may be ahead of this tail's. None: not read yet."""
        self.floor = self.head = 0
        """The tail holds what is above `floor`, up to `head`."""
        self.gone = False
        """The build was deleted."""
        self.rewound = False
        """The store's head went back: this is another world."""
        self._stale_since: float | None = None
        self.idle_since = time.monotonic()
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._bytes = 0
        self._dirty = asyncio.Event()
        self._dirty.set()
        self._slices: dict[int, Slice] = {}
        self._failing_since: float | None = None

    @property
    def is_open(self) -> bool:
        return self.extent is not None

    @property
    def is_final(self) -> bool:
        """Nothing will be added, and this tail has everything."""
        return self.extent is not None and self.extent.final and self.head >= self.extent.head

    # --- News ---

    def mark(self) -> None:
        """There may be news: read again."""
        self._dirty.set()

    def hear(self, head: int | None) -> None:
        """A wake. Its hint saves a reading where this tail has that much already."""
        if head is None or head > self.head:
            self._dirty.set()

    def look(self, known_head: int, extent: Extent | None) -> None:
        """What a safety look found; `known_head` is this tail's head when that look began."""
        if not self.is_open:
            return
        if extent is None:
            self.gone = True
        elif extent.head < known_head:
            self.rewound = True
        elif extent.head > self.head or (extent.final and not self.is_final) or extent.horizon > self.extent.horizon:
            self._dirty.set()
            return
        else:
            return
        self.wake()

    @property
    def stale(self) -> int | None:
        """Seconds since the database was reached, where that is a while ago: this tail may be behind it."""
        return None if self._stale_since is None else round(time.monotonic() - self._stale_since)

    def tell_stale(self, since: float | None) -> None:
        changed = (since is None) != (self._stale_since is None)
        self._stale_since = since
        if changed:
            self.wake()

    def wake(self) -> None:
        for viewer in self.viewers:
            viewer.wake()

    async def _hand_out(self) -> None:
        """What is new, to all who wait for it."""
        frames = writes = 0
        viewers = tuple(self.viewers)
        until = time.monotonic() + TURN_SECONDS
        for place in range(0, len(viewers), TOGETHER):
            news = News(self)
            for viewer in viewers[place : place + TOGETHER]:
                handed = viewer.offer(news)
                if handed:
                    frames += handed
                    writes += 1
            if time.monotonic() > until:
                await asyncio.sleep(0)
                until = time.monotonic() + TURN_SECONDS
        streams.sent(frames, writes)

    async def pump(self) -> None:
        """For as long as the tail is watched. Never fails: what it cannot read, it reads later."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            began = time.thread_time()
            try:
                await self._flush()
                self._failing_since = None
            except Exception as error:
                self._failed(error)
                self._dirty.set()
                await asyncio.sleep(FAILED_SECONDS)
                continue
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # the viewers that were woken have taken it by now
            await asyncio.sleep(min((time.thread_time() - began) * REST, REST_SECONDS))

    async def _flush(self) -> None:
        found = await read(self._look_up, self.head if self.is_open else None)
        if found is None:
            self.gone = True
            self.wake()
            return
        extent, above, page = found
        if self.extent is None:
            self.floor = self.head = above
        more = extent.head > self.head
        while more:
            if page is not None:
                await self._learn({frame.project for frame in page.frames})
            self._keep(page, extent)
            more = page is not None and page.more
            if more:
                self.extent = extent
                await self._hand_out()
                page = await read(self.source.page, self.head)
        self.extent = extent
        self._slices.clear()
        await self._hand_out()

    def _look_up(self, head: int | None) -> tuple[Extent, int, Page | None] | None:
        """On a reader, in one go, since changing threads costs as much as reading one event: where the source stands,
        the number above which this tail reads on, and the first page above it, if there is one. None: it is gone."""
        extent = self.source.extent()
        if extent is None:
            return None
        above = self.source.recent(extent) if head is None else head
        return extent, above, self.source.page(above) if extent.head > above else None

    def _keep(self, page: Page | None, extent: Extent) -> None:
        self._slices.clear()
        if page is None:  # more than a page of changes: nobody here can follow them
            self._frames.clear()
            self._bytes = 0
            self.floor = self.head = extent.head
            return
        for frame in page.frames:
            old = self._frames.pop(frame.key, None) if self.source.replaces else None
            self._frames[frame.key] = frame
            self._bytes += len(frame.body) - (len(old.body) if old else 0)
        self.head = page.upto
        while self._bytes > settings.BUILDBOARD_TAIL_KB * 1024 and len(self._frames) > 1:
            _, oldest = self._frames.popitem(last=False)
            self._bytes -= len(oldest.body)
            self.floor = oldest.id
        if page.frames:
            _measure_lag(page.frames[-1].body)

    def _failed(self, error: Exception) -> None:
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            if not database.is_away:  # that has been said once for all
                logger.warning("action=tail-read topic=%s error=%r", self.topic, error)
        if now - self._failing_since > PROBLEM_SECONDS and not isinstance(error, AWAY):
            for viewer in self.viewers:
                viewer.end("problem")

    # --- Viewers ---

    def is_void(self, cursor: int) -> bool:
        return self.rewound or (self.extent is not None and is_void(min(cursor, self.extent.head), self.extent))

    def after(self, cursor: int) -> Slice:
        """What follows `cursor`, which is not below the floor: at most SLICE_BYTES and SLICE_EVENTS, or one frame.
        The same bytes for every viewer that stands there."""
        found = self._slices.get(cursor)
        if found is None:
            if len(self._slices) >= SLICES:
                self._slices.clear()
            found = self._slices[cursor] = self._slice(cursor)
        return found

    def _slice(self, cursor: int) -> Slice:
        newer: list[Frame] = []
        for frame in reversed(self._frames.values()):
            if frame.id <= cursor:
                break
            newer.append(frame)
        newer.reverse()
        taken: list[Frame] = []
        size = 0
        for frame in newer:
            if len(taken) == SLICE_EVENTS or (taken and size + len(frame.body) > SLICE_BYTES):
                break
            taken.append(frame)
            size += len(frame.body)
        upto = taken[-1].id if len(taken) < len(newer) else self.head
        return Slice(taken, b"".join(frame.body for frame in taken), upto)

    def page(self, cursor: int) -> Reading:
        """What follows `cursor`, from the store; None: too much changed since. Shared by all who ask for it."""
        return self._pages.ask(self.source, cursor)


class News(dict[int, tuple[Slice, bool] | None]):
    """What viewers who wait are handed in one go, by their cursors: each found once for all who stand there, and
    whether there is more to say after it. None: there is nothing, or something else."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self.now = time.monotonic()

    def __missing__(self, cursor: int) -> tuple[Slice, bool] | None:
        tail = self._tail
        found = None
        if tail.is_open and not tail.gone and tail.floor <= cursor < tail.head and not tail.is_void(cursor):
            part = tail.after(cursor)
            found = part, part.upto < tail.head or tail.is_final
        self[cursor] = found
        return found


def _measure_lag(body: bytes) -> None:
    """From the time in a `log` event's data, whose newest frame was `body`. Other kinds have none."""
    place = body.rfind(b'"at":"')
    if place < 0 or not body.startswith(b"event: log\n", body.find(b"\n") + 1):
        return
    written = datetime.fromisoformat(body[place + 6 : place + 29].decode("ascii")).replace(tzinfo=UTC)
    streams.lag((datetime.now(UTC) - written).total_seconds())
