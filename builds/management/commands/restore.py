"""`manage.py restore FILE`: put a backup in the place of the database, and begin a new world."""

import os
import secrets
import signal
import sqlite3
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection

from buildboard import private
from builds import worlds
from builds.management import backups
from builds.management.backups import Unusable

from . import _postgresql, _sqlite
from .backup import stamp, write
from .newworld import add_options, begin
from .up import only_board, refuse_no_database


class Command(BaseCommand):
    help = (
        "Put the backup FILE in the place of the database, while no part of the board runs, and begin a new world. "
        "The database of before is kept aside. A restore that fails leaves it where it is."
    )
    requires_system_checks: list[str] = []  # type: ignore[assignment]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        add_options(parser)

    def handle(self, *, file: Path, **options: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit("Stopped before the end: restore it again."))
        file = file.expanduser().absolute()
        # An own pool would look like a board that runs.
        connection.settings_dict["OPTIONS"].pop("pool", None)
        try:
            _refuse_other_kind(file)
            with only_board("This board's database is being restored just now"):
                _give_to_owner(settings.BUILDBOARD_DATA / "up.lock", settings.BUILDBOARD_DATA)
                restored = _sqlite_file if connection.vendor == "sqlite" else _postgresql_database
                told = restored(file, options)
        except (Unusable, sqlite3.Error, Error) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or 'The database'} cannot be written: {error.strerror}.") from error
        self.stdout.write("\n".join([f"Restored {file}.", *told, "Start the board again: web processes and workers."]))


def _refuse_other_kind(file: Path) -> None:
    kind = backups.kind(file)
    if kind != connection.vendor:
        raise Unusable(
            f"{file} is a backup of {backups.NAMED[kind]}, and the board's database (DATABASE_URL) is "
            f"{backups.NAMED[connection.vendor]}: they cannot be restored into each other."
        )


def _sqlite_file(file: Path, options: dict[str, Any]) -> list[str]:
    """All is made ready in a file beside the database; then the two change places."""
    place = Path(connection.settings_dict["NAME"]).resolve()
    if file.resolve() == place:
        raise Unusable(f"{file} is the board's database itself.")
    if place.exists():
        _sqlite.refuse_in_use(place)
    reached, world = _reached(), _sqlite.world(place) if place.exists() else ""
    connection.close()
    part = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        _sqlite.check(file)
        _sqlite.copy(file, part)
        backups.refuse_newer(_sqlite.migrations(part), str(file))
        connection.settings_dict["NAME"] = str(part)
        told = begin(options, is_alone=True, reached=_believed(reached, world == _sqlite.world(part)))
        connection.close()
        _sqlite.refuse_in_use(part)  # and so its WAL is part of it
        _give_to_owner(part, place if place.exists() else place.parent)
        backups.keep(part)
        told += _change_places(part, place)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = str(place)
        for left in (part, *_sqlite.beside(part)):
            left.unlink(missing_ok=True)
    return told


def _change_places(part: Path, place: Path) -> list[str]:
    """The database of before is kept under another name, with all that belongs to it. What to tell of it."""
    told = []
    if place.exists():
        _sqlite.refuse_in_use(place)
        aside = place.with_name(f"{place.stem}-before-{stamp()}{place.suffix}")
        told.append(f"The database of before is kept as {aside}; delete it when nobody needs it.")
        for old in _sqlite.beside(place):  # of one that is damaged
            old.rename(aside.with_name(aside.name + old.name.removeprefix(place.name)))
        try:
            aside.hardlink_to(place)  # whatever happens now, there is a database at its place
        except OSError:
            place.rename(aside)
    try:
        part.replace(place)
    except OSError:
        if told:
            aside.replace(place)
        raise
    if told:
        for kept in (aside, *_sqlite.beside(aside)):
            kept.chmod(private.MODE)  # also of a database that was open to others
    backups.keep(place)
    return told


def _postgresql_database(file: Path, options: dict[str, Any]) -> list[str]:
    """The archive is read through first, and then loaded in one transaction."""
    refuse_no_database()
    _postgresql.refuse_in_use()
    _postgresql.check(file)
    backups.refuse_newer(_postgresql.migrations(file), str(file))
    reached, world = _reached(), _world()
    told = []
    if not _postgresql.is_empty():
        aside = settings.BUILDBOARD_DATA / f"before-{stamp()}{backups.SUFFIX['postgresql']}"
        try:
            write(aside)
        except Unusable as error:
            raise Unusable(
                f"Nothing was restored: the database of before could not be kept. {error} To do without it, give the "
                "board an empty database (DATABASE_URL) and restore into that."
            ) from error
        _give_to_owner(aside, settings.BUILDBOARD_DATA)
        told.append(f"The database of before is kept as {aside}; delete it when nobody needs it.")
    _postgresql.load(file)
    try:
        return [*begin(options, is_alone=True, reached=_believed(reached, world == _world())), *told]
    except (Unusable, Error) as error:
        raise Unusable(
            f"{file} is restored, but its new world is not begun: {error} Run manage.py newworld."
        ) from error


def _world() -> str:
    """Of a database of any version; empty: it has none."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT world FROM builds_board")
            found = cursor.fetchone()
    except Error:
        connection.close()
        return ""
    return found[0] if found else ""


def _reached() -> int | None:
    """The last number of a build in the database that is to be replaced; None: that cannot be told."""
    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        return None
    try:
        return worlds.last_number()
    except Error:
        connection.close()
        return None


def _believed(reached: int | None, same_world: bool) -> int | None:
    """A database that has seen fewer builds than the backup is not what the backup was made of: it knows nothing of
    those that were started since."""
    return reached if reached is not None and (same_world or reached > worlds.last_number()) else None


def _give_to_owner(path: Path, like: Path) -> None:
    """Whoever restores as root does not leave the board with files that it may not open."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
