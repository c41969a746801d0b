"""The first run of a board: an administrator, and two projects that really compile something.

`standard-library` byte-compiles a private copy of Python's own standard library; `buildboard` lints and tests this
checkout. Both use the interpreter that runs the board, and nothing from the network.
"""

import secrets
import sys
from pathlib import Path

import yaml
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from ..models import Build, Project

HERE = Path(__file__).resolve().parent
ADMIN = "admin"
_PLACES = {"@PYTHON@": sys.executable, "@PROGRAMS@": str(HERE / "programs"), "@CHECKOUT@": str(settings.BASE_DIR)}


def first_run() -> str | None:
    """Fill an empty database: the password of its new administrator. None: it was not empty; nothing was changed.

    Empty is one without users, projects and builds: what was deleted later does not come back. The password is
    BUILDBOARD_ADMIN_PASSWORD, else a random one that is kept nowhere: the caller shows it.
    """
    with transaction.atomic():
        if User.objects.exists() or Project.objects.exists() or Build.objects.exists():
            return None
        password = settings.BUILDBOARD_ADMIN_PASSWORD or secrets.token_urlsafe(12)
        User.objects.create_superuser(ADMIN, password=password)
        for project in projects():
            project.full_clean()
            project.save()
        return password


def projects() -> list[Project]:
    """The demo projects, not stored yet."""
    return [
        Project(
            name="Standard library",
            slug="standard-library",
            description="Byte-compiles a private copy of Python's own standard library, a line per file.",
            recipe=recipe("standard-library"),
        ),
        Project(
            name="Buildboard",
            slug="buildboard",
            description="This board's own checkout: lint, and its fast tests.",
            recipe=recipe("buildboard"),
        ),
    ]


def recipe(name: str) -> str:
    """The recipe in NAME.yml, with the places of this machine filled in."""
    text = (HERE / f"{name}.yml").read_text(encoding="utf-8")
    for mark, place in _PLACES.items():
        # Quoted, whatever quotes, spaces or colons the path has; scripts see it as a variable.
        quoted = yaml.safe_dump(place, allow_unicode=True, default_style='"', width=float("inf"))
        text = text.replace(f'"{mark}"', quoted.rstrip("\n"))
    return text
