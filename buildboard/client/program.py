"""A command on a pseudo-terminal, so that it prints line by line and in colour as it does by itself."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator, Mapping, Sequence

COLUMNS, ROWS = 160, 48
"""Where stdout is no terminal, as the steps of builds have it."""
_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Program:
    """Started at once, in a session and process group of its own. `OSError` where it cannot be."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], *, interactive: bool) -> None:
        """`interactive`: it is typed to; else its input is ours."""
        self.terminal, slave = pty.openpty()
        self.interactive = interactive
        mode = termios.tcgetattr(slave)
        mode[1] &= ~termios.OPOST  # our own terminal does that, and a file wants none of it
        if not interactive:
            mode[3] &= ~(termios.ECHO | termios.ECHONL)
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        self.resize()

        def become() -> None:  # the only thread there is
            if interactive:  # else what it leaves running would be hung up on at its end
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        try:
            self._process = subprocess.Popen(  # noqa: S603 - what whoever typed this asked for
                list(argv),
                stdin=slave if interactive else None,
                stdout=slave,
                stderr=slave,
                env=dict(env),
                start_new_session=True,
                preexec_fn=become,
            )
        except OSError:
            os.close(self.terminal)
            raise
        finally:
            os.close(slave)
        os.set_blocking(self.terminal, False)

    @property
    def code(self) -> int | None:
        """Its exit code (negative: the signal that ended it), once it has ended."""
        return self._process.poll()

    def read(self) -> bytes | None:
        """What it has printed; empty: nothing just now; None: nothing will come."""
        try:
            return os.read(self.terminal, 65536) or None
        except BlockingIOError:
            return b""
        except OSError:  # EIO: nobody has the terminal open any more
            return None

    def type(self, data: bytes) -> None:
        """Ctrl-C, among others: its terminal makes a signal of that."""
        with contextlib.suppress(OSError):
            os.write(self.terminal, data)

    def signal(self, number: int) -> None:
        """To all of its process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def resize(self, *_: object) -> None:
        """Its terminal is as large as ours."""
        size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
        with contextlib.suppress(OSError):
            if os.isatty(1):
                size = fcntl.ioctl(1, termios.TIOCGWINSZ, size)
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, size)

    def close(self) -> None:
        os.close(self.terminal)

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """In it, signals sent to us are its, and so is what is typed."""
        before = {number: signal.signal(number, lambda sent, _: self.signal(sent)) for number in _OURS}
        before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self.resize)
        mode = termios.tcgetattr(0) if self.interactive else None
        try:
            if mode is not None:
                tty.setraw(0)
                raw = termios.tcgetattr(0)
                raw[1] |= mode[1] & termios.OPOST  # line feeds go on being lines
                termios.tcsetattr(0, termios.TCSANOW, raw)
            yield
        finally:
            if mode is not None:
                termios.tcsetattr(0, termios.TCSADRAIN, mode)
            for number, handler in before.items():
                signal.signal(number, handler)


def is_typed_to() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()
