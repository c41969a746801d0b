"""Real child processes for tests, each in a process group of its own, and all of them ended at exit."""

import atexit
import contextlib
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

from . import ROOT

Found = TypeVar("Found")
ORDERLY_SECONDS = 5.0
"""After TERM, until KILL."""
_STARTED: "list[Process]" = []
_GIVEN: set[int] = set()


class Process:
    """A child in its own process group, started at once. stdout and stderr go to one file: see `output()`.

    `env` is its whole environment (None: this process's). `options` go to `subprocess.Popen`.
    """

    def __init__(
        self,
        args: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] = ROOT,
        **options: object,
    ) -> None:
        self.args = [os.fspath(arg) for arg in args]
        self._file = tempfile.TemporaryFile(prefix="buildboard-test-")  # noqa: SIM115 - open as long as the child writes
        self._said = ""  # once it is closed
        self.popen = subprocess.Popen(  # type: ignore[call-overload]
            self.args,
            env=env,
            cwd=cwd,
            process_group=0,
            **({"stdin": subprocess.DEVNULL, "stdout": self._file, "stderr": subprocess.STDOUT} | options),
        )
        _STARTED.append(self)

    def __repr__(self) -> str:
        return f"<Process {self.pid}: {' '.join(self.args)}>"

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def output(self) -> str:
        """All that it has printed so far."""
        if self._file.closed:
            return self._said
        size = os.fstat(self._file.fileno()).st_size
        return os.pread(self._file.fileno(), size, 0).decode("utf-8", "replace")

    def wait_for(self, text: str, seconds: float = 20) -> str:
        """Until `text` is in the output, which is returned. Fails when it ends before, or after `seconds`."""

        def printed() -> str | None:
            said = self.output()
            if text in said:
                return said
            if not self.running and text not in self.output():
                raise AssertionError(f"{self} ended with {self.popen.returncode} without {text!r}:\n{self.output()}")
            return None

        return eventually(printed, seconds, lambda: f"{self} did not print {text!r}; it printed:\n{self.output()}")

    def wait(self, seconds: float = 20) -> int:
        """Until it has ended by itself: its exit code (negative: the signal that ended it)."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self} still runs after {seconds} s; it printed:\n{self.output()}") from None

    def signal(self, number: int) -> None:
        """To this process alone, not to its group or children."""
        if self.running:
            os.kill(self.pid, number)

    def terminate(self, seconds: float = 20) -> int:
        """TERM, and wait for the orderly end: its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self) -> None:
        """KILL this process alone, as a crash would: what becomes of its children is the product's matter."""
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def kill_all(self) -> None:
        """KILL it and all its descendants at once, as a machine that loses its power: none sees another die."""
        if not self.running:
            return
        family = [psutil.Process(self.pid), *self.children()]
        for order in (psutil.Process.suspend, psutil.Process.kill):
            for process in family:
                with contextlib.suppress(psutil.Error):
                    order(process)
        self.popen.wait()

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def children(self) -> list[psutil.Process]:
        """Its living descendants."""
        try:
            found = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [child for child in found if alive(child.pid)]

    def close(self) -> None:
        """End it and all its descendants, in order where it can be."""
        family = self.children() if self.running else []
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGCONT)
                os.kill(self.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(ORDERLY_SECONDS)
        for child in family:
            with contextlib.suppress(psutil.Error):
                child.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
        self._said = self.output()
        self._file.close()
        if self in _STARTED:
            _STARTED.remove(self)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@atexit.register
def _end_all() -> None:
    for process in reversed(_STARTED[:]):
        process.close()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on, and another one each time.

    Below those that systems give to outgoing connections: one of them would sooner or later have the port of a server
    that is down for a moment.
    """
    for port in random.SystemRandom().sample(range(10_240, 32_000), 1_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _GIVEN:
                _GIVEN.add(port)
                return port
    raise AssertionError("no port of 127.0.0.1 is free")


def alive(pid: int) -> bool:
    """Whether that process lives. A zombie does not: a container without an init never reaps orphans."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    except ProcessLookupError:
        return False
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def eventually(
    predicate: Callable[[], Found | None], seconds: float = 20, message: str | Callable[[], str] = "it never came true"
) -> Found:
    """The first truthy answer of `predicate`, asked about every 30 ms; fails with `message` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s: {message() if callable(message) else message}")
        time.sleep(0.03)
