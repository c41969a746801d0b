"""What is asked for often, and costs more the more there is: worked out seldom."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Seldom(Generic[T]):
    """A function whose answer is kept for `seconds`, or for a hundred times as long as it took where that is longer: so
    that however slow it becomes, it is at work for a hundredth of the time at most. `about`: another one is asked for
    at once."""

    SHARE = 100

    def __init__(self, work: Callable[[], T], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._work, self._seconds, self._clock = work, seconds, clock
        self._lock = threading.Lock()
        self._found: Any = None
        self._about: Hashable = None
        self._until = float("-inf")

    def __call__(self, about: Hashable = None) -> T:
        with self._lock:
            began = self._clock()
            if began >= self._until or about != self._about:
                self._until = float("-inf")  # should it fail
                self._found, self._about = self._work(), about
                ended = self._clock()
                self._until = ended + max(self._seconds, self.SHARE * (ended - began))
            return self._found
