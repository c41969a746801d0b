"""Files of the data folder that are its owner's alone, whatever umask the board was started with."""

import contextlib
import os
import stat
from pathlib import Path

MODE = 0o600
_OF_GROUP = 0o060


def make(path: str | Path) -> None:
    """An empty file, where there is none. That it cannot be made is told by whoever opens it next."""
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE))


def narrow(path: str | Path) -> None:
    """Take from others what an earlier version, or a copy by hand, has left them, where it is this user's own file. A
    group keeps what it has where it may write the folder: there the operator has shared it."""
    with contextlib.suppress(OSError):
        found = os.stat(path)
        mode = stat.S_IMODE(found.st_mode)
        if not mode & ~MODE or found.st_uid != os.geteuid():
            return
        shared = os.stat(Path(path).parent).st_mode & stat.S_IWGRP
        os.chmod(path, mode & (MODE | _OF_GROUP if shared else MODE))
