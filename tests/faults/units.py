"""Processes that are started again when they end, as systemd does it with `Restart=always`."""

import signal
import threading
import time
from collections.abc import Mapping, Sequence

import psutil

from tests.support.processes import Process, alive

RESTART_SECONDS = 1.0
"""As the units in deploy/ have it."""
TURN_SECONDS = 0.05


class Unit:
    """One process of the board, under a name that stays the same."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        self.name = name
        self._command = command
        self._env = env
        self.process = Process(command, env=env)
        self.restarts = 0
        self.said = ""
        """By those that came before."""
        self.complaints: list[str] = []
        self._excused: tuple[set[int], float] | None = None
        self._start_at: float | None = None

    def __str__(self) -> str:
        return self.name

    def excuse(self, codes: set[int], seconds: float) -> None:
        """It is about to end, with one of these exit codes, and is started again so many seconds after that."""
        self._excused = (codes, seconds)

    def kill(self, seconds: float) -> None:
        self.excuse({-signal.SIGKILL}, seconds)
        self.process.signal(signal.SIGKILL)

    def tend(self) -> None:
        """Notice its end, and start it again when it is time."""
        if self.process.running:
            return
        now = time.monotonic()
        if self._start_at is None:
            codes, seconds = self._excused or (set(), RESTART_SECONDS)
            self._excused = None
            if (code := self.process.popen.returncode) not in codes:
                self.complaints.append(f"{self.name} ended with {code}:\n{self.process.output()[-2000:]}")
            self._start_at = now + seconds
        if now >= self._start_at:
            self._start_at = None
            self.restarts += 1
            self.said += f"{self.process.output()}--- started again\n"
            self.process.close()
            self.process = Process(self._command, env=self._env)

    def close(self) -> None:
        self.process.close()

    def children(self, word: str) -> list[psutil.Process]:
        """Its living descendants whose command line has `word`."""
        found = []
        for child in self.process.children():
            try:
                if word in child.cmdline() and alive(child.pid):
                    found.append(child)
            except psutil.Error:
                continue
        return found


class Keeper:
    """The thread that tends the units."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = units
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(TURN_SECONDS):
            for unit in self._units:
                unit.tend()
