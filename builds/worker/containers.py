"""What a step may see and reach where BUILDBOARD_SANDBOX=container: a container of an image, by podman or docker.

The image is there to be read, the workspace to be written. programs/container.py makes it, and removes it; should that
be killed, the step's guardian removes it, and should that be killed as well, the worker. docs/sandbox.md tells what it
protects from.
"""

import contextlib
import json
import os
import re
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from . import engine, sandbox, workspace
from .engine import Engine, NoEngine
from .limits import Limits
from .process import COLUMNS, ROWS

PREFIX = "buildboard"
ANSWER_SECONDS = 120
"""So long the engine may take for anything but pulling an image and the step itself."""
PULL_SECONDS = 1800
TRY_SECONDS = 60
"""So long a worker waits, at its start, for a container to have run."""
_PROGRAM = str(Path(__file__).with_name("programs") / "container.py")
_FIRST = (
    # Take the environment, pass bytes as they are, and have no terminal on which a program could ask somebody. What
    # this shell says of its own (Killed) is not the step's.
    '. "$1"; shift; '
    f"exec 2>/dev/null; stty -opost -echo rows {ROWS} cols {COLUMNS}; "
    'if command -v setsid >/dev/null; then set -- setsid "$@"; fi; '
    '(exec "$@") </dev/null 2>&1; exit $?'
)
"""The first process of a container, which outlives the step and so knows how it ended. As process 1 it hears no TERM;
what is told to end is the step."""
_LOCKED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
"""Of every container: it has no rights but those of a plain user, and writes nothing but what is mounted for it."""
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - the container's own


_NAME = re.compile(rf"{PREFIX}\.([A-Za-z0-9_-]+)\.([0-9]{{1,18}})\.([0-9a-f]{{12}})\.[0-9a-f]{{16}}")


class Unfit(OSError):
    """A step that cannot run in a container here. Its text is part of a sentence."""


@dataclass(frozen=True)
class Container:
    """The container of one step. `workspace`, `home`, `temporary`: folders that it may write; the first is inside where
    it is outside. `files`: what it may read besides. `pipe`: where a way for its environment may be made. `mark`:
    variables by which its processes are known outside; `labels`: those by which the container is."""

    engine: Engine
    image: str
    workspace: Path
    home: Path
    temporary: Path
    pipe: Path
    files: Sequence[Path] = ()
    network: bool = True
    limits: Limits = field(default_factory=Limits)
    mark: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _name(self.mark))

    def rlimits(self, limits: Limits) -> dict[str, int]:
        """None: the engine holds them."""
        return {}

    def order(self) -> dict[str, object]:
        """What the guardian has to know of it."""
        told = {
            "engine": self.engine.program,
            "name": self.name,
            "image": self.image,
            "create": [*self.options(), "--entrypoint", "sh", self.image, "-c", _FIRST, "sh", str(self.pipe)],
            "pipe": str(self.pipe),
            "memory": self.limits.memory,
            "answer": ANSWER_SECONDS,
            "pull": PULL_SECONDS,
        }
        return {
            "command": [sys.executable, "-I", "-S", "-E", _PROGRAM, "3", "4", "5"],
            "options": json.dumps(told),
            "env": engine.environment() | self.mark,
            "after": [self.engine.program, *removal(self.name)],
        }

    def options(self) -> list[str]:
        """Of the engine's `create`."""
        limits = self.limits
        memory = f"{limits.memory}m"
        shared = limits.memory or sandbox.SHARED_MEMORY_MB
        found = [
            *("--name", self.name, "--pull", "never", "--tty", "--hostname", sandbox.HOST),
            *(word for item in self.labels.items() for word in ("--label", "=".join(_label(*item)))),
            *self.engine.user(),
            *_LOCKED,
            *(
                "--stop-signal",
                "KILL",
                "--log-driver",
                "none",
                "--no-healthcheck",
                "--shm-size",
                f"{shared}m",
                "--oom-score-adj",
                "500",
            ),
            *(["--read-only-tmpfs=false", "--image-volume", "ignore"] if self.engine.kind == "podman" else []),
            *([] if self.network else ["--network", "none"]),
            *(["--memory", memory, "--memory-swap", memory] if limits.memory else []),
            *(["--pids-limit", str(self._tasks())] if limits.tasks else []),
            *(["--ulimit", f"fsize={limits.file * 1024 * 1024}"] if limits.file else []),
            *(["--ulimit", f"nofile={limits.open_files}"] if limits.open_files else []),
            *_mount(self.home, sandbox.HOME),
            *(word for place in _TEMPORARY for word in _mount(self.temporary, Path(place))),
            *_mount(self.workspace, self.workspace),
            *(word for file in (*self.files, self.pipe) for word in _mount(file, file, read_only=True)),
            *("--workdir", str(self.workspace)),
        ]
        return [*found, *settings.BUILDBOARD_CONTAINER_OPTIONS]

    def _tasks(self) -> int:
        """Podman's processes are the guardian's, which measures them, and has a reason to show; so the kernel refuses
        more only at twice as many. Those of docker's daemon are nobody's here. One more is the container's first."""
        return (2 if self.engine.kind == "podman" else 1) * self.limits.tasks + 1


def image(named: str) -> str:
    """That of a step which names `named`, or none. `Unfit`."""
    default = settings.BUILDBOARD_CONTAINER_IMAGE
    if not named and not default:
        raise Unfit("it names no image, and this worker has none of its own (BUILDBOARD_CONTAINER_IMAGE)")
    allowed = settings.BUILDBOARD_CONTAINER_IMAGES
    if named and named != default and not any(fnmatchcase(named, pattern) for pattern in allowed):
        raise Unfit(f"the image {named} is none of those that this worker allows (BUILDBOARD_CONTAINER_IMAGES)")
    return named or default


def _name(mark: dict[str, str]) -> str:
    """Of a new container. It says whose it is, whatever becomes of everyone who knows it."""
    world, _, build = mark.get("BUILDBOARD_BUILD", "").partition("/")
    return ".".join((PREFIX, world or "none", build or "0", folder(), secrets.token_hex(8)))


class Owner(NamedTuple):
    """Whose a container is. `folder`: that of the workspaces, as `folder()` has it."""

    name: str
    world: str
    build_id: int
    folder: str


def owner(name: str) -> Owner | None:
    """None: it is none of a board's."""
    found = _NAME.fullmatch(name.strip())
    return Owner(found[0], found[1], int(found[2]), found[3]) if found else None


def is_trial(name: str) -> bool:
    """It is one of a worker of this machine which has tried whether there can be containers."""
    return name.strip().startswith(_trials())


def _trials() -> str:
    """What such a name begins with: no build's, so that no other supervisor takes it for one that is left behind."""
    return f"{PREFIX}-trial.{folder()}."


def folder() -> str:
    """The workspaces of this machine, in a name."""
    return sha256(os.fsencode(workspace.folder())).hexdigest()[:12]


def removal(*names: str) -> list[str]:
    """Words for an engine that kill and remove containers, with what they have written."""
    return ["rm", "--force", "--volumes", *names]


def remove(container: Container) -> None:
    """Where nobody else can any more. What the engine refuses is tried again by the supervisor."""
    with contextlib.suppress(NoEngine):
        engine.ask(container.engine.program, *removal(container.name), seconds=5)


def trouble() -> str:
    """Why steps cannot be put into containers on this machine, as part of a sentence; empty: they can."""
    place = str(settings.BUILDBOARD_DATA)
    if any(character in place for character in ',"\n'):
        return f"engines take no path with a comma, a quotation mark or a line break, as the data folder {place!r} has"
    try:
        _try(engine.get())
    except NoEngine as why:
        return str(why)
    return ""


def _try(found: Engine) -> None:
    """Whether a container of the worker's own image really runs, where there is one already: an engine may well answer
    on a machine whose kernel lets it make none. `NoEngine`."""
    default = settings.BUILDBOARD_CONTAINER_IMAGE
    if not default:
        return
    try:
        engine.ask(found.program, "image", "inspect", "--format", "{{.Id}}", default)
    except NoEngine:
        return  # the first step pulls it
    name = f"{_trials()}{secrets.token_hex(8)}"
    own = ["--rm", "--name", name, "--pull", "never", "--network", "none", *found.user(), *_LOCKED]
    options = [*own, *settings.BUILDBOARD_CONTAINER_OPTIONS]
    try:
        engine.ask(found.program, "run", *options, "--entrypoint", "sh", default, "-c", "exit 0", seconds=TRY_SECONDS)
    except NoEngine as why:
        with contextlib.suppress(NoEngine):
            engine.ask(found.program, *removal(name), seconds=5)
        raise NoEngine(f"no container of the image {default} runs here: {why}") from None


def _label(variable: str, value: str) -> tuple[str, str]:
    """BUILDBOARD_BUILD → buildboard.build."""
    return variable.lower().replace("_", ".", 1), value


def _mount(outside: Path, inside: Path, *, read_only: bool = False) -> tuple[str, str]:
    return "--mount", f"type=bind,source={outside},target={inside}{',readonly' if read_only else ''}"
