"""Reads what steps print while the runner's own thread waits for the database: a terminal holds some kilobytes, and a
program that floods would stand still as long as each commit takes."""

import logging
import os
import select
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from .jobs import Job

logger = logging.getLogger(__name__)
T = TypeVar("T")

MOST_BYTES = 256 * 1024
"""Read ahead at most: after that the terminals hold the steps back again, however long the database is away."""


class ReadAhead:
    """One thread, begun with the first call and ended by `close`. Only while a call lasts it touches any job."""

    def __init__(self) -> None:
        self._begin, self._over = threading.Event(), threading.Event()
        self._bell: tuple[int, int] | None = None
        self._jobs: Sequence[Job] = ()
        self._found: list[tuple[Job, bytes]] = []

    def during(self, call: Callable[[], T], jobs: Sequence[Job]) -> tuple[T, list[tuple[Job, bytes]]]:
        """What `call` returns, and what the jobs have printed meanwhile, in order."""
        if self._bell is None:
            self._bell = os.pipe()
            threading.Thread(target=self._run, args=self._bell[:1], name="readahead", daemon=True).start()
        self._jobs, self._found = jobs, []
        self._over.clear()
        self._begin.set()
        try:
            result = call()
        finally:
            os.write(self._bell[1], b"!")
            self._over.wait()
        return result, self._found

    def close(self) -> None:
        if self._bell is not None:
            os.close(self._bell[1])
            self._begin.set()
            self._bell = None

    def _run(self, bell: int) -> None:
        while True:
            self._begin.wait()
            self._begin.clear()
            try:
                self._read(bell)
            except Exception:
                logger.exception("action=read-ahead state=failed")
            if not os.read(bell, 1):
                os.close(bell)
                return
            self._over.set()

    def _read(self, bell: int) -> None:
        """Until the bell rings."""
        size = 0
        while size < MOST_BYTES:
            terminals = {job.terminal: job for job in self._jobs if job.terminal is not None}
            poll = select.poll()
            for file in (bell, *terminals):
                poll.register(file, select.POLLIN)
            ready = [file for file, _ in poll.poll()]
            if bell in ready:
                return
            for file in ready:
                data = terminals[file].read()
                self._found.append((terminals[file], data))
                size += len(data)
