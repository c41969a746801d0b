"""`manage.py backup FILE`: the whole database in one file, while the board runs."""

import os
import secrets
import signal
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection

from builds import worlds
from builds.management import backups
from builds.management.backups import Unusable

from . import _postgresql, _sqlite
from .up import refuse_no_database


class Command(BaseCommand):
    help = (
        "Write the whole database to FILE, as it is at this moment, while the board goes on. The copy is read through "
        "and checked before it gets its name. Where FILE is a folder, or ends with a slash, it is named in it by the "
        "time; a folder that is not there is made."
    )
    requires_system_checks: list[str] = []  # type: ignore[assignment]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--force", action="store_true", help="overwrite FILE where it exists")

    def handle(self, *, file: str | Path, force: bool, **_: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit("Stopped; nothing was written."))
        refuse_no_board()
        target = Path(file).expanduser().absolute()
        if str(file).endswith("/"):  # as a shell has it, and what a timer is given before there is one
            _make_folder(target)
        if target.is_dir():
            target /= f"buildboard-{stamp()}{backups.SUFFIX[connection.vendor]}"
        newest = worlds.last_number()
        connection.close()
        try:
            write(target, force=force)
            size = target.stat().st_size
        except Unusable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{target}: {size / 1e6:.1f} MB, checked; its newest build is {newest or 'none yet'}.")


def _make_folder(target: Path) -> None:
    """Its owner's alone, as what will be in it; not what it would stand in, which may be a disk that is not there."""
    try:
        target.mkdir(mode=0o700)
    except FileExistsError:
        if not target.is_dir():
            raise CommandError(f"{target} is a file: expected a folder, as the slash behind it says.") from None
    except OSError as error:
        raise CommandError(f"The folder {target} cannot be made: {error.strerror}.") from error


def refuse_no_board() -> None:
    """`CommandError` where there is no database, or nothing in it: never makes a new one."""
    place = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite" and not Path(place).exists():
        raise CommandError(f"There is no database at {place} (DATABASE_URL, BUILDBOARD_DATA).")
    refuse_no_database()
    try:
        tables = connection.introspection.table_names()
    except Error as error:
        raise CommandError(f"The database cannot be read: {error}.") from error
    if "builds_board" not in tables:
        raise CommandError(f"The database {place} has no Buildboard in it.")


def write(target: Path, *, force: bool = False) -> None:
    """The whole database as `target`, readable by its owner alone: all of it and checked, or nothing. `Unusable`."""
    if target.exists() and not force:
        raise Unusable(f"{target} exists already; --force overwrites it.")
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise Unusable(f"{target} cannot be written: {error.strerror}.") from error
    try:
        if connection.vendor == "sqlite":
            _sqlite.copy(Path(connection.settings_dict["NAME"]), part)
            _sqlite.check(part)
        else:
            _postgresql.dump(part)
            _postgresql.check(part)
        backups.keep(part)
        if force:
            part.replace(target)
        else:
            _name(part, target)
        backups.keep(target)
    except OSError as error:
        raise Unusable(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        for left in (part, *_sqlite.beside(part)):
            left.unlink(missing_ok=True)


def _name(part: Path, target: Path) -> None:
    """Never over a file that has come there meanwhile."""
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise Unusable(f"{target} exists already; --force overwrites it.") from None
    except OSError:  # a file system without links
        part.rename(target)


def stamp() -> str:
    """Now, as it stands in names of files."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
