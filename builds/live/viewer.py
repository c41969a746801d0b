"""One reader of one tail: a cursor, its bounds, and what it was told to end with. Pulls; nothing is queued for it."""

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable

from django.conf import settings

from buildboard.presence import AWAY

from ..access import Standing
from ..gauges import streams
from .frames import Frame, Slice
from .pages import Reading
from .tail import News, Tail

logger = logging.getLogger(__name__)

OPENING_SECONDS = 5.0
"""Whoever has no time to wait still waits for a new tail's first reading: before it, nothing is known to be new."""
YOUNGEST_END = 0.8
"""A connection ends itself between this share of its greatest age and all of it, so that those opened together do not
come back together."""
PAGE_AGAIN_SECONDS = (0.5, 1.0)
"""A page of the store that could not be read is asked for again after this."""


Push = Callable[[bytes], bool]
"""Hands a part of a body to the server at once, where its client takes what it is sent; else False, and nothing was."""


class Viewer:
    __slots__ = (
        "_bytes_left",
        "_least",
        "_page",
        "_page_again_at",
        "_pushed_at",
        "_told_stale",
        "_until",
        "_waiter",
        "_way",
        "cursor",
        "ending",
        "kind",
        "project",
        "push",
        "standing",
        "tail",
        "visible",
    )

    def __init__(
        self, tail: Tail, standing: Standing, cursor: int, kind: str, project: int | None, head: int = 0
    ) -> None:
        self.tail = tail
        self.standing = standing
        self.cursor = cursor
        self.kind = kind
        self.project = project
        """The project that it has to be allowed to see; None: all that it may see, and nothing else is shown."""
        self.visible: frozenset[int] = frozenset()
        self._least = head if tail.source.replaces else 0
        """The board's stream begins with the newest states: what a tail has that is not there yet may be overtaken."""
        self.ending: str | None = None
        self.push: Push | None = None
        """A way to its client past whoever pulls: for a tail that has news, while nothing else is under way."""
        self._pushed_at = 0.0
        self._told_stale = False
        resumes = kind != "text"  # plain text has no way to come back to where it was
        age = settings.BUILDBOARD_MAX_STREAM_SECONDS * random.uniform(YOUNGEST_END, 1)  # noqa: S311 - a spread
        self._until = time.monotonic() + age if resumes else math.inf
        self._bytes_left = settings.BUILDBOARD_MAX_STREAM_MB * 1024 * 1024 if resumes else math.inf
        self._page: Reading | None = None
        self._page_again_at = 0.0
        self._waiter: asyncio.Future[None] | None = None
        self._way: Push | None = None
        """While it waits: `push`, where what it waits for is news and nothing else."""

    def offer(self, news: "News") -> int:
        """How many frames this one, who waits for news, was handed without being woken. It is woken where that is not
        possible, or not all that there is to say."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            return 0
        way = self._way
        found = news[self.cursor] if way is not None else None
        if way is None or found is None:
            waiter.set_result(None)
            return 0
        part, more = found
        if self.project is None:
            part = self._allowed(part)
        body = part.body
        if body:
            try:
                taken = way(body)
            except Exception as error:  # a connection that cannot be written to is its own affair, not of those behind
                logger.debug("action=push topic=%s error=%r", self.tail.topic, error)
                self.push = None
                taken = False
            if not taken:
                waiter.set_result(None)
                return 0
            self._bytes_left -= len(body)
            self._pushed_at = news.now
        self.cursor = part.upto
        if more or self._bytes_left <= 0:
            waiter.set_result(None)
        return len(part.frames)

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self, reason: str) -> None:
        """Ends with the control event `reason`; the first reason stays."""
        self.ending = self.ending or reason
        self.wake()

    async def next(self, seconds: float) -> Slice | str | None:
        """What follows the cursor, which is moved; or the name of the control event to end with; or None: for
        `seconds` there was nothing, or the board has lost or found its database."""
        began = time.monotonic()
        opened_by = began + max(seconds, OPENING_SECONDS)
        while True:
            now = time.monotonic()
            if now >= self._until or self._bytes_left <= 0:
                self.end("restart")
            if self.ending is not None:
                return self.ending
            found = self._pull(now)
            if isinstance(found, str):
                return found
            if found is not None:
                self.cursor = found.upto
                shown = self._allowed(found)
                if shown.frames:
                    self._bytes_left -= len(shown.body)
                    streams.sent(len(shown.frames))
                    return shown
                continue
            until = max(began, self._pushed_at) + seconds
            patience = until if self._is_ready and self._page is None else opened_by
            is_stale = self.tail.stale is not None
            if now >= patience or is_stale != self._told_stale:
                self._told_stale = is_stale
                return None
            again_at = self._page_again_at if self._page_again_at > now else math.inf
            await self._wait(min(patience, self._until, again_at) - now)

    @property
    def _is_ready(self) -> bool:
        return self.tail.is_open and self.tail.head >= self._least

    def _pull(self, now: float) -> Slice | str | None:
        tail = self.tail
        if tail.gone:
            return "denied"
        if not tail.is_open:
            return None
        if tail.is_void(self.cursor):
            return "reset"
        if not self._is_ready:
            return None
        if self.cursor < tail.floor:
            return self._stored(now)
        self._page = None
        if self.cursor < tail.head:
            return tail.after(self.cursor)
        return "end" if tail.is_final else None

    def _stored(self, now: float) -> Slice | str | None:
        """A page of the store, when it has been read. While it is waited for, a viewer goes on hearing what else there
        is to say."""
        if self._page is None:
            if now < self._page_again_at:
                return None
            self._ask(self.cursor)
        if self._page is None or not self._page.done():
            return None
        read, self._page = self._page, None
        try:
            found = read.result()
        except AWAY:
            self._page_again_at = now + random.uniform(*PAGE_AGAIN_SECONDS)  # noqa: S311 - a spread
            return None
        except Exception as error:
            logger.warning("action=page topic=%s error=%r", self.tail.topic, error)
            return "problem"
        if found is None:
            return "reset"
        if self.cursor < found.upto < self.tail.floor:
            self._ask(found.upto)  # it is read while this one is sent
        return found

    def _ask(self, cursor: int) -> None:
        self._page = self.tail.page(cursor)
        if not self._page.done():
            self._page.add_done_callback(lambda _: self.wake())

    def _allowed(self, found: Slice) -> Slice:
        """Without the frames of projects that this viewer may not see."""
        if self.project is not None or all(frame.project in self.visible for frame in found.frames):
            return found
        shown: list[Frame] = [frame for frame in found.frames if frame.project in self.visible]
        return Slice(shown, b"".join(frame.body for frame in shown), found.upto)

    async def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        self._way = self.push if self._page is None and not self._told_stale and self._is_ready else None
        timer = loop.call_later(max(seconds, 0.0), self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None
