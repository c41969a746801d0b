"""What is known when everything is over: as it is stored, as the steps wrote it down, and what still lives."""

import contextlib
from pathlib import Path

import psutil

from tests.support.processes import alive

from .oracle import BuildEnd, Printed, Stored
from .printer import started
from .world import World


def builds(world: World) -> list[BuildEnd]:
    """Every build of the board, with its whole log as readers get it."""
    from builds.models import Build

    with world.board.database():
        rows = list(Build.objects.select_related("project").prefetch_related("steps").order_by("pk"))
    return [
        BuildEnd(
            id=row.pk,
            slug=row.project.slug,
            status=row.status,
            reason=row.reason,
            worker=row.worker,
            started_at=row.started_at,
            finished_at=row.finished_at,
            steps=[(step.name, step.status, step.exit_code) for step in row.steps.all()],
            events=[Stored(*record) for record in world.board.stored(row.pk)],
        )
        for row in rows
    ]


def printed(folder: Path, build_id: int) -> dict[str, Printed]:
    """By step, for those that were begun."""
    found = {}
    for path in folder.glob(f"{build_id}.*"):
        step = path.name.partition(".")[2]
        if "." in step:
            continue
        meant, taken = map(int, path.read_text().split("\n", 1)[0].split())
        found[step] = Printed(meant, taken, twice=path.with_name(f"{path.name}.twice").exists())
    return found


def orphans(world: World) -> list[str]:
    """Processes of builds that still live: by the mark in their environment, and by what the steps wrote down."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("BUILDBOARD_BUILD", "").startswith(f"{world.world}/") and alive(process.pid):
                found.append(f"process {process.pid} bears the mark of a build: {process.cmdline()}")
    for path in world.record.glob("*.*"):
        for line in path.read_text().split("\n")[1:]:
            if line and _lives(*line.split()):
                found.append(f"process {line.split()[0]} of {path.name} still lives")
    return found


def leases(world: World) -> list[str]:
    from builds import lifecycle

    with world.board.database():
        return [f"build {pk} is leased to {worker}" for pk, (_, _, worker) in lifecycle.leases().items()]


def revision(world: World) -> int:
    from builds import events

    with world.board.database():
        return events.board_extent().head


def _lives(pid: str, start: str) -> bool:
    try:
        return alive(int(pid)) and started(int(pid)) == start
    except OSError:
        return False
