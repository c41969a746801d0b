"""A step's processes: started under a guardian, their output read from a pseudo-terminal."""

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from .limits import Excess, Limits

COLUMNS, ROWS = 160, 48
"""Wide enough for most tables; programs that fold their lines fold them here."""
READ_BYTES = 64 * 1024
SILENCE_SECONDS = 300.0
"""A worker that hangs, in its database's driver for instance, is as good as dead after this: its steps end."""
NO_LIMITS = Limits()
_GUARDIAN = str(Path(__file__).with_name("guardian.py"))


class Enclosure(Protocol):
    """What a step may be put into: a sandbox or a container."""

    def order(self) -> dict[str, object]:
        """What the guardian has to know of it."""

    def rlimits(self, limits: Limits) -> dict[str, int]:
        """What the kernel is to hold for each process of the step, by its names."""


class Process:
    """One step as it runs, with everything that it started.

    `terminal` and `report` are files to wait on: output to `read()`, and news for `hear()`. Each is None when there is
    nothing more to expect from it. Raises `OSError` where it cannot be started at all (no terminals, no memory).
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        grace: float,
        silence: float = SILENCE_SECONDS,
        limits: Limits = NO_LIMITS,
        sandbox: Enclosure | None = None,
    ) -> None:
        """`grace`: seconds between TERM and KILL where the worker dies; `silence`: it counts as dead when it did not
        `reassure()` for so long. `sandbox`: what `argv`, `env` and `cwd` are of."""
        self.terminal: int | None
        self.report: int | None
        self.fault = ""
        self.exit_code: int | None = None
        """Of its first process, once that has ended; negative: the signal that ended it."""
        self.excess: Excess | None = None
        """The limit that it went beyond. All of it was killed then."""
        self.unmade: int | None = None
        """The exit code of a sandbox that could not be made: nothing of the step has run. What was wrong is on its
        terminal."""
        self.sandbox = sandbox
        self._heard = b""
        self.terminal, slave = _open_terminal()
        self.report, reporting = os.pipe()
        try:
            # A session of its own: no signal meant for the worker or its supervisor reaches the guardian.
            self._guardian = subprocess.Popen(  # noqa: S603 - a file of this package
                [sys.executable, "-I", "-S", "-E", _GUARDIAN, str(slave), str(reporting)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(slave, reporting),
                start_new_session=True,
                env={},
                cwd="/",
                bufsize=0,
            )
        except OSError:
            os.close(self.terminal)
            os.close(self.report)
            raise
        finally:
            os.close(slave)
            os.close(reporting)
        os.set_blocking(self.terminal, False)
        os.set_blocking(self.report, False)
        step = {
            "argv": list(argv),
            "env": dict(env),
            "cwd": str(cwd),
            "rlimits": limits.rlimits(enclosed=False) if sandbox is None else sandbox.rlimits(limits),
            "grace": grace,
            "silence": silence,
            "limits": limits.watched(),
            "sandbox": None if sandbox is None else sandbox.order(),
        }
        self._tell(json.dumps(step).encode() + b"\n")

    @property
    def is_over(self) -> bool:
        """Nothing of it lives any more: its guardian has ended, and with it all that it guarded."""
        return self.report is None

    def read(self) -> bytes:
        """What it has printed, up to about 64 KiB; empty where that is nothing just now."""
        parts: list[bytes] = []
        size = 0
        while self.terminal is not None and size < READ_BYTES:
            try:
                data = os.read(self.terminal, READ_BYTES)
            except BlockingIOError:
                break
            except OSError:  # EIO: nobody has the terminal open any more
                data = b""
            if not data:
                os.close(self.terminal)
                self.terminal = None
                break
            parts.append(data)
            size += len(data)
        return b"".join(parts)

    def hear(self) -> None:
        """Take the guardian's news: sets `exit_code`, and `is_over` at its end."""
        while self.report is not None:
            try:
                data = os.read(self.report, 4096)
            except BlockingIOError:
                break
            if not data:
                os.close(self.report)
                self.report = None
                break
            self._heard += data
        for line in self._heard.split(b"\n")[:-1]:
            word, *rest = line.decode("utf-8", "replace").split(" ")
            if word == "exit":
                self.exit_code = int(rest[0])
            elif word == "limit":
                self.excess = Excess(rest[0], int(rest[1]))
            elif word == "fault":
                self.fault = " ".join(rest)
            elif word == "unmade":
                self.unmade = int(rest[0])

    def reassure(self) -> None:
        """Tell the guardian that this worker lives and knows what it does."""
        self._tell(b"alive\n")

    def stop(self, grace: float) -> None:
        """Ask the guardian to end all of it: TERM now, KILL after `grace` seconds. Returns at once; may be repeated."""
        self._tell(b"stop %f\n" % grace)

    def close(self) -> None:
        """Let go of it. What still lives is ended by the guardian, which finds its pipe closed."""
        with contextlib.suppress(OSError):
            self._guardian.stdin.close()
        for file in (self.terminal, self.report):
            if file is not None:
                os.close(file)
        self.terminal = self.report = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._guardian.wait(0.2)  # reaped here where it has ended; else by Popen's own list, later

    def _tell(self, order: bytes) -> None:
        view = memoryview(order)
        with contextlib.suppress(OSError, ValueError):  # a guardian that is dead is seen by its report's end
            while view:
                view = view[self._guardian.stdin.write(view) :]


def _open_terminal() -> tuple[int, int]:
    """A pseudo-terminal that passes bytes as they are: no CRLF, no echo."""
    master, slave = pty.openpty()
    mode = termios.tcgetattr(slave)
    mode[1] &= ~termios.OPOST
    mode[3] &= ~(termios.ECHO | termios.ECHONL)
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    return master, slave
