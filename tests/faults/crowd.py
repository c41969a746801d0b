"""Fifty viewers, and the one thread that they all live in."""

import contextlib
import random
import selectors
import socket
import threading
import time
from typing import Any

from .viewers import Route, Viewer

_TURN = 0.05


class Crowd:
    """All viewers, and the thread that they live in."""

    def __init__(self, token: str, world: str, seed: int) -> None:
        self.token = token
        self.world = world
        self.dice = random.Random(seed)
        self.viewers: list[Viewer] = []
        self.hurries = False
        """From now on the slow ones read as fast as the others."""
        self._began = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._ended = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="viewers", daemon=True)
        self._thread.start()

    def clock(self) -> float:
        """Seconds since this crowd gathered: as the plan counts them."""
        return time.monotonic() - self._began

    def add(self, route: Route, build_id: int | None, **options: Any) -> None:
        self.viewers.append(Viewer(route, build_id, self, **options))

    def missing(self) -> list[Viewer]:
        """Those that have not been told the end of their build."""
        if self._failed is not None:
            raise self._failed
        return [viewer for viewer in self.viewers if not viewer.seen.ended and viewer.seen.build_id is not None]

    def behind(self, revision: int) -> list[Viewer]:
        """Viewers of the board that have not got that far."""
        return [viewer for viewer in self.viewers if viewer.seen.build_id is None and viewer.seen.cursor < revision]

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        for viewer in self.viewers:
            viewer._close()
        self._selector.close()

    # --- In its thread ---

    def watch(self, viewer: Viewer, at: socket.socket, mask: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(at)
        if mask:
            self._selector.register(at, mask, viewer)

    def _run(self) -> None:
        try:
            turn_at = 0.0
            while not self._ended.is_set():
                for key, mask in self._selector.select(_TURN):
                    key.data.ready(mask)
                now = time.monotonic()
                if now >= turn_at:
                    turn_at = now + _TURN
                    for viewer in list(self.viewers):
                        viewer.turn(now)
        except BaseException as error:
            self._failed = error
