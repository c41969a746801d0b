"""What a server says to one request, in turn: for one who puts it in and one who waits for it.

As `asyncio.Queue`, which takes three KiB for what may be a stream that nobody says anything to for minutes.
"""

import asyncio
from collections.abc import Iterable
from typing import Any


class Inbox:
    __slots__ = ("_messages", "_waiter")

    def __init__(self, messages: Iterable[dict[str, Any]] = ()) -> None:
        self._messages = list(messages)
        self._waiter: asyncio.Future[None] | None = None

    def put_nowait(self, message: dict[str, Any]) -> None:
        self._messages.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> dict[str, Any]:
        """The next one. Cancelled, it has taken none. `RuntimeError`: somebody waits already."""
        if self._waiter is not None:
            raise RuntimeError("Two wait for what one is told.")
        while not self._messages:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._messages.pop(0)
