"""Work beside the runner's loop, such as copying files: in a thread of its own, so that the lease is renewed and other
steps are read meanwhile. It never touches the database: it asks the runner's thread to.

Where it hangs, in a storage that does not answer, it is left behind: whatever it does later stores nothing.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

STALL_SECONDS = 60.0
"""Work that has not moved for so long hangs."""


class Left(Exception):
    """The runner has gone on without this work: it is to clean up and end."""


class _Request:
    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.answered = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None


class Aside:
    """`work` is called with this, in the thread. The runner calls `serve` when `file` has something to read, and
    `close` in the end."""

    def __init__(self, work: Callable[["Aside"], None]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._requests: deque[_Request] = deque()
        self._said: list[str] = []
        self._is_left = False
        self._moved_at = time.monotonic()
        self.file, self._bell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.is_over = False
        self.error: BaseException | None = None
        """What `work` raised, once it is over."""
        threading.Thread(target=self._run, name="worker-aside", daemon=True).start()

    # --- In the thread ---

    def ask(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `function` returns or raises, called in the runner's thread. `Left`."""
        request = _Request(lambda: function(*args, **kwargs))
        with self._lock:
            if self._is_left:
                raise Left
            self._requests.append(request)
            self._ring()
        request.answered.wait()
        if request.error is not None:
            raise request.error
        return request.result

    def say(self, line: str) -> None:
        """A line for the step's log."""
        with self._lock:
            self._said.append(line)
            self._ring()

    def moved(self) -> None:
        """It goes on. `Left`."""
        self._moved_at = time.monotonic()
        if self._is_left:
            raise Left

    def is_left(self) -> bool:
        """Whether to end; asking is a sign of life."""
        self._moved_at = time.monotonic()
        return self._is_left

    def _run(self) -> None:
        try:
            self._work(self)
        except Left:
            pass
        except BaseException as error:
            self.error = error
        with self._lock:
            self.is_over = True
            self._ring()

    def _ring(self) -> None:
        if not self._is_left:
            with contextlib.suppress(BlockingIOError):  # it rings already
                os.write(self._bell, b"!")

    # --- In the runner's thread ---

    def serve(self, store: Callable[..., Any] = lambda function: function()) -> list[str]:
        """Do what was asked for, by `store`; the lines that were said meanwhile. What `store` raises is raised here,
        and the work is left."""
        self._hush()
        while (request := self._next()) is not None:
            try:
                request.result = store(request.function)
            except Exception as error:
                request.error = Left()
                self.close()
                raise error
            finally:
                self._moved_at = time.monotonic()
                request.answered.set()
        with self._lock:
            said, self._said = self._said, []
        return said

    def is_stalled(self) -> bool:
        return not self.is_over and time.monotonic() - self._moved_at > STALL_SECONDS

    def close(self) -> None:
        """Go on without it. Called again it does nothing."""
        with self._lock:
            if self._is_left:
                return
            self._is_left = True
            for request in self._requests:
                request.error = Left()
                request.answered.set()
            self._requests.clear()
            os.close(self._bell)
            os.close(self.file)

    def _next(self) -> _Request | None:
        with self._lock:
            return self._requests.popleft() if self._requests else None

    def _hush(self) -> None:
        with self._lock:
            if not self._is_left:
                with contextlib.suppress(BlockingIOError):  # it has not rung
                    os.read(self.file, 65_536)
