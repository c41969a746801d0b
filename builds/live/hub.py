"""Per process: who watches what. The hub hears wakes, looks by itself, keeps a tail per watched topic, and asks again,
in one look for all, who may still see what.

A hub belongs to the running event loop. It starts with the first viewer, and stops some seconds after the last one:
an idle process listens to nothing and asks the database nothing.
"""

import asyncio
import contextvars
import logging
import time
import weakref
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from django.conf import settings

from buildboard.presence import database

from .. import access, wakes
from ..access import Standing
from ..gauges import streams
from . import sources
from .pages import Pages
from .reading import answered_at, read
from .sources import BuildSource, Source
from .tail import Tail
from .viewer import Viewer

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LOOK_ALONE_SECONDS = 0.05
"""Without a shared channel layer the look is what brings news of other processes."""
LINGER_SECONDS = 5.0
"""A tail without viewers is kept so long: they come back, and long polls are never there in between."""
REJOIN_SECONDS = 3600.0
"""Group memberships expire in some layers; listening starts over before they do."""
RETRY_SECONDS = 1.0
ASKED_AGAIN = 3
"""Where viewers of the board come one after the other, its news do not wait for all of them."""
STALE_SECONDS = 3.0
"""Viewers are told when the database was not reached for so long: what they see may be old."""

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


class Hub:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.tails: dict[str, Tail] = {}
        self.viewers: set[Viewer] = set()
        self._loop = weakref.ref(loop)
        self._per_user: Counter[int | None] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._pages = Pages()
        self._topics_changed = asyncio.Event()
        self._known_projects: frozenset[int] = frozenset()
        """Those for which every viewer of the board was asked, after the project was there."""

    def is_full(self, standing: Standing) -> bool:
        """Whether this process, or this viewer's user, has as many streams as the settings allow."""
        return (
            len(self.viewers) >= settings.BUILDBOARD_STREAMS_PER_PROCESS
            or self._per_user[standing.user] >= settings.BUILDBOARD_STREAMS_PER_USER
        )

    def enter(
        self, source: Source, standing: Standing, cursor: int, kind: str, visible: frozenset[int], head: int = 0
    ) -> Viewer:
        """A new viewer of `source`. Whoever asks for one has to `leave` with it.

        `head`: where the store was seen to stand; a tail that is behind it reads on at once.
        """
        self._start()
        tail = self.tails.get(source.topic)
        if tail is None or tail.gone or tail.rewound:
            tail = self._open(source)
        project = source.project if isinstance(source, BuildSource) else None
        tail.hear(head)
        viewer = Viewer(tail, standing, cursor, kind, project, head)
        viewer.visible = visible
        if project is None:
            self._known_projects &= visible  # as they were asked: a project may have come since
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
        self._pages.forget(source.topic)
        tail = self.tails[source.topic] = Tail(source, self._learn, self._pages)
        old = self._pumps.pop(source.topic, None)
        if old is not None:
            old.cancel()
        self._pumps[source.topic] = self._spawn(tail.pump())
        self._topics_changed.set()
        return tail

    def _start(self) -> None:
        if not self._tasks:
            self._tasks = [self._spawn(loop()) for loop in (self._listen, self._watch, self._mind, self._recheck)]

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
                self._pages.forget(topic)
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

    async def _mind(self) -> None:
        """A database that hangs, or is away, is something that viewers are told."""
        while True:
            await asyncio.sleep(STALE_SECONDS / 6)
            since = answered_at()
            is_stale = time.monotonic() - since > STALE_SECONDS
            for tail in self.tails.values():
                tail.tell_stale(since if is_stale else None)

    # --- Wakes ---

    async def _listen(self) -> None:
        while True:
            try:
                async with asyncio.timeout(REJOIN_SECONDS), wakes.listen() as listener, asyncio.TaskGroup() as group:
                    group.create_task(self._hear(listener))
                    group.create_task(self._join(listener))
                    if wakes.is_shared():
                        group.create_task(listener.keep())
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
        """A project that is new here may be one that viewers of the board may see: ask before its first frame, and once
        more for those who come meanwhile."""
        for _ in range(ASKED_AGAIN):
            asked = set(self.viewers)
            if projects <= self._known_projects or not await self.recheck():
                return
            self._known_projects |= projects
            for viewer in self.viewers - asked:
                if viewer.project is None:
                    self._known_projects &= viewer.visible

    async def recheck(self) -> bool:
        """Ask once for all viewers whether they may still see what they watch. A failed look denies nobody: False."""
        viewers = list(self.viewers)
        try:
            rights = await read(access.visible_projects, {viewer.standing for viewer in viewers})
        except Exception as error:
            if not database.is_away:  # that has been said once for all
                logger.warning("action=recheck error=%r", error)
            return False
        for viewer in viewers:
            visible = rights.get(viewer.standing)
            if visible is None or (viewer.project is not None and viewer.project not in visible):
                viewer.end("denied")
            else:
                viewer.visible = visible
        return True
