"""Topics, and the doorbell between processes: the only file that imports channels.

A wake says "look again" and carries no truth: it may be lost, doubled, merged or late, and every reader looks again by
itself. So `wake()` costs its caller nothing and never fails: it marks a topic, and one thread sends what is marked
through the channel layer, merged, with a time limit. `listen()` is one channel per process that joins the groups of
the topics that are watched there.
"""

import asyncio
import contextlib
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from channels.layers import InMemoryChannelLayer, get_channel_layer

logger = logging.getLogger(__name__)

BOARD = "board"
SEND_SECONDS = 2.0
"""After which one sending is given up: a paused Redis delays the next wake by this, and nothing else."""
ECHO_SECONDS = 10.0
"""So often a listener sends something to itself, and so long it waits to hear it."""


class Deaf(Exception):
    """What a listener sent to itself did not arrive: it is to listen anew."""


class Wake(NamedTuple):
    topic: str
    head: int | None
    """A hint: the topic's newest number, as its writer knew it."""


def build_topic(build_id: int) -> str:
    return f"build.{build_id}"


def is_shared() -> bool:
    """Whether wakes reach other processes: not with the in-memory layer."""
    return not isinstance(_layer(), InMemoryChannelLayer)


def wake(topic: str, head: int | None = None) -> None:
    """Tell every listener of `topic` to look again. From any thread; returns at once and never raises."""
    _bell.mark(topic, head)


@contextlib.asynccontextmanager
async def listen() -> AsyncIterator["Listener"]:
    """This process's one channel. Call it on the event loop that serves requests, once per process."""
    listener = Listener()
    loop = asyncio.get_running_loop()
    _bell.attach(loop)
    try:
        yield listener
    except Exception:
        await listener.drop()
        raise
    finally:
        _bell.detach(loop)
        await listener.close()


class Listener:
    """Joined topics and the wakes that arrive on them. A layer that is away is tried again by the caller's rhythm."""

    def __init__(self) -> None:
        self._layer = _layer()
        self._channel: str | None = None
        self._naming = asyncio.Lock()
        self._joined: set[str] = set()
        self._echo_topic = f"echo.{secrets.token_hex(8)}"
        self._echo = asyncio.Event()

    async def join(self, topic: str) -> bool:
        """Hear of `topic` from now on. False: the layer did not take it; ask again later."""
        if topic in self._joined:
            return True
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._layer.group_add(topic, await self._name())
        except Exception as error:  # whatever a layer's driver raises, it is a doorbell that does not ring
            logger.debug("action=wake-join topic=%s error=%r", topic, error)
            return False
        self._joined.add(topic)
        return True

    async def leave(self, topic: str) -> None:
        if topic not in self._joined:
            return
        self._joined.discard(topic)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(SEND_SECONDS):
                await self._layer.group_discard(topic, await self._name())

    async def next(self) -> Wake:
        """Waits for the next wake. Raises what the layer raises: the caller rests and calls again.

        Await it in a task of its own, not under a time limit: over Redis each cancellation unsubscribes, and what
        arrives before the next call is lost.
        """
        while True:
            message = await self._layer.receive(await self._name())
            if message["topic"] != self._echo_topic:
                return Wake(message["topic"], message.get("head"))
            self._echo.set()

    async def keep(self) -> None:
        """Until this listener is found `Deaf`. A connection whose other end has gone without a word looks like one on
        which nobody has said anything. Somebody has to call `next` meanwhile."""
        while True:
            self._echo.clear()
            try:
                async with asyncio.timeout(ECHO_SECONDS):
                    if not await self.join(self._echo_topic):
                        raise Deaf("the layer takes no join")
                    await self._layer.group_send(self._echo_topic, {"type": "wake", "topic": self._echo_topic})
                    await self._echo.wait()
            except Exception as error:
                _hearing.failed(error)
                raise Deaf from error
            _hearing.worked()
            await asyncio.sleep(ECHO_SECONDS)

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEND_SECONDS):
                for topic in list(self._joined):
                    await self.leave(topic)

    async def drop(self) -> None:
        """Something failed: let go of the layer's connections as well, with all that they were subscribed to. A layer
        may believe in a subscription that a broken connection has taken with it."""
        self._joined.clear()
        if hasattr(self._layer, "flush") and is_shared():
            with contextlib.suppress(Exception):
                async with asyncio.timeout(SEND_SECONDS):
                    await self._layer.flush()

    async def _name(self) -> str:
        async with self._naming:  # who joins and who hears are two tasks: both have to mean the same channel
            if self._channel is None:
                async with asyncio.timeout(SEND_SECONDS):
                    self._channel = await self._layer.new_channel()
            return self._channel


class _Line:
    """Whether wakes travel: said once when it changes, however often it is tried."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failed_at: float | None = None

    def failed(self, error: Exception) -> None:
        if self._failed_at is None:
            self._failed_at = time.monotonic()
            logger.warning("action=wakes-%s state=away error=%r", self._name, error)

    def worked(self) -> None:
        if self._failed_at is not None:
            logger.warning("action=wakes-%s state=back seconds=%.1f", self._name, time.monotonic() - self._failed_at)
            self._failed_at = None


_sending, _hearing = _Line("sent"), _Line("heard")


_first = threading.Lock()


def _layer() -> Any:
    """The process's channel layer: two threads that both ask first would else get one each, deaf to each other."""
    with _first:
        return get_channel_layer()


class _Bell:
    """The marked topics, and who sends them: the listening loop where this process has one, else a thread's own.

    In-memory channels belong to the loop that reads them and are not safe to touch from another thread; and a layer
    over Redis keeps its connections per loop, so one loop, kept open, is one connection for all wakes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marked: dict[str, int | None] = {}
        self._ringing = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners = 0
        """How many listen on that loop."""

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._listeners = self._listeners + 1 if self._loop is loop else 1
            self._loop = loop

    def detach(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            if self._loop is loop:  # else a later one has taken its place
                self._listeners -= 1
                self._loop = loop if self._listeners else None

    def mark(self, topic: str, head: int | None) -> None:
        with self._lock:
            known = self._marked.get(topic, head)
            self._marked[topic] = None if known is None or head is None else max(known, head)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="wakes", daemon=True)
                self._thread.start()
        self._ringing.set()

    def _run(self) -> None:
        own = asyncio.new_event_loop()
        while True:
            self._ringing.wait()
            self._ringing.clear()
            with self._lock:
                marked, self._marked = self._marked, {}
                loop = self._loop
            if not marked:
                continue
            try:
                if loop is not None and loop.is_running():
                    asyncio.run_coroutine_threadsafe(self._send(marked), loop).result(SEND_SECONDS + 1)
                elif is_shared():
                    own.run_until_complete(self._send(marked))
                # Else nobody in this process listens, and in memory nobody else can.
            except Exception as error:
                logger.debug("action=wake-send topics=%d error=%r", len(marked), error)

    @staticmethod
    async def _send(marked: dict[str, int | None]) -> None:
        layer = _layer()
        try:
            async with asyncio.timeout(SEND_SECONDS):
                for topic, head in marked.items():
                    await layer.group_send(topic, {"type": "wake", "topic": topic, "head": head})
            _sending.worked()
        except Exception as error:
            _sending.failed(error)


_bell = _Bell()
