"""Another user of this machine, one without any right, for what holds for workers that are not root."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path

NOBODY = 65534


def as_nobody(folder: Path, act: Callable[[], object]) -> None:
    """`act()` in a process of that user, to whom all of `folder` is given. What it raises fails the test here.

    Where the tests do not run as root, they have no rights to give up: it is called as it is.
    """
    if os.geteuid() != 0:
        act()
        return
    for place in (folder, *folder.rglob("*")):
        os.chown(place, NOBODY, NOBODY, follow_symlinks=False)
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            act()
        except BaseException:
            os.write(tell, traceback.format_exc().encode()[-60_000:])
            os._exit(1)
        os._exit(0)
    os.close(tell)
    with os.fdopen(told, encoding="utf-8", errors="replace") as file:
        said = file.read()
    if os.waitpid(child, 0)[1]:
        raise AssertionError(f"as nobody: {said}")
