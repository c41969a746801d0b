"""The folder in which a build's steps run: fresh for each build, and removed after it."""

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.conf import settings

from ..recipe import StepRecipe


def folder() -> Path:
    """Where the workspaces of this machine are."""
    return settings.BUILDBOARD_DATA / "workspaces"


def place(build_id: int) -> Path:
    """Where the steps of that build begin."""
    return folder() / str(build_id) / "work"


class Workspace:
    """`path` is where steps begin. The scripts that they run lie beside it, out of their way.

    Readable by the worker's user alone. Raises `OSError` where it cannot be written.
    """

    def __init__(self, build_id: int) -> None:
        self.path = place(build_id)
        self._home = self.path.parent
        remove(self._home)
        self._home.mkdir(mode=0o700, parents=True)
        self.path.mkdir()

    def script(self, position: int, step: StepRecipe) -> list[str]:
        """Write the step's script down; the command that runs it, relative to `path`."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", step.name).strip("-.")[:40]
        file = self._home / f"{position + 1}-{name or 'step'}.{step.shell}"
        text = step.run if step.run.endswith("\n") else step.run + "\n"
        file.write_text(text, encoding="utf-8", newline="")
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
    """With all that is in it; what cannot be removed stays, and is tried again when a supervisor starts."""
    shutil.rmtree(path, onerror=_make_writable)


def _make_writable(function: Callable[..., Any], path: str, _: Any) -> None:
    """Some tools leave folders that even their owner may not write."""
    if not os.path.lexists(path):
        return
    with contextlib.suppress(OSError):
        for place in (os.path.dirname(path), path):
            if not os.path.islink(place):
                os.chmod(place, stat.S_IMODE(os.lstat(place).st_mode) | stat.S_IRWXU)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            function(path)
