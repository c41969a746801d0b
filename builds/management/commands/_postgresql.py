"""Copies of a PostgreSQL database, by its own tools: pg_dump, pg_restore and psql.

They are given the connection as the settings have it, and the password by the environment, never on a command line.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from ..backups import TABLES, Unusable

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
"""Where Debian and Red Hat keep the tools of each version."""
_EMPTY = """
SET lock_timeout = '10s';
DO $$
DECLARE found record;
BEGIN
  FOR found IN
    SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
  LOOP
    EXECUTE 'DROP TABLE IF EXISTS ' || found.name || ' CASCADE';
  END LOOP;
END $$;
"""
"""Every table that is there, also those of a version that is newer than the backup."""


def dump(target: Path) -> None:
    """The whole database, as it is at this moment, into the empty file `target`. `Unusable`."""
    _run([*_command("pg_dump", "--format=custom", "--lock-wait-timeout=60000", f"--file={target}")])


def check(path: Path) -> None:
    """`Unusable` where `path` cannot be read to its end, or is not a board's."""
    restorer = _restorer(path)
    try:
        listed = _run([restorer, "--list", str(path)])
        _run([restorer, "--file=/dev/null", str(path)])
    except Unusable as error:
        raise Unusable(f"{path} is damaged: {error}") from error
    missing = [name for name in TABLES if not re.search(rf"TABLE DATA \S+ {name} ", listed)]
    if missing:
        raise Unusable(f"{path} is an archive of pg_dump, but not of a Buildboard: it has no table {missing[0]}.")


def migrations(path: Path) -> set[tuple[str, str]]:
    said = _run([_restorer(path), "--data-only", "--table=django_migrations", "--file=-", str(path)])
    rows = said.partition("FROM stdin;\n")[2].partition("\n\\.")[0]
    return {(app, name) for _, app, name, *_ in (row.split("\t") for row in rows.splitlines())}


def load(path: Path) -> None:
    """Put what `path` holds in the place of all that the database has, in one transaction: all of it or nothing.

    The leases of the backup are gone with it, so that a worker which had one then does not write meanwhile. `Unusable`.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        schema = cursor.fetchone()[0]
    connection.close()
    reader = [_restorer(path), "--no-owner", "--no-privileges", "--file=-", str(path)]
    writer = _command("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")
    fenced = "builds_build SET lease_token = md5(random()::text || id) WHERE status = 'running'"
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(reader, stdout=subprocess.PIPE, stderr=said) as source,  # noqa: S603
        subprocess.Popen(  # noqa: S603
            writer, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=_environment()
        ) as target,
    ):
        assert source.stdout and target.stdin  # noqa: S101 - both are pipes
        try:
            target.stdin.write(f"BEGIN;\n{_EMPTY}".encode())
            shutil.copyfileobj(source.stdout, target.stdin)
            if source.wait() == 0:  # else there is no COMMIT, and nothing has changed
                target.stdin.write(f"UPDATE {schema}.{fenced};\nCOMMIT;\n".encode())
            target.stdin.close()
        except BrokenPipeError:
            source.kill()
            with contextlib.suppress(BrokenPipeError):  # what was not written yet
                target.stdin.close()
        failed = target.wait() or source.wait()
        if failed:
            raise Unusable(f"Nothing was restored, and the database is as it was: {_last_words(said)}.")


def refuse_in_use() -> None:
    """`Unusable` where other processes are connected as the user that the board connects as."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(host(client_addr), 'this machine') AS place FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' GROUP BY place ORDER BY place"
        )
        others = cursor.fetchall()
    if others:
        shown = ", ".join(f"{place} ({count})" for count, place in others)
        raise Unusable(
            f"The database is in use: there are connections to it from {shown}. Stop the web processes and workers of "
            "this board first, on every machine."
        )


def is_empty() -> bool:
    """Whether the database has no table yet."""
    return not connection.introspection.table_names()


# --- The tools ---


def _installed(name: str) -> list[tuple[int, str]]:
    """Version and path of each `name` on this machine, the oldest first."""
    on_path = shutil.which(name)
    found = {path for path in [on_path] if path}
    found |= {str(path) for place in _PLACES for path in Path("/").glob(f"{place.lstrip('/')}/{name}")}
    return sorted((version, path) for path in found if (version := _version(path)))


def _restorer(archive: Path) -> str:
    """The oldest `pg_restore` of this machine that can read `archive`: an older one refuses what a newer `pg_dump` has
    written. Where none can, the newest, which then says why."""
    newest = tool("pg_restore", 0)
    for _, newest in _installed("pg_restore"):
        with contextlib.suppress(Unusable):
            _run([newest, "--list", str(archive)])
            break
    return newest


def tool(name: str, least: int) -> str:
    """The path of the oldest `name` on this machine that is of version `least` at least, else `Unusable`."""
    versions = _installed(name)
    for version, path in versions:
        if version >= least:
            return path
    if not versions:
        raise Unusable(f"{name} is not installed: expected PostgreSQL's client programs (Debian: postgresql-client).")
    raise Unusable(
        f"{name} is of version {versions[-1][0]}, older than the server: expected {least} or later "
        f"(Debian: postgresql-client-{least})."
    )


def _version(path: str) -> int:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return 0
    number = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
    return int(number[1]) if number else 0


def _command(name: str, *options: str) -> list[str]:
    """`name` on the board's database."""
    with connection.temporary_connection():
        path = tool(name, connection.pg_version // 10_000)  # type: ignore[attr-defined]
    words, _ = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, ["--no-password", *options])
    return [path, *words[1:]]


def _environment() -> dict[str, str]:
    _, given = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    return {**os.environ, "PGAPPNAME": "buildboard backup", "PGCONNECT_TIMEOUT": "10", **(given or {})}


def _run(command: list[str]) -> str:
    """What it printed. `Unusable` with its last words where it failed."""
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=_environment(), check=False
        )
        if done.returncode:
            code = done.returncode
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            raise Unusable(f"{Path(command[0]).name} failed: {_last_words(said) or how}.")
    return done.stdout.decode("utf-8", "replace")


def _last_words(said: IO[Any]) -> str:
    said.seek(0)
    lines = [line.strip() for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    worst = [line for line in lines if "error" in line.lower()] or lines
    return re.sub(r"^(pg_dump|pg_restore|psql)[^ ]*: (error: )?", "", worst[0]).rstrip(".") if worst else ""
