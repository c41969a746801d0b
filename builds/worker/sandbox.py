"""What a step may see and reach where BUILDBOARD_SANDBOX=bubblewrap: a view of the system of its own.

The system is there to be read, the workspace to be written. Of the rest of the machine nothing exists: no other files,
no other processes, no users, on request no network. docs/sandbox.md tells what that protects from.
"""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from .limits import Limits

PROGRAM = "bwrap"
HOME = Path("/home/build")
"""Where a step's home is inside. Its steps share it, and it goes with the build."""
USER, UID = "build", 1000
HOST = "build"
SHARED_MEMORY_MB = 1024
"""Of /dev/shm, where BUILDBOARD_MAX_STEP_MEMORY_MB says no less."""

_INSIDE = Path(__file__).with_name("inside.py")
_FIRST = "/run/buildboard/inside.py"
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Beside /usr; on most systems links into it."""
_ETC = (
    *("alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "ssl/certs", "ssl/openssl.cnf"),
    *("pki/tls/certs", "pki/tls/openssl.cnf", "pki/ca-trust", "pki/java"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone", "locale.alias", "locale.conf"),
    *("os-release", "debian_version", "lsb-release", "redhat-release", "alpine-release", "arch-release"),
    *("hosts", "host.conf", "gai.conf", "nsswitch.conf", "protocols", "services", "networks", "mime.types", "magic"),
    *("bash.bashrc", "profile", "profile.d", "inputrc", "terminfo", "fonts", "login.defs", "gitattributes"),
    *("python3", "perl", "java-11-openjdk", "java-17-openjdk", "java-21-openjdk", "emacs", "vim", "xdg"),
)
"""Of /etc what programs need, and nothing that may hold a key or a password."""
_OWN_ETC = Path(__file__).with_name("etc")
_USERS = ("passwd", "group")
"""Of this package: who steps run as, and nobody of this machine."""
_KERNEL = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "asound", "driver", "mtrr")
"""Of /proc what is the whole machine's, and could be written by a step whose worker is root: it can be read only."""
_SECRET = ("kcore", "kmsg", "keys", "key-users", "timer_list", "sched_debug", "latency_stats")
"""Of /proc what could tell about the rest of the machine: it is empty."""
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - the sandbox's own
_PROBE_SECONDS = 20


@dataclass(frozen=True)
class Sandbox:
    """The view of one step. `workspace`, `home`, `temporary`: folders that it may write; the first is inside where it
    is outside. `files`: what it may read besides, such as its script. `readable`: more of the system; `hidden`: what
    is never seen, be it in a readable folder. `mark`: variables by which its processes are known outside."""

    workspace: Path
    home: Path
    temporary: Path
    files: Sequence[Path] = ()
    readable: Collection[Path] = ()
    hidden: Sequence[Path] = ()
    network: bool = True
    memory_mb: int = 0
    mark: dict[str, str] = field(default_factory=dict)

    def rlimits(self, limits: Limits) -> dict[str, int]:
        """What its first process holds the step to."""
        return limits.rlimits(enclosed=True)

    def order(self) -> dict[str, object]:
        """What the guardian has to know of it."""
        first = [os.path.realpath(sys.executable), "-I", "-S", "-E", _FIRST]
        return {
            "command": [shutil.which(PROGRAM) or PROGRAM, "--args", "3", "--", *first, "4", "5"],
            "options": "".join(f"{option}\0" for option in self.options()),
            "env": self.mark,
            "after": [],
        }

    def options(self) -> list[str]:
        """Of bwrap, in the order in which it follows them: later ones lie over earlier ones."""
        veils = self._veils()
        return [
            *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
            *([] if self.network else ["--unshare-net"]),
            *("--uid", str(UID), "--gid", str(UID), "--hostname", HOST, "--cap-drop", "ALL", "--clearenv"),
            *("--new-session", "--die-with-parent", "--as-pid-1", "--disable-userns"),
            *("--proc", "/proc"),
            *_bound("--ro-bind", _places("/proc", _KERNEL)),
            *(word for path in _places("/proc", _SECRET) for word in ("--ro-bind", os.devnull, str(path))),
            *("--dev", "/dev", "--size", str((self.memory_mb or SHARED_MEMORY_MB) * 1024 * 1024)),
            *("--perms", "1777", "--tmpfs", "/dev/shm"),  # noqa: S108
            *("--ro-bind", "/usr", "/usr"),
            *_system(),
            *_bound("--ro-bind", _places("/etc", _ETC)),
            *(word for name in _USERS for word in ("--ro-bind", str(_OWN_ETC / name), f"/etc/{name}")),
            *(_bound("--ro-bind", [Path("/etc/resolv.conf")]) if self.network else []),
            *(word for place in _TEMPORARY for word in ("--bind", str(self.temporary), place)),
            *_bound("--ro-bind", _reachable(self.readable)),
            *(word for path in veils for word in _veil(path)),
            *("--dir", "/run", "--dir", "/var", "--ro-bind", str(_INSIDE), _FIRST),
            *("--bind", str(self.home), str(HOME), "--bind", str(self.workspace), str(self.workspace)),
            *_bound("--ro-bind", self.files),
            *(word for path in veils if path.is_dir() for word in ("--remount-ro", str(path))),
            *("--remount-ro", "/dev", "--remount-ro", "/"),
        ]

    def _veils(self) -> list[Path]:
        """What is hidden, where a readable folder would show it."""
        shown = [Path("/usr"), *map(Path, _TEMPORARY), *map(_real, self.readable)]
        found = [path for path in dict.fromkeys(map(_real, self.hidden)) if path.exists()]
        # What is in a hidden folder is gone with it: a veil of its own would show its name.
        outer = [path for path in found if not any(path.is_relative_to(other) for other in found if other != path)]
        return [path for path in outer if any(path.is_relative_to(place) for place in shown)]


def readable() -> list[Path]:
    """What of this machine steps may read besides the system: the interpreter that runs the board, so that it is there
    as it is outside, and what BUILDBOARD_SANDBOX_READABLE names."""
    own = [Path(place) for place in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)]
    return list(dict.fromkeys([*own, *map(Path, settings.BUILDBOARD_SANDBOX_READABLE)]))


def hidden() -> list[Path]:
    """What no step may see: the data folder with the key and all workspaces, also the usual one where it is another;
    the database and the files of builds, where they are elsewhere."""
    found = [settings.BUILDBOARD_DATA, settings.BASE_DIR / "var"]
    if settings.BUILDBOARD_STORAGE.startswith("/"):
        found.append(Path(settings.BUILDBOARD_STORAGE))
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        found += [Path(f"{database['NAME']}{end}") for end in ("", "-wal", "-shm", "-journal")]
    return found


def trouble() -> str:
    """Why steps cannot be put into a sandbox on this machine, in a sentence; empty: they can."""
    program = shutil.which(PROGRAM)
    if program is None:
        return "the program bwrap is not installed (Debian, Ubuntu, Fedora: the package bubblewrap)"
    for path in map(Path, settings.BUILDBOARD_SANDBOX_READABLE):
        if not path.exists():
            return f"BUILDBOARD_SANDBOX_READABLE names {path}, which does not exist"
        if path.resolve() == Path("/"):
            return f"BUILDBOARD_SANDBOX_READABLE names {path}, which is everything: name what steps need of it"
        if path.resolve().is_relative_to(_real(settings.BUILDBOARD_DATA)):
            return f"BUILDBOARD_SANDBOX_READABLE names {path}, which is in the data folder: that is hidden from steps"
    return _probe(program)


@functools.cache
def _probe(program: str) -> str:
    with tempfile.TemporaryDirectory(prefix="buildboard-probe-") as name:
        place = Path(name)
        for folder in ("workspace", "home", "temporary"):
            (place / folder).mkdir()
        tried = Sandbox(place / "workspace", place / "home", place / "temporary", readable=readable(), hidden=hidden())
        command = [program, *tried.options(), "--", os.path.realpath(sys.executable), "-I", "-S", "-E", "-c", ""]
        try:
            done = subprocess.run(  # noqa: S603 - the program that the setting asks for
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{program} could not be run: {error}"
    if done.returncode == 0:
        return ""
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return f"{program} said: {said} (it needs version 0.8 or newer, and a kernel that allows user namespaces)"


def _veil(path: Path) -> list[str]:
    return ["--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", os.devnull, str(path)]


def _places(folder: str, names: Iterable[str]) -> list[Path]:
    """Those that there are."""
    return [path for name in names if os.path.exists(path := Path(folder) / name)]


def _bound(option: str, places: Iterable[Path]) -> list[str]:
    """For each that exists; one that is a link shows what it leads to."""
    return [word for place in places if os.path.exists(place) for word in (option, str(place), str(place))]


def _reachable(places: Collection[Path]) -> list[Path]:
    """They, outer ones first, and what links among them lead to. A link in a folder that is there works by itself."""
    found: list[Path] = []
    for place in sorted({*places, *map(_real, places)}):
        if not (place != _real(place) and any(place.is_relative_to(outer) for outer in found)):
            found.append(place)
    return found


def _system() -> list[str]:
    found: list[str] = []
    for name in _SYSTEM:
        place = Path("/") / name
        if place.is_symlink():
            found += ["--symlink", os.readlink(place), str(place)]
        elif place.is_dir():
            found += ["--ro-bind", str(place), str(place)]
    return found


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
