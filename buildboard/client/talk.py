"""What is said to whoever typed a command, on stderr, and the codes that commands exit with.

stdout has what was asked for and nothing else, so that it can be piped.
"""

import contextlib
import os
import sys

PASSED, FAILED, CANCELLED, LOST = 0, 1, 2, 3
COULD_NOT = 4
"""The command itself could not do what was asked: no board, no right, no such build, a wrong option."""
INTERRUPTED = 130
BROKEN_PIPE = 141
EXIT_CODES = {"passed": PASSED, "failed": FAILED, "cancelled": CANCELLED, "lost": LOST}


class CouldNot(Exception):
    """Ends the command with `COULD_NOT`. The text is a sentence for whoever typed it."""


def tell(text: str) -> None:
    """A line about what happens. Never fails: a terminal that is gone is told nothing."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def show(text: str) -> None:
    """A line of what was asked for."""
    sys.stdout.write(f"{text}\n")


def forget_stdout() -> None:
    """Nothing is left to be flushed at the end: whoever read it is gone."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
