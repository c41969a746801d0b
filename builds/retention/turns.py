"""One at a time on the whole board: whose turn it is to prune, and that nobody else is at it."""

import contextlib
import fcntl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from ..models import Board

_KEY = 0x6275696C64
"""Of PostgreSQL's advisory lock: "build", and in this database nobody else's."""


def take_turn(minutes: int) -> bool:
    """Whether it is this process's turn: so long after the last one that somebody took, by the database's clock.

    A compare-and-set: of several supervisors that ask at the same time one is told yes.
    """
    Board.get()
    free = Q(prune_at__isnull=True) | Q(prune_at__lte=Now() - timedelta(minutes=minutes))
    return bool(Board.objects.filter(free, pk=1).update(prune_at=Now()))


@contextlib.contextmanager
def alone() -> Iterator[bool]:
    """In it nobody else prunes this board; False: someone does already. It ends with this process at the latest."""
    with _advisory_lock() if connection.vendor == "postgresql" else _file_lock() as got:
        yield got


@contextlib.contextmanager
def _advisory_lock() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_KEY])
        got = bool(cursor.fetchone()[0])
    try:
        yield got
    finally:
        if got:
            with contextlib.suppress(Exception), connection.cursor() as cursor:  # a lost connection has given it back
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_KEY])


def lock_file() -> Path:
    """Beside the database, which is on one machine."""
    return Path(connection.settings_dict["NAME"]).with_suffix(".prune-lock")


@contextlib.contextmanager
def _file_lock() -> Iterator[bool]:
    with lock_file().open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
