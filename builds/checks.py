"""System checks: settings that are each right, and wrong together, or that nothing reads.

W001, W002, W003, W008 and W009 are shown by every command; the others by `manage.py check --deploy` alone, because a
board on one machine is right to ignore them.
"""

import difflib
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Info, Tags, Warning, register
from django.db import Error as DatabaseError

from buildboard.client import environment

from . import rotation

OWN = "buildboard"
"""The tag of those that every command of the board needs, beside Django's own."""
GIVEN_TO_STEPS = frozenset(
    {
        "ATTEMPT", "BRANCH", "BUILD", "BUILD_ID", "COMMIT", "PROJECT", "PULL_REQUEST", "REF", "STEP", "TAG", "TRIGGER",
        "WORKSPACE",
    }
)  # fmt: skip
"""What follows BUILDBOARD_ in the names that a step finds in its environment: a board that a build starts has them."""

_PREFIX = "BUILDBOARD_"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", ".localhost", "::1"})
_SHORT_LEASE_SECONDS = 10


@register(OWN)
def unknown_variables(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    return list(_unknown(os.environ, _known_names()))


@register(OWN)
def served_by_asgi(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    if getattr(settings, "WSGI_APPLICATION", None) is None and getattr(settings, "ASGI_APPLICATION", None):
        return []
    return [
        Warning(
            "WSGI_APPLICATION is set, or ASGI_APPLICATION is not: a server that uses WSGI cannot stream.",
            hint="Set WSGI_APPLICATION = None and serve ASGI_APPLICATION, as `manage.py up` does.",
            id="builds.W002",
        )
    ]


@register(Tags.security)
def debug_for_others(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    others = [host for host in settings.ALLOWED_HOSTS if host not in _LOOPBACK]
    if not (settings.DEBUG and others):
        return []
    return [
        Warning(
            f"DEBUG is on while ALLOWED_HOSTS names {', '.join(others[:3])}: its error pages show settings and "
            "source to whoever reaches the board.",
            hint="Unset DEBUG, or serve this machine alone (no ALLOWED_HOSTS).",
            id="builds.W003",
        )
    ]


@register(OWN)
def sandbox_without_program(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    engine = settings.BUILDBOARD_CONTAINER_ENGINE
    wanted = {"bubblewrap": ["bwrap"], "container": [engine] if engine else ["podman", "docker"]}
    programs = wanted.get(settings.BUILDBOARD_SANDBOX, [])
    if not programs or any(map(shutil.which, programs)):
        return []
    package = "bubblewrap" if settings.BUILDBOARD_SANDBOX == "bubblewrap" else "podman"
    return [
        Warning(
            f"BUILDBOARD_SANDBOX is {settings.BUILDBOARD_SANDBOX}, and this machine has no program "
            f"{' or '.join(programs)}: workers refuse to start here.",
            hint=f"Install the package {package}, or run workers on another machine.",
            id="builds.W008",
        )
    ]


@register(OWN)
def containers_without_image(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    if settings.BUILDBOARD_SANDBOX != "container" or settings.BUILDBOARD_CONTAINER_IMAGE:
        return []
    return [
        Warning(
            "BUILDBOARD_SANDBOX is container, and BUILDBOARD_CONTAINER_IMAGE is not set: steps whose recipe names no "
            "image fail.",
            hint="Set BUILDBOARD_CONTAINER_IMAGE, such as docker.io/library/debian:12.",
            id="builds.W009",
        )
    ]


@register(Tags.security, deploy=True)
def no_sandbox(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    if settings.BUILDBOARD_SANDBOX != "none":
        return []
    return [
        Info(
            "BUILDBOARD_SANDBOX is none: a step can read and write what the worker's user can, the board's own files "
            "included.",
            hint="Set BUILDBOARD_SANDBOX=bubblewrap unless everyone who may change what is built is trusted so far.",
            id="builds.I002",
        )
    ]


@register(deploy=True)
def short_lease(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    seconds = settings.BUILDBOARD_LEASE_SECONDS
    if seconds >= _SHORT_LEASE_SECONDS:
        return []
    return [
        Warning(
            f"BUILDBOARD_LEASE_SECONDS is {seconds}: a machine that stalls that long loses its running builds.",
            hint=f"Use {_SHORT_LEASE_SECONDS} or more; the default is 15.",
            id="builds.W004",
        )
    ]


@register(Tags.security, deploy=True)
def readable_database(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    database = settings.DATABASES["default"]
    if not database["ENGINE"].endswith("sqlite3") or not _others_may_read(Path(database["NAME"])):
        return []
    return [
        Warning(
            f"Every user of this machine may read the database {database['NAME']}: logs, sessions, password hashes.",
            hint="chmod o-rwx the data folder (BUILDBOARD_DATA).",
            id="builds.W005",
        )
    ]


@register(Tags.security, deploy=True)
def unreadable_secrets(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Nothing where there is no database to ask, or none that has the tables yet."""
    try:
        lost = rotation.unreadable()
    except DatabaseError:
        return []
    if not lost:
        return []
    return [
        Warning(
            f"None of this board's keys opens what is sealed in {', '.join(lost[:3])}"
            f"{f' and {len(lost) - 3:,} more' if len(lost) > 3 else ''}.",
            hint="Give it the former key (BUILDBOARD_SECRETS_KEYS, SECRET_KEY_FALLBACKS), or write those secrets anew.",
            id="builds.W006",
        )
    ]


@register(deploy=True)
def no_shared_layer(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    if settings.REDIS_URL or not settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
        return []
    return [
        Info(
            "PostgreSQL without REDIS_URL: everything works, but wakes do not cross processes, so each web process "
            "asks the database twenty times a second while someone watches.",
            hint="Set REDIS_URL where several machines or many viewers use the board.",
            id="builds.I001",
        )
    ]


def _known_names() -> list[str]:
    """Every setting under BUILDBOARD_ has the name of its variable."""
    return sorted(name for name in dir(settings) if name.startswith(_PREFIX))


def _unknown(variables: Mapping[str, str], known: list[str]) -> Iterable[Warning]:
    accepted = {*known, *(_PREFIX + name for name in GIVEN_TO_STEPS), *environment.VARIABLES}
    for name in sorted(variables):
        if not name.startswith(_PREFIX) or name in accepted:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        yield Warning(
            f"The environment has {name}, which nothing reads.",
            hint=f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}.",
            id="builds.W001",
        )


def _others_may_read(path: Path) -> bool:
    """Whether the file and each folder above it are open to everyone."""
    try:
        return bool(path.stat().st_mode & 0o004) and all(folder.stat().st_mode & 0o001 for folder in path.parents)
    except OSError:
        return False
