"""`workspace: own`: a step works in a copy of the shared workspace, as that is when the step begins."""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from . import workspace
from .jobs import Desk, Work
from .running import Hook, Running, Start
from .workspace import Workspace

MAX_DEPTH = 200
"""Folders within folders."""
_FICLONE = 0x40049409
"""Of Linux: the new file has the old one's blocks, until one of them changes."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_PART = 1024 * 1024
"""Bytes that are copied between two looks at whether the step is to end."""


class OwnWorkspace(Hook):
    def __init__(self, shared: Workspace) -> None:
        self._shared = shared.path

    def before(self, step: Running) -> list[Start]:
        if step.workspace == self._shared:
            return []
        return [lambda: Work("The workspace could not be copied", self._copy(step.workspace))]

    def _copy(self, target: Path) -> Callable[[Desk], None]:
        def work(desk: Desk) -> None:
            workspace.remove(target)  # of an attempt whose copy came to no end
            copy(self._shared, target, desk)

        return work


def copy(source: Path, target: Path, desk: Desk) -> None:
    """All files, folders and links of `source`, with their times and modes, into `target`, which is not there yet.

    Where the file system can share blocks, a file costs none. Devices and sockets are left out, and so is what goes
    away meanwhile: other steps may work there, and whatever they put there, no link is followed. `OSError` where it
    cannot be written, `ValueError` where it is nested too deep.
    """
    target.mkdir(mode=0o700)
    old = os.open(source, _FOLDER)
    try:
        new = os.open(target, _FOLDER)
        try:
            _copy_folder(old, new, desk, MAX_DEPTH)
        finally:
            os.close(new)
    finally:
        os.close(old)


def _copy_folder(old: int, new: int, desk: Desk, depth: int) -> None:
    """What is in the open folder `old`, into `new`."""
    if not depth:
        raise ValueError(f"folders are nested deeper than {MAX_DEPTH}")
    for name in os.listdir(old):
        desk.check()
        with _passing():
            mode = os.stat(name, dir_fd=old, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                os.symlink(os.readlink(name, dir_fd=old), name, dir_fd=new)
            elif stat.S_ISDIR(mode):
                inner = os.open(name, _FOLDER, dir_fd=old)
                try:
                    os.mkdir(name, 0o700, dir_fd=new)
                    place = os.open(name, _FOLDER, dir_fd=new)
                    try:
                        _copy_folder(inner, place, desk, depth - 1)
                    finally:
                        os.close(place)
                finally:
                    os.close(inner)
            elif stat.S_ISREG(mode):
                _copy_file(os.open(name, _FILE, dir_fd=old), name, new, desk)
    _take_over(old, new)


def _copy_file(old: int, name: str, folder: int, desk: Desk) -> None:
    with open(old, "rb"):
        if not stat.S_ISREG(os.fstat(old).st_mode):
            return
        new = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        with open(new, "wb"):
            try:
                fcntl.ioctl(new, _FICLONE, old)
            except OSError:  # this file system shares no blocks
                _pour(old, new, desk)
            _take_over(old, new)


def _pour(old: int, new: int, desk: Desk) -> None:
    """What is in a file now. Holes stay holes: a file may claim to be larger than any disk, and takes none of it."""
    size = os.fstat(old).st_size
    at = end = 0
    while at < size:
        desk.check()
        if at == end:
            try:
                at = os.lseek(old, at, os.SEEK_DATA)
                end = min(os.lseek(old, at, os.SEEK_HOLE), size)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break  # only a hole is left, or it was cut meanwhile
        part = os.pread(old, min(_PART, max(end - at, 0)), at)
        if not part:
            break
        at += os.pwrite(new, part, at)
    os.ftruncate(new, size)


def _take_over(old: int, new: int) -> None:
    """Mode and times."""
    known = os.fstat(old)
    os.fchmod(new, stat.S_IMODE(known.st_mode) & 0o777)
    os.utime(new, ns=(known.st_atime_ns, known.st_mtime_ns))


@contextlib.contextmanager
def _passing() -> Iterator[None]:
    """What is not there any more, or has become something else since it was looked at, is passed by."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise
