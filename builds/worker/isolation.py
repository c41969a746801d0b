"""Where a step's processes run: with what they may use, and in a sandbox where BUILDBOARD_SANDBOX asks for one."""

import contextlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.conf import settings

from ..models import Build
from . import containers, endings, engine, sandbox
from .containers import Container
from .endings import Ending
from .engine import NoEngine
from .jobs import Job
from .limits import Limits
from .process import Enclosure, Process
from .sandbox import Sandbox
from .workspace import Workspace

_MARKS = ("BUILDBOARD_BUILD", "BUILDBOARD_WORKSPACE")
_LABELS = (*_MARKS, "BUILDBOARD_STEP", "BUILDBOARD_PROJECT")
_PATIENT_SECONDS = 10.0
_HURRIED_SECONDS = 2.0
"""A worker with a lease does not wait longer for its engine. Mostly it has asked before: see `prepare`."""
_OUTER = frozenset({"PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"})
"""They lead to files of this machine, which a container has not."""


def machine() -> dict[str, str]:
    """This machine's variables, as a step is to find them: in a sandbox it is another user, who lives elsewhere."""
    found = dict(os.environ)
    if settings.BUILDBOARD_SANDBOX == "none":
        return found
    if settings.BUILDBOARD_SANDBOX == "container":
        # An empty PATH stands for the image's own.
        found = {name: value for name, value in found.items() if name not in _OUTER} | {"PATH": ""}
    found.pop("TMPDIR", None)
    return found | {"HOME": str(sandbox.HOME), "USER": sandbox.USER, "LOGNAME": sandbox.USER, "SHELL": "/bin/sh"}


def prepare() -> None:
    """Ask what takes its time, before there is a lease that would not be renewed meanwhile."""
    if settings.BUILDBOARD_SANDBOX == "container":
        with contextlib.suppress(NoEngine):  # it may be there for the first step
            engine.get(_PATIENT_SECONDS)


def trouble() -> str:
    """Why this machine cannot keep BUILDBOARD_SANDBOX, as part of a sentence; empty: it can."""
    return {"none": lambda: "", "bubblewrap": sandbox.trouble, "container": containers.trouble}[
        settings.BUILDBOARD_SANDBOX
    ]()


def refusal(build: Build) -> str:
    """Why this worker runs no step of `build`, in a sentence; empty: it does."""
    if build.network or settings.BUILDBOARD_SANDBOX != "none":
        return ""
    return (
        "The project's steps are to have no network, and only a sandbox can hold that: this worker has none "
        "(BUILDBOARD_SANDBOX=none)."
    )


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    workspace: Workspace,
    place: Path,
    grace: float,
    network: bool,
    image: str = "",
) -> Process:
    """`argv`: its last is the script, relative to `place`: where it begins, the shared workspace or its own. `image`:
    of a container, where the step names one. Raises `OSError` where it cannot be started at all."""
    limits = Limits.of_settings()
    kind = settings.BUILDBOARD_SANDBOX
    if image and kind != "container":
        raise OSError(f"it names the image {image}, and this worker has no containers (BUILDBOARD_SANDBOX={kind})")
    around: Enclosure | None = None
    if kind != "none":
        for folder in (workspace.home, workspace.temporary):
            folder.mkdir(exist_ok=True)
    if kind == "container":
        env = {name: value for name, value in env.items() if name != "PATH" or value}
        around = _container(argv, env, workspace, place, network, image, limits)
    elif kind == "bubblewrap":
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


def _container(
    argv: Sequence[str],
    env: Mapping[str, str],
    workspace: Workspace,
    place: Path,
    network: bool,
    image: str,
    limits: Limits,
) -> Container:
    try:
        own = engine.get(_HURRIED_SECONDS)
    except NoEngine as why:
        raise OSError(f"there is no container engine: {why}") from None
    return Container(
        engine=own,
        image=containers.image(image),
        workspace=place,
        home=workspace.home,
        temporary=workspace.temporary,
        pipe=workspace.home.with_name(f"environment-{secrets.token_hex(8)}"),
        files=[Path(os.path.normpath(place / argv[-1]))],
        network=network,
        limits=limits,
        mark={name: env[name] for name in _MARKS if name in env},
        labels={name: env[name] for name in _LABELS if name in env},
    )


def unguarded(job: Job) -> bool:
    """Of one that is over: its guardian was killed, and what it has started may live on."""
    return isinstance(job, Process) and job.exit_code is None and job.unmade is None


def release(job: Job) -> None:
    """What of a job that is unguarded lives where nobody finds its processes."""
    if isinstance(job, Process) and isinstance(job.sandbox, Container):
        containers.remove(job.sandbox)


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
