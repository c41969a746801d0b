"""What runs for a step: processes (process.py), and work of the board's own, beside the runner's loop."""

import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)
READ_BYTES = 64 * 1024


class Job(Protocol):
    """`terminal` and `report` are files to wait on: output to `read()`, and news for `hear()`. Each is None when there
    is nothing more to expect from it."""

    terminal: int | None
    report: int | None
    exit_code: int | None
    """Once it has ended; 0: well."""
    fault: str
    """Why it did not end well, in a sentence; empty: its exit code says it."""

    @property
    def is_over(self) -> bool:
        """Nothing of it lives any more."""

    def read(self) -> bytes:
        """What it has printed; empty where that is nothing just now."""

    def hear(self) -> None:
        """Take its news: sets `exit_code`, and `is_over` at its end."""

    def reassure(self) -> None:
        """Its runner lives."""

    def stop(self, grace: float) -> None:
        """Ask it to end within so many seconds. Returns at once; may be repeated."""

    def close(self) -> None:
        """Let go of it."""


class Stopped(Exception):
    """The step is to end: raised in work by what it says or asks."""


class Desk:
    """What work is given: how to say a line, and whether to go on."""

    def __init__(self, pipe: int, stopping: threading.Event) -> None:
        self._pipe = pipe
        self._stopping = stopping
        self.moved_at = time.monotonic()
        """When it last asked."""

    def check(self) -> None:
        """`Stopped` where the work is to end: ask before each piece of it."""
        self.moved_at = time.monotonic()
        if self._stopping.is_set():
            raise Stopped

    def say(self, line: str) -> None:
        """One line for the step's log."""
        self.check()
        view = memoryview(line.encode("utf-8", "replace").replace(b"\n", b" ") + b"\n")
        while view:
            try:
                view = view[os.write(self._pipe, view) :]
            except OSError as error:  # nobody reads any more
                raise Stopped from error


class Work:
    """A function in a thread: for what takes its time on files or the network. It neither reads nor writes the
    database: what it finds is stored by the runner's own thread, after it."""

    def __init__(self, name: str, call: Callable[[Desk], None], patience: float = math.inf) -> None:
        """`call` raises `OSError` or `ValueError` where it fails; `NAME: what was wrong.` becomes `fault`. Work that
        has not asked its desk for `patience` seconds hangs: it is left where it is, and has failed."""
        self.exit_code: int | None = None
        self.fault = ""
        self._name = name
        self._call = call
        self._stopping = threading.Event()
        self.terminal: int | None
        self.report: int | None
        self.terminal, said = os.pipe()
        self.report, ended = os.pipe()
        os.set_blocking(self.terminal, False)
        os.set_blocking(self.report, False)
        self._patience = patience
        self._desk = Desk(said, self._stopping)
        threading.Thread(target=self._run, args=(said, ended), name="work", daemon=True).start()

    def _run(self, said: int, ended: int) -> None:
        fault = ""
        try:
            self._call(self._desk)
        except Stopped:
            fault = f"{self._name}: stopped."
        except (OSError, ValueError) as error:
            fault = f"{self._name}: {getattr(error, 'strerror', None) or error}."
        except Exception as error:
            logger.exception("action=work state=failed name=%s", self._name)
            fault = f"{self._name}: {type(error).__name__}."
        self.fault = self.fault or fault
        os.close(said)
        os.close(ended)

    @property
    def is_over(self) -> bool:
        return self.report is None

    def read(self) -> bytes:
        if self.terminal is None:
            return b""
        try:
            data = os.read(self.terminal, READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            os.close(self.terminal)
            self.terminal = None
        return data

    def hear(self) -> None:
        if self.report is None:
            return
        if time.monotonic() - self._desk.moved_at > self._patience:
            self.fault = f"{self._name}: nothing has moved for {self._patience:.0f} seconds."
            self._stopping.set()
            os.close(self.report)
            self.report = None
            self.exit_code = 1
            return
        with contextlib.suppress(BlockingIOError):
            os.read(self.report, 1)  # nothing is ever written there: it has come to its end
            os.close(self.report)
            self.report = None
            self.exit_code = 1 if self.fault else 0

    def reassure(self) -> None:
        """It has the runner's own life."""

    def stop(self, grace: float) -> None:
        self._stopping.set()

    def close(self) -> None:
        self._stopping.set()
        for file in (self.terminal, self.report):
            if file is not None:
                os.close(file)
        self.terminal = self.report = None
