"""What dead workers leave on this machine: processes and workspaces of builds that nobody runs any more."""

import contextlib
import logging
import re

import psutil

from .. import lifecycle
from ..models import Board
from . import workspace
from .watchdog import limit

logger = logging.getLogger(__name__)
_NUMBER = re.compile(r"[0-9]{1,18}")


def sweep() -> int:
    """Kill the processes, and remove the workspaces, of this world's builds that have no lease. How many processes.

    A guardian does not bear its build's mark: it ends its step's processes by itself.
    """
    with limit():
        world = Board.get().world
    found = _marked(world)
    # Asked after looking: a build has its lease before it has a process, so what was seen without one is over.
    leased = _leased() if found else set()
    killed = _kill([process for process, build_id in found if build_id not in leased])
    for path in workspace.stale(_leased):
        workspace.remove(path)
    return killed


def _leased() -> set[int]:
    with limit():
        return set(lifecycle.leases())


def kill(world: str, build_id: int) -> int:
    """Kill what is left of one build. How many processes."""
    return _kill([process for process, number in _marked(world) if number == build_id])


def _kill(processes: list[psutil.Process]) -> int:
    killed = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
            killed += 1
            logger.warning("action=sweep pid=%d", process.pid)
    return killed


def _marked(world: str) -> list[tuple[psutil.Process, int]]:
    """Living processes that bear the mark of one of this world's builds, and that build's number."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            owner, _, number = process.environ().get("BUILDBOARD_BUILD", "").partition("/")
        except (psutil.Error, OSError):
            continue  # gone, or another user's
        if owner == world and _NUMBER.fullmatch(number):  # a step may write there what it likes
            found.append((process, int(number)))
    return found
