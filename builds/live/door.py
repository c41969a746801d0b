"""Questions to the database that are answered together: all that wait at a time in one go.

A thousand viewers who come back at once wait for little but the database. The first of them is asked for at once, and
those who come meanwhile are the next go.
"""

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from . import reading

MOST = 100
"""In one go: one of the readers is theirs meanwhile."""

Q = TypeVar("Q")
A = TypeVar("A")


class Door(Generic[Q, A]):
    """Of the running event loop."""

    def __init__(self, answer: Callable[[Sequence[Q]], Sequence[A | Exception]]) -> None:
        """`answer` reads the database, and has as many answers as there are questions, in their order."""
        self._answer = answer
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._task: asyncio.Task[None] | None = None

    def ask(self, question: Q) -> "asyncio.Future[A]":
        """Its answer; or the error that was it, or that the whole go has failed with."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, future))
        if self._task is None or self._task.done():  # in a context of its own: it outlives who happens to be the first
            self._task = loop.create_task(self._serve(), context=contextvars.Context())
        return future

    async def _serve(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            some = [one for one in some if not one[1].done()]  # nobody waits for it any more
            try:
                answers = await reading.read_later(self._answer, [question for question, _ in some])
            except Exception as error:
                answers = [error] * len(some)
            for (_, future), answer in zip(some, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
