"""The program that makes containers: podman or docker, as BUILDBOARD_CONTAINER_ENGINE says, else what is found."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

NAMES = ("podman", "docker")
_PASSED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        *("DBUS_SESSION_BUS_ADDRESS", "REGISTRY_AUTH_FILE", "STORAGE_DRIVER"),
    }
)
_PASSED_PREFIXES = ("XDG_", "DOCKER_", "CONTAINER_", "CONTAINERS_", "PODMAN_")
"""Of this process's own variables those that engines read. Nothing of a recipe's is ever among them."""
_ANSWER_SECONDS = 60
_ASKED = {
    "podman": "{{.Version.Version}} {{.Host.Security.Rootless}}",
    "docker": "{{.ServerVersion}} {{.SecurityOptions}}",
}


_known: dict[str, "Engine"] = {}
"""By program."""


class NoEngine(Exception):
    """Why there can be no containers here: part of a sentence."""


@dataclass(frozen=True)
class Engine:
    """`kind`: podman or docker. `rootless`: it has the rights of the worker's user, and no others."""

    program: str
    kind: str
    version: str
    rootless: bool

    def user(self) -> list[str]:
        """Options by which what a step writes belongs to the worker's user."""
        own = f"{os.geteuid()}:{os.getegid()}"
        if self.kind == "podman" and self.rootless:
            return ["--userns", "keep-id", "--user", own]
        return ["--user", "0:0" if self.rootless else own]  # root in there is the worker's user out here


def find() -> str:
    """The program, by its whole path. `NoEngine`."""
    wanted = settings.BUILDBOARD_CONTAINER_ENGINE
    for name in [wanted] if wanted else NAMES:
        if found := shutil.which(name):
            return found
    if wanted:
        raise NoEngine(f"the program {wanted} is not installed (BUILDBOARD_CONTAINER_ENGINE)")
    raise NoEngine("neither podman nor docker is installed (Debian, Ubuntu, Fedora: the package podman)")


def get(seconds: float = _ANSWER_SECONDS) -> Engine:
    """The engine, once it has answered; after that nobody waits for it. A refusal is not remembered: an engine may be
    started later. `NoEngine`, also where one of two questions is not answered for so long."""
    program = find()
    if program not in _known:
        _known[program] = _asked(program, seconds)
    return _known[program]


def _asked(program: str, seconds: float) -> Engine:
    said = ask(program, "--version", seconds=seconds).lower()
    kind = next((name for name in NAMES if said.startswith(name)), "")
    if not kind:
        raise NoEngine(f"{program} --version said {said[:80]!r}: expected podman or docker")
    version, _, rest = ask(program, "info", "--format", _ASKED[kind], seconds=seconds).partition(" ")
    if not version:
        raise NoEngine(f"{program} info does not tell a version: is the engine running?")
    return Engine(program, kind, version, "rootless" in rest if kind == "docker" else rest.strip() == "true")


def ask(program: str, *words: str, seconds: float = _ANSWER_SECONDS) -> str:
    """What it says. `NoEngine` where it fails, or does not answer for so long."""
    try:
        done = subprocess.run(  # noqa: S603 - the program that the settings ask for
            [program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env=environment(),
        )
    except subprocess.TimeoutExpired:
        raise NoEngine(f"{program} {words[0]} has not answered for {seconds:.0f} s") from None
    except OSError as error:
        raise NoEngine(f"{program} could not be run: {error.strerror or error}") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        told = next((line for line in reversed(said) if "rror" in line), said[-1] if said else "")
        raise NoEngine(f"{program} {words[0]} said: {told.strip()[:300] or f'exit code {done.returncode}'}")
    return done.stdout.strip()


def environment(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """Of the program: what it needs of this process's variables, and no secret of the board's."""
    variables = os.environ if own is None else own
    return {name: value for name, value in variables.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}
