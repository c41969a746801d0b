"""What a backup file is: an SQLite database, or an archive of `pg_dump` in its custom format. Both are the whole
database and nothing else, so that their own tools read them too.
"""

import os
from collections.abc import Collection
from pathlib import Path

from django.db.migrations.loader import MigrationLoader

SUFFIX = {"sqlite": ".sqlite3", "postgresql": ".dump"}
NAMED = {"sqlite": "an SQLite database", "postgresql": "a PostgreSQL database"}
_BEGINS = {b"SQLite format 3\0": "sqlite", b"PGDMP": "postgresql"}
TABLES = ("builds_board", "builds_build", "builds_event", "django_migrations")
"""Without these it is not this board's."""


class Unusable(Exception):
    """A backup, a database or a tool is not as it has to be; the text is a sentence for people."""


def kind(path: Path) -> str:
    """Of the database that `path` is a backup of: "sqlite" or "postgresql", by its first bytes. `Unusable`: neither."""
    try:
        with path.open("rb") as file:
            begins = file.read(64)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}.") from error
    for mark, found in _BEGINS.items():
        if begins.startswith(mark):
            return found
    if begins.startswith((b"--", b"SET ", b"\\")):
        raise Unusable(
            f"{path} looks like plain SQL: load it with psql into an empty database, then run manage.py newworld."
        )
    if begins.startswith(b"\x1f\x8b"):
        raise Unusable(f"{path} is compressed: unpack it first (gunzip).")
    raise Unusable(
        f"{path} is not a backup: expected a file that was made by manage.py backup, by .backup of SQLite, or by "
        "pg_dump --format=custom."
    )


def refuse_newer(applied: Collection[tuple[str, str]], what: str) -> None:
    """`Unusable` where `applied` (app, migration) has what this version does not know: a newer one wrote it."""
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    known = loader.disk_migrations
    apps = {app for app, _ in known}
    unknown = sorted(f"{app}.{name}" for app, name in applied if app in apps and (app, name) not in known)
    if unknown:
        shown = ", ".join(unknown[:5])
        raise Unusable(f"{what} was written by a newer version of Buildboard: this one does not know {shown}.")


def keep(path: Path) -> None:
    """Whatever happens to the machine now, `path` has its content and its name."""
    for place, flags in ((path, os.O_RDONLY), (path.parent, os.O_RDONLY | os.O_DIRECTORY)):
        file = os.open(place, flags)
        try:
            os.fsync(file)
        finally:
            os.close(file)
