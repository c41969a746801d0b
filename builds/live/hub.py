"""Per process: who watches what. The hub hears wakes, looks by itself, keeps a tail per watched topic, and asks again,
in one look for all, who may still see what.

A hub belongs to the running event loop. It starts with the first viewer, and stops some seconds after the last one:
an idle process listens to nothing and asks the database nothing.
"""

import asyncio
import contextvars
import logging
import math
import random
import time
import weakref
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from django.conf import settings

from .. import access, wakes
from ..access import Standing
from ..gauges import streams
from . import sources
from .frames import Frame
from .reading import read
from .sources import BuildSource, Source
from .tail import Slice, Tail

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LOOK_ALONE_SECONDS = 0.05
"""Without a shared channel layer the look is what brings news of other processes."""
LINGER_SECONDS = 5.0
"""A tail without viewers is kept so long: they come back, and long polls are never there in between."""
REJOIN_SECONDS = 3600.0
"""Group memberships expire in some layers; listening starts over before they do."""
RETRY_SECONDS = 1.0
OPENING_SECONDS = 5.0
"""Whoever has no time to wait still waits for a new tail's first reading: before it, nothing is known to be new."""
AGE_SECONDS = (480.0, 600.0)
"""A connection ends itself somewhere in between, so that those opened together do not come back together."""

_hubs: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = weakref.WeakKeyDictionary()
_draining = False


def hub() -> "Hub":
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub(loop)
    return _hubs[loop]


def is_draining() -> bool:
    return _draining


def drain() -> None:
    """The server is about to stop: every stream says `restart` and ends. From any thread, or a signal's handler."""
    global _draining
    _draining = True
    for loop, one in list(_hubs.items()):
        if not loop.is_closed():
            loop.call_soon_threadsafe(one.end_all, "restart")


class Viewer:
    """One reader of one tail: a cursor, and what it has been told to end with. Pulls; nothing is queued for it."""

    def __init__(self, tail: Tail, standing: Standing, cursor: int, kind: str, project: int | None) -> None:
        self.tail = tail
        self.standing = standing
        self.cursor = cursor
        self.kind = kind
        self.project = project
        """The project that it has to be allowed to see; None: all that it may see, and nothing else is shown."""
        self.visible: frozenset[int] = frozenset()
        self.ending: str | None = None
        age = random.uniform(*AGE_SECONDS)  # noqa: S311 - a spread, not a secret
        self._until = time.monotonic() + age if kind != "text" else math.inf  # plain text has no way to resume
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self, reason: str) -> None:
        """Ends with the control event `reason`; the first reason stays."""
        self.ending = self.ending or reason
        self.wake()

    async def next(self, seconds: float) -> Slice | str | None:
        """What follows the cursor, which is moved; or the name of the control event to end with; or None: for
        `seconds` there was nothing."""
        until = time.monotonic() + seconds
        opened_by = time.monotonic() + max(seconds, OPENING_SECONDS)
        while True:
            now = time.monotonic()
            if now >= self._until:
                self.end("restart")
            if self.ending is not None:
                return self.ending
            found = await self._pull()
            if isinstance(found, str):
                return found
            if found is not None:
                self.cursor = found.upto
                shown = self._allowed(found)
                if shown.frames:
                    streams.sent(len(shown.frames))
                    return shown
                continue
            patience = until if self.tail.is_open else opened_by
            if now >= patience:
                return None
            await self._wait(min(patience, self._until) - now)

    async def _pull(self) -> Slice | str | None:
        tail = self.tail
        if tail.gone:
            return "denied"
        if not tail.is_open:
            return None
        if tail.is_void(self.cursor):
            return "reset"
        if self.cursor < tail.floor:
            try:
                page = await tail.page(self.cursor)
            except Exception as error:
                logger.warning("action=page topic=%s error=%r", tail.topic, error)
                return "problem"
            return page if page is not None else "reset"
        if self.cursor < tail.head:
            return tail.after(self.cursor)
        return "end" if tail.is_final else None

    def _allowed(self, found: Slice) -> Slice:
        """Without the frames of projects that this viewer may not see."""
        if self.project is not None or all(frame.project in self.visible for frame in found.frames):
            return found
        shown: list[Frame] = [frame for frame in found.frames if frame.project in self.visible]
        return Slice(shown, b"".join(frame.body for frame in shown), found.upto)

    async def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(max(seconds, 0.0), self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None


class Hub:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.tails: dict[str, Tail] = {}
        self.viewers: set[Viewer] = set()
        self._loop = weakref.ref(loop)
        self._per_user: Counter[int | None] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._topics_changed = asyncio.Event()
        self._known_projects: frozenset[int] = frozenset()
        """Those for which every viewer of the board was asked, after the project was there."""

    def is_full(self, standing: Standing) -> bool:
        """Whether this process, or this viewer's user, has as many streams as the settings allow."""
        return (
            len(self.viewers) >= settings.BUILDBOARD_STREAMS_PER_PROCESS
            or self._per_user[standing.user] >= settings.BUILDBOARD_STREAMS_PER_USER
        )

    def enter(self, source: Source, standing: Standing, cursor: int, kind: str, visible: frozenset[int]) -> Viewer:
        """A new viewer of `source`. Whoever asks for one has to `leave` with it."""
        self._start()
        tail = self.tails.get(source.topic)
        if tail is None or tail.gone or tail.rewound:
            tail = self._open(source)
        project = source.project if isinstance(source, BuildSource) else None
        viewer = Viewer(tail, standing, cursor, kind, project)
        viewer.visible = visible
        tail.viewers.add(viewer)
        self.viewers.add(viewer)
        self._per_user[standing.user] += 1
        streams.opened(kind)
        return viewer

    def leave(self, viewer: Viewer, reason: str = "gone") -> None:
        """Doing it twice is doing it once."""
        if viewer not in self.viewers:
            return
        self.viewers.discard(viewer)
        viewer.tail.viewers.discard(viewer)
        viewer.tail.idle_since = time.monotonic()
        self._per_user[viewer.standing.user] -= 1
        if not self._per_user[viewer.standing.user]:
            del self._per_user[viewer.standing.user]
        streams.closed(viewer.kind, reason)

    def end_all(self, reason: str) -> None:
        for viewer in list(self.viewers):
            viewer.end(reason)

    # --- Tails, and what keeps them ---

    def _open(self, source: Source) -> Tail:
        tail = self.tails[source.topic] = Tail(source, self._learn)
        old = self._pumps.pop(source.topic, None)
        if old is not None:
            old.cancel()
        self._pumps[source.topic] = self._spawn(tail.pump())
        self._topics_changed.set()
        return tail

    def _start(self) -> None:
        if not self._tasks:
            self._tasks = [self._spawn(loop()) for loop in (self._listen, self._watch, self._recheck)]

    @staticmethod
    def _spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """In a context of its own: these outlive the request that happens to need them first."""
        return asyncio.get_running_loop().create_task(work, context=contextvars.Context())

    def _sweep(self) -> bool:
        """Drop the tails that nobody has watched for a while. True: none is left, and everything has been stopped."""
        now = time.monotonic()
        for topic, tail in list(self.tails.items()):
            if not tail.viewers and now - tail.idle_since > LINGER_SECONDS:
                del self.tails[topic]
                self._pumps.pop(topic).cancel()
                self._topics_changed.set()
        if self.tails:
            return False
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._tasks = []
        return True

    # --- The safety look ---

    async def _watch(self) -> None:
        """Whatever wakes were lost, doubled or never sent: look."""
        while not self._sweep():
            await asyncio.sleep(LOOK_SECONDS if wakes.is_shared() else LOOK_ALONE_SECONDS)
            known = {topic: (tail, tail.head) for topic, tail in self.tails.items() if tail.is_open}
            builds = [tail.source.build_id for tail, _ in known.values() if isinstance(tail.source, BuildSource)]
            try:
                found = await read(sources.extents, builds, wakes.BOARD in known)
            except Exception as error:
                logger.debug("action=look error=%r", error)
                for tail, _ in known.values():
                    tail.mark()  # its own reading says how long the database has been away
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for topic, (tail, head) in known.items():
                tail.look(head, found.get(topic))

    # --- Wakes ---

    async def _listen(self) -> None:
        while True:
            try:
                async with asyncio.timeout(REJOIN_SECONDS), wakes.listen() as listener, asyncio.TaskGroup() as group:
                    group.create_task(self._hear(listener))
                    group.create_task(self._join(listener))
            except TimeoutError:
                continue
            except Exception as error:
                logger.debug("action=listen error=%r", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _hear(self, listener: wakes.Listener) -> None:
        while True:
            wake = await listener.next()
            tail = self.tails.get(wake.topic)
            if tail is not None:
                tail.hear(wake.head)

    async def _join(self, listener: wakes.Listener) -> None:
        """Keep the joined groups equal to the watched topics. A tail reads again once it is sure to hear more."""
        joined: set[str] = set()
        while True:
            self._topics_changed.clear()
            for topic in joined - self.tails.keys():
                joined.discard(topic)
                await listener.leave(topic)
            complete = True
            for topic in list(self.tails.keys() - joined):
                complete = await listener.join(topic)
                if not complete:
                    break
                joined.add(topic)
                if topic in self.tails:
                    self.tails[topic].mark()
            if complete:
                await self._topics_changed.wait()
            else:
                await asyncio.sleep(RETRY_SECONDS)

    # --- Rights ---

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(settings.BUILDBOARD_RECHECK_SECONDS)
            await self.recheck()

    async def _learn(self, projects: set[int]) -> None:
        """A project that is new here may be one that viewers of the board may see: ask before its first frame."""
        if not projects <= self._known_projects and await self.recheck():
            self._known_projects |= projects

    async def recheck(self) -> bool:
        """Ask once for all viewers whether they may still see what they watch. A failed look denies nobody: False."""
        viewers = list(self.viewers)
        try:
            rights = await read(access.visible_projects, {viewer.standing for viewer in viewers})
        except Exception as error:
            logger.warning("action=recheck error=%r", error)
            return False
        for viewer in viewers:
            visible = rights.get(viewer.standing)
            if visible is None or (viewer.project is not None and viewer.project not in visible):
                viewer.end("denied")
            else:
                viewer.visible = visible
        return True
