"""The folder in which a build's steps run: fresh for each build, and removed after it."""

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from django.conf import settings

from ..recipe import StepRecipe


def folder() -> Path:
    """Where the workspaces of this machine are."""
    return settings.BUILDBOARD_DATA / "workspaces"


def place(build_id: int) -> Path:
    """Where the steps of that build begin."""
    return folder() / str(build_id) / "work"


class Workspace:
    """`path` is where steps begin, but for those that have a workspace of their own. The scripts that they run lie
    beside it, out of their way.

    Readable by the worker's user alone. Raises `OSError` where it cannot be written.
    """

    def __init__(self, build_id: int) -> None:
        self.path = place(build_id)
        self._home = self.path.parent
        remove(self._home)
        self._home.mkdir(mode=0o700, parents=True)
        self.path.mkdir()

    @property
    def home(self) -> Path:
        """What a sandbox shows as the home folder of the build's steps. Not there before it is needed."""
        return self._home / "home"

    @property
    def temporary(self) -> Path:
        """The same for their temporary files: on the disk, so that they count with the workspace."""
        return self._home / "tmp"

    def of(self, position: int, step: StepRecipe) -> Path:
        """Where the step begins."""
        return self.path if step.workspace == "shared" else self._home / f"own-{position + 1}"

    def script(self, position: int, step: StepRecipe) -> list[str]:
        """Write the step's script down, to be read only; the command that runs it, relative to where it begins."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", step.name).strip("-.")[:40]
        file = self._home / f"{position + 1}-{name or 'step'}.{step.shell}"
        text = step.run if step.run.endswith("\n") else step.run + "\n"
        # A new file, whatever an earlier step may have put there: nothing is written through a link.
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="utf-8", newline="") as out:
            out.write(text)
        # By its relative name: what a shell says of a script begins with the name that it was given.
        return [step.shell, "-e", f"../{file.name}"]

    def remove(self) -> None:
        remove(self._home)


def stale(running: Callable[[], Iterable[int]]) -> list[Path]:
    """The workspaces of builds that do not run. `running` is asked after looking: a folder is made after its lease."""
    try:
        names = [entry.name for entry in os.scandir(folder()) if entry.name.isdigit()]
    except OSError:
        return []
    alive = {str(build_id) for build_id in running()} if names else set()
    return [folder() / name for name in names if name not in alive]


def remove(path: Path) -> None:
    """With all that is in it; what cannot be removed stays, and is tried again when a supervisor starts.

    Whatever a step may have made of it: no link is followed, no mount is entered, folders that may not be read are
    opened first, and no depth is too deep, since each folder is moved to the top before it is emptied.
    """
    with contextlib.suppress(OSError):
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            path.unlink()
            return
        _open_up(os.fspath(path))
        root = os.open(path, _FOLDER | os.O_RDONLY)
        try:
            _empty(root)
        finally:
            os.close(root)
        os.rmdir(path)


_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW


def _empty(root: int) -> None:
    """Remove all that is in the folder `root`."""
    waiting: list[str] = []
    _sift(root, root, waiting)
    while waiting:
        name = waiting.pop()
        with contextlib.suppress(OSError):
            folder = os.open(name, _FOLDER | os.O_RDONLY, dir_fd=root)
            try:
                _sift(folder, root, waiting)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=root)


def _sift(folder: int, root: int, waiting: list[str]) -> None:
    """Of what is in `folder`, remove the files, and move the folders to `root`: `waiting` gets their names there."""
    for name in os.listdir(folder):
        try:
            os.unlink(name, dir_fd=folder)
        except OSError:  # a folder
            with contextlib.suppress(OSError):
                _open_up(name, folder)
                moved = f".remove-{secrets.token_hex(8)}"
                os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=root)  # refused where something is mounted
                waiting.append(moved)


def _open_up(name: str, parent: int | None = None) -> None:
    """Some tools leave folders that even their owner may not write, or read."""
    file = os.open(name, _FOLDER | os.O_PATH, dir_fd=parent)
    try:
        mode = stat.S_IMODE(os.fstat(file).st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(f"/proc/self/fd/{file}", mode | stat.S_IRWXU)
    finally:
        os.close(file)
