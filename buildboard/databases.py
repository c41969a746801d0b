"""DATABASE_URL → one of the board's two engines, and how it talks to it."""

from pathlib import Path
from typing import Any

import dj_database_url

from .environment import Environment, refused

_SQLITE = {
    # BEGIN IMMEDIATE: a transaction that reads first and writes later fails at once otherwise when another one wrote
    # in between, whatever the timeout. WAL: readers and the one writer do not wait for each other.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
}
_POSTGRESQL = {
    # A pool, and no persistent connections beside it: under ASGI those leak, one a thread.
    # It is asked again for a connection up to PLACE_SECONDS (postgresql/base.py).
    "pool": {"min_size": 1, "max_size": 16, "timeout": 1},
    "connect_timeout": 5,
    # A connection whose other end is gone without a word is noticed within a minute, not after a quarter of an hour.
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def configured(env: Environment, data: Path) -> dict[str, Any]:
    """What DATABASE_URL says, as Django wants it; SQLite in the folder `data` where it says nothing."""
    url = env.text("DATABASE_URL", f"sqlite:///{data / 'buildboard.sqlite3'}")
    expected = "a database URL, such as postgres://user:password@host/name or sqlite:////path/to/file"
    try:
        database: dict[str, Any] = dict(dj_database_url.parse(url, conn_health_checks=True))
    except Exception as error:  # the library raises several kinds; the URL may hold a password, so it is not shown
        raise refused("DATABASE_URL", "", expected) from error
    engine = database.get("ENGINE", "").rpartition(".")[2]
    if engine not in ("sqlite3", "postgresql"):
        raise refused("DATABASE_URL", "", f"{expected} (SQLite and PostgreSQL are supported)")
    own = _SQLITE if engine == "sqlite3" else _POSTGRESQL
    database["ENGINE"] = f"buildboard.{engine}"
    database["OPTIONS"] = {**own, **database.get("OPTIONS", {})}
    database["CONN_MAX_AGE"] = 0
    return database
