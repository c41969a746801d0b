"""Django's PostgreSQL, for a process that has to go on while the database is away: see `presence.py`.

Where the process is guarded, no query and no wait for a connection outlasts the moment at which the database is known
to be away. Elsewhere this is Django's own, with its pool.
"""

import re
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql import base
from psycopg.pq import ConnStatus
from psycopg.waiting import READY_NONE
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from ..presence import database

TICK_SECONDS = 0.1
"""So often a wait for the server looks up. Its patience is counted in ticks, not by the clock: a process that was
stopped itself has not listened."""
SUSPECT_TICKS = 10
"""After so many without a word a query raises a suspicion: the database may be away, or only be busy."""
SUSPECT_AGAIN_TICKS = 50
SILENT_TICKS = 600
"""After so many a query ends, though others are answered: its connection leads nowhere."""
LOOK_SECONDS = 3
"""A look is given up after so long."""
PLACE_SECONDS = 10.0
"""For a connection of the pool, where all are in use."""
_FULL = re.compile(r"too many (clients|connections)|remaining connection slots")


class GivenUp(Exception):
    """The server is waited for no longer. No error of psycopg's, which would try to go on with the connection."""


class Ticking(psycopg.Connection[Any]):
    """A connection whose waiting for the server can end. One that hangs still acknowledges every byte: TCP notices
    nothing."""

    def wait(self, gen: Any, interval: float = TICK_SECONDS, timeout: float | None = None) -> Any:
        try:
            return super().wait(_ticking(gen, self.tick), TICK_SECONDS, timeout)
        except GivenUp as reason:
            self.pgconn.finish()
            raise psycopg.OperationalError(str(reason)) from None

    def tick(self, silent: int) -> None:
        """Called after each tick without a word; `silent`: how many there were in a row. May raise `GivenUp`."""


class Connection(Ticking):
    """One of the pool's."""

    def wait(self, gen: Any, interval: float = TICK_SECONDS, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError:
            if self.pgconn.status == ConnStatus.BAD:
                database.suspect(broken=True)
            raise

    def tick(self, silent: int) -> None:
        if not database.is_guarded:
            return
        if database.is_away:
            raise GivenUp("the database is away")
        if silent > SILENT_TICKS:
            raise GivenUp(f"the database has said nothing for {SILENT_TICKS * TICK_SECONDS:.0f} s")
        if silent % SUSPECT_AGAIN_TICKS == SUSPECT_TICKS:
            database.suspect()


class Looking(Ticking):
    """One that only asks whether it is answered."""

    def tick(self, silent: int) -> None:
        if silent > LOOK_SECONDS / TICK_SECONDS:
            raise GivenUp(f"the database has said nothing for {LOOK_SECONDS} s")


def _ticking(gen: Any, tick: Callable[[int], None]) -> Generator[Any, Any, Any]:
    """`gen`, which talks with the server and yields what it waits for."""
    silent = 0
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            silent = silent + 1 if ready == READY_NONE else 0
            if silent:
                tick(silent)
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value


class DatabaseWrapper(base.DatabaseWrapper):
    def __init__(self, settings_dict: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        options = settings_dict["OPTIONS"]
        if options.get("pool"):
            options["pool"] = {**options["pool"], "connection_class": Connection}
        super().__init__(settings_dict, *args, **kwargs)
        self._last_words: list[LastWord] = []

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """The pool's own patience is short (`timeout` in its options), so that what happens meanwhile is noticed."""
        until = time.monotonic() + PLACE_SECONDS
        while True:
            if database.is_away:
                raise psycopg.OperationalError("the database is away")
            try:
                return super().get_new_connection(conn_params)
            except (PoolTimeout, PoolClosed):
                database.suspect()
                if time.monotonic() > until:
                    raise

    # --- The last words of a transaction ---

    def say_last(self, sql: str, params: Sequence[Any], told: Callable[[Any], None]) -> None:
        """Inside a transaction, and no savepoint: `sql` is executed as its last word, and travels with its COMMIT. What
        it locks is locked for as long as the server takes, and not until a client on a busy machine says the next word.
        `told`: called with the row that it returns, once that is committed. A rollback forgets it.
        """
        self._last_words.append(LastWord(sql, params, told))

    def _commit(self) -> None:
        words, self._last_words = self._last_words, []
        if not words or self.connection is None:
            return super()._commit()  # type: ignore[misc]
        cursors = [psycopg.Cursor(self.connection) for _ in words]
        with self.wrap_database_errors:
            with self.connection.pipeline():
                for cursor, word in zip(cursors, words, strict=True):
                    cursor.execute(word.sql, word.params)  # type: ignore[arg-type]
                super()._commit()  # type: ignore[misc]
            for cursor, word in zip(cursors, words, strict=True):
                word.told(cursor.fetchone())

    def _rollback(self) -> None:
        self._last_words = []
        super()._rollback()  # type: ignore[misc]

    def close(self) -> None:
        self._last_words = []
        super().close()


class LastWord(NamedTuple):
    sql: str
    params: Sequence[Any]
    told: Callable[[Any], None]


def guard() -> None:
    database.guard(_look, _renew)


def _look() -> None:
    """Whether a new connection is answered."""
    params = connections[DEFAULT_DB_ALIAS].get_connection_params()  # type: ignore[attr-defined]
    try:
        with Looking.connect(**{**params, "connect_timeout": LOOK_SECONDS, "autocommit": True}) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        if not _FULL.search(str(error)):  # it answers, and whoever has a connection can work
            raise


def _renew() -> None:
    """Close the idle connections, and those in use when they are given back; whoever waits for one asks again."""
    pools: dict[str, ConnectionPool[Any]] = base.DatabaseWrapper._connection_pools  # type: ignore[attr-defined]
    pool = pools.pop(DEFAULT_DB_ALIAS, None)
    if pool is not None:
        pool.close(timeout=0)
