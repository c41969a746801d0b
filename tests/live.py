"""What tests of streams share: a build whose log the test writes itself, and what a process holds."""

import os
import secrets
from pathlib import Path

from builds import events, lifecycle
from builds.events import Chunk, Lease
from builds.models import Build, Project
from builds.states import Status

RECIPE = "steps: [{name: one, run: echo}, {name: two, run: echo}]"


def project(slug: str = "hello", **fields: object) -> Project:
    return Project.objects.create(slug=slug, recipe=RECIPE, **({"name": slug} | fields))


def queued(slug: str = "hello") -> Build:
    found = Project.objects.filter(slug=slug).first() or project(slug)
    return lifecycle.enqueue(found, by="alice")


def running(slug: str = "hello") -> Lease:
    """A new build that runs its first step. Its log: `build`, `build`, `step`."""
    build = queued(slug)
    lease = None
    while lease is None or lease.build_id != build.pk:
        lease = lifecycle.claim("tests:1", secrets.token_hex(16))
    lifecycle.begin_step(lease, 0)
    return lease


def printed(lease: Lease, first: int, *lines: str, step: int = 0, is_open: bool = False) -> None:
    events.append(lease, [Chunk(step, first, lines, is_open)])


def ended(lease: Lease, step: int = 0) -> None:
    lifecycle.end_step(lease, step, Status.FAILED, exit_code=1)
    lifecycle.finish(lease, Status.FAILED, "It said no.")


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def database_files(pid: int) -> int:
    """How many connections to an SQLite database the process holds."""
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(link).endswith(".sqlite3")
        except FileNotFoundError:
            continue
    return found


def files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid: int) -> int:
    """Resident bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
