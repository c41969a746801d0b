"""Copies of an SQLite database, also while a board writes to it."""

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil

from ..backups import TABLES, Unusable

PAGES = 1_000
REST_SECONDS = 0.002
"""Between two bites of a copy: whoever else needs the disk gets it."""
_PATIENCE = 20


def copy(source: Path, target: Path) -> None:
    """`source`, as it is at this moment, into the empty file `target`: one file that needs no other beside it.

    All of it is one reading transaction. In WAL mode that holds up no writer; without it, a copy in bites would begin
    again with every write. `Unusable`, `OSError`.
    """
    try:
        with closing(_open(source)) as one, closing(sqlite3.connect(target, isolation_level=None)) as other:
            one.execute("BEGIN")
            one.execute("SELECT count(*) FROM sqlite_master").fetchone()
            other.execute("PRAGMA journal_mode=OFF")
            other.execute("PRAGMA synchronous=OFF")
            one.backup(other, pages=PAGES, progress=lambda *_: time.sleep(REST_SECONDS))
            one.execute("ROLLBACK")
            other.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise Unusable(f"{source} could not be copied to {target.parent}: {error}.") from error


def check(path: Path) -> None:
    """`Unusable` where `path` is damaged, or not a board's."""
    _refuse_short(path)
    try:
        with closing(_open(path)) as database:
            wrong = [row[0] for row in database.execute("PRAGMA integrity_check(3)") if row[0] != "ok"]
            tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        raise Unusable(f"{path} is damaged: {error}.") from error
    if wrong:
        raise Unusable(f"{path} is damaged: {'; '.join(wrong).splitlines()[0]}.")
    missing = [table for table in TABLES if table not in tables]
    if missing:
        raise Unusable(f"{path} is an SQLite database, but not a Buildboard's: it has no table {missing[0]}.")


def _refuse_short(path: Path) -> None:
    """What is missing at the end of a file SQLite takes for zeros, which may well look like an empty page."""
    with path.open("rb") as file:
        head = file.read(100)
    size = int.from_bytes(head[16:18], "big")
    expected = (65_536 if size == 1 else size) * int.from_bytes(head[28:32], "big")
    if len(head) < 100 or path.stat().st_size < expected:
        raise Unusable(f"{path} is damaged: it has {path.stat().st_size} bytes, expected {expected}.")


def migrations(path: Path) -> set[tuple[str, str]]:
    with closing(_open(path)) as database:
        return set(database.execute("SELECT app, name FROM django_migrations"))


def world(path: Path) -> str:
    """Of a database of any version; empty: it has none, or cannot be read."""
    with suppress(sqlite3.Error), closing(_open(path)) as database:
        found = database.execute("SELECT world FROM builds_board").fetchone()
        return str(found[0]) if found else ""
    return ""


def refuse_in_use(path: Path) -> None:
    """`Unusable` where another process has `path` open. Afterwards it is one file, without those of the WAL mode."""
    try:
        with closing(_open(path, patience=0)) as database:
            database.execute("PRAGMA journal_mode=DELETE")  # only whoever is alone may do this
    except sqlite3.OperationalError as error:
        if "locked" not in str(error) and "busy" not in str(error):
            return  # it cannot be opened, so nobody uses it
        who = f" ({', '.join(found)})" if (found := _users(path)) else ""
        raise Unusable(f"{path} is in use{who}: stop the web processes and workers of this board first.") from error
    except sqlite3.DatabaseError:
        return  # damaged: it is about to be put aside


def beside(path: Path) -> list[Path]:
    """The files that belong to `path` in WAL mode and with a journal, where they are there."""
    return [found for end in ("-wal", "-shm", "-journal") if (found := path.with_name(path.name + end)).exists()]


def _open(path: Path, patience: float = _PATIENCE) -> sqlite3.Connection:
    """Never makes a new file. One without a WAL is opened where its folder may not be written, too; with a WAL that
    would pass over the newest commits, so it is read with it, or refused."""
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        mode = "mode=rw"
    else:
        mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=patience, isolation_level=None)


def _users(path: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and any(file.path == str(path) for file in process.open_files()):
                words = " ".join(process.cmdline()[1:4]).replace(f"{os.getcwd()}/", "")
                found.append(f"process {process.pid}: {words or process.name()}")
    return found
