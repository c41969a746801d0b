"""What dead workers leave on this machine: processes and workspaces of builds that nobody runs any more."""

import contextlib
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil

from .. import lifecycle
from ..models import Board, Project
from . import checkout, mirror, workspace
from .watchdog import limit

logger = logging.getLogger(__name__)
_NUMBER = re.compile(r"[0-9]{1,18}")


class Marked(NamedTuple):
    """A living process of a build."""

    process: psutil.Process
    world: str
    build_id: int
    step: str
    workspace: Path


def sweep() -> int:
    """Kill the processes, and remove the workspaces, of builds that have no lease. How many processes.

    A world that was left behind, because the database was restored from a backup, has no builds any more. Whose it was
    is told by the workspace: another board on this machine has another data folder, and may well be a copy of this one.
    A guardian does not bear its build's mark: it ends its step's processes by itself.
    """
    found = _marked()
    # Asked after looking: a build has its world and its lease before it has a process, so what was seen is theirs.
    world = _world() if found else ""
    leased = _leased() if found else set()
    killed = _kill(
        one.process
        for one in found
        if (
            one.build_id not in leased
            if one.world == world
            else one.workspace.parent == workspace.place(one.build_id).parent
        )
    )
    for path in workspace.stale(_leased):
        workspace.remove(path)
    for path in mirror.stale(checkout.mirrors(), _projects):
        mirror.remove(path)
    return killed


def _world() -> str:
    with limit():
        return Board.get().world


def _projects() -> set[int]:
    with limit():
        return set(Project.objects.values_list("pk", flat=True))


def _leased() -> set[int]:
    with limit():
        return set(lifecycle.leases())


def kill(world: str, build_id: int, step: str | None = None) -> int:
    """Kill what is left of one build, or of the step of that name. How many processes."""
    return _kill(
        one.process for one in _marked() if (one.world, one.build_id) == (world, build_id) and step in (None, one.step)
    )


def _kill(processes: Iterable[psutil.Process]) -> int:
    killed = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
            killed += 1
            logger.warning("action=sweep pid=%d", process.pid)
    return killed


def _marked() -> list[Marked]:
    """Living processes that bear the mark of a build, of whatever world."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            environment = process.environ()
        except (psutil.Error, OSError):
            continue  # gone, or another user's
        world, _, number = environment.get("BUILDBOARD_BUILD", "").partition("/")
        if world and _NUMBER.fullmatch(number):  # a step may write there what it likes
            place = Path(environment.get("BUILDBOARD_WORKSPACE", ""))
            found.append(Marked(process, world, int(number), environment.get("BUILDBOARD_STEP", ""), place))
    return found
