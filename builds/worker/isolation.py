"""Where a step's processes run: with what they may use, and in a sandbox where BUILDBOARD_SANDBOX asks for one."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.conf import settings

from ..models import Build
from . import endings, sandbox
from .endings import Ending
from .jobs import Job
from .limits import Limits
from .process import Process
from .sandbox import Sandbox
from .workspace import Workspace

_MARKS = ("BUILDBOARD_BUILD", "BUILDBOARD_WORKSPACE")


def machine() -> dict[str, str]:
    """This machine's variables, as a step is to find them: in a sandbox it is another user, who lives elsewhere."""
    found = dict(os.environ)
    if settings.BUILDBOARD_SANDBOX == "none":
        return found
    found.pop("TMPDIR", None)
    return found | {"HOME": str(sandbox.HOME), "USER": sandbox.USER, "LOGNAME": sandbox.USER, "SHELL": "/bin/sh"}


def refusal(build: Build) -> str:
    """Why this worker runs no step of `build`, in a sentence; empty: it does."""
    if build.network or settings.BUILDBOARD_SANDBOX != "none":
        return ""
    return (
        "The project's steps are to have no network, and only a sandbox can hold that: this worker has none "
        "(BUILDBOARD_SANDBOX=none)."
    )


def start(
    argv: Sequence[str], *, env: Mapping[str, str], workspace: Workspace, place: Path, grace: float, network: bool
) -> Process:
    """`argv`: its last is the script, relative to `place`: where it begins, the shared workspace or its own. Raises
    `OSError` where it cannot be started at all."""
    limits = Limits.of_settings()
    around = None
    if settings.BUILDBOARD_SANDBOX != "none":
        for folder in (workspace.home, workspace.temporary):
            folder.mkdir(exist_ok=True)
        around = Sandbox(
            workspace=place,
            home=workspace.home,
            temporary=workspace.temporary,
            files=[Path(os.path.normpath(place / argv[-1]))],
            readable=sandbox.readable(),
            hidden=sandbox.hidden(),
            network=network,
            memory_mb=limits.memory,
            mark={name: env[name] for name in _MARKS if name in env},
        )
    return Process(argv, env=env, cwd=place, grace=grace, limits=limits, sandbox=around)


def unguarded(job: Job) -> bool:
    """Of one that is over: its guardian was killed, and what it has started may live on."""
    return isinstance(job, Process) and job.exit_code is None and job.unmade is None


def ended(name: str, job: Job) -> Ending:
    """Why a job of the step `name` ended, which was not stopped by its worker."""
    if job.fault:
        return endings.broken(name, job.fault)
    if isinstance(job, Process):
        return _ended(name, job)
    return endings.exited(name, job.exit_code)


def _ended(name: str, process: Process) -> Ending:
    limits = Limits.of_settings()
    if process.excess is not None:
        return endings.excess(name, limits.excess(process.excess))
    if process.unmade is not None:
        return endings.no_sandbox(name, process.unmade)
    ending = endings.exited(name, process.exit_code)
    hint = limits.hint(process.exit_code)
    return endings.also(ending, hint) if hint else ending
