"""Who types a command, as the board shows it."""

import getpass
import os


def by_command() -> str:
    """`command (alice)`: a user of this machine, which need not be one of the board's."""
    try:
        return f"command ({getpass.getuser()})"
    except (KeyError, OSError):  # a user id without a name, as containers have it
        return f"command ({os.getuid()})"
