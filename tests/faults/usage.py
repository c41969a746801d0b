"""What the board's processes hold: threads, files, memory; and how many connections to PostgreSQL and to Redis.

A process that lived all the time has to come back to what it held when the board was warm and idle. One that was
started again has no such measure: it is held to what any process of its kind may have.
"""

import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import psutil
import psycopg

from .units import Unit
from .world import World

MIB = 2**20


@dataclass(frozen=True)
class Usage:
    threads: int
    files: int
    """Without its connections to PostgreSQL, which are counted there."""
    memory: int
    """Resident bytes."""
    sockets: str = ""
    """For people: how many in which state, to and from where."""


@dataclass(frozen=True)
class Holding:
    """`processes`: by (unit, pid, start). `connections`: to PostgreSQL, by unit. `listeners`: connections to Redis."""

    processes: Mapping[tuple[str, int, float], Usage]
    connections: Mapping[str, int]
    listeners: int
    streams: Mapping[str, int]
    """That each web counts as open."""


MORE = Usage(threads=4, files=12, memory=64 * MIB)
"""So much above its baseline is no leak: a thread or a connection that a pool keeps for a while, a heap's holes."""
MOST = Usage(threads=40, files=120, memory=320 * MIB)
"""Of a process that was started meanwhile."""
MOST_CONNECTIONS = {"web": 16, "supervisor": 6}
"""A web's pool grows to 16 where many wait, and gives back what it does not need after ten minutes: for it that is the
bound. A supervisor and its two workers have one each, and perhaps one that PostgreSQL has not seen the end of."""
MORE_LISTENERS = 6
"""Three supervisors send their first wake when they lose a build."""


def holding(world: World) -> Holding:
    processes = {}
    for unit in world.units:
        for process in _processes(unit):
            try:
                with process.oneshot():
                    sockets = _sockets(world, process)
                    files = process.num_fds() - sum(n for what, n in sockets.items() if "to_postgresql" in what)
                    described = ", ".join(f"{count} {what}" for what, count in sorted(sockets.items()))
                    usage = Usage(process.num_threads(), files, process.memory_info().rss, described)
                    processes[unit.name, process.pid, process.create_time()] = usage
            except psutil.Error:
                continue
    streams = {unit.name: _streams(world, port) for unit, port in zip(world.webs, world.ports, strict=True)}
    return Holding(processes, _connections(world), _listeners(world), streams)


def leaks(now: Holding, before: Holding) -> list[str]:
    """What is held above the bounds, in sentences."""
    found = []
    for key, usage in now.processes.items():
        base = before.processes.get(key)
        for name in ("threads", "files", "memory"):
            held, bound = getattr(usage, name), getattr(MOST, name)
            was = ""
            if base is not None:
                bound = getattr(base, name) + getattr(MORE, name)
                was = f", {_shown(name, getattr(base, name))} before"
            if held > bound:
                found.append(f"{key[0]} (process {key[1]}) holds {_shown(name, held)}{was}: {usage.sockets}")
    for unit, count in now.connections.items():
        if count > MOST_CONNECTIONS[unit.partition(" ")[0]]:
            found.append(f"{unit} holds {count} connections to PostgreSQL, {before.connections.get(unit, 0)} before")
    if now.listeners > before.listeners + MORE_LISTENERS:
        found.append(f"{now.listeners} connections to Redis, {before.listeners} before")
    found += [f"{unit} counts {count} open streams, and nobody watches" for unit, count in now.streams.items() if count]
    return found


def settled(world: World, before: Holding, seconds: float) -> tuple[Holding, list[str]]:
    """What is held when it is back within the bounds, or after so many seconds; and what is above them."""
    until = time.monotonic() + seconds
    while True:
        now = holding(world)
        found = leaks(now, before)
        if not found or time.monotonic() > until:
            return now, found
        time.sleep(0.5)


def _processes(unit: Unit) -> list[psutil.Process]:
    try:
        return [psutil.Process(unit.process.pid), *unit.children("--one")]
    except psutil.Error:
        return []


def _sockets(world: World, process: psutil.Process) -> Counter[str]:
    """How many to whom, and in which state."""
    ports = {world.proxies.ports[name]: name for name in world.proxies.ports}
    found: Counter[str] = Counter()
    for socket in process.net_connections("tcp"):
        there = ports.get(socket.raddr.port, "clients") if socket.raddr else "nobody"
        found[f"{there} {socket.status}"] += 1
    return found


def _connections(world: World) -> Counter[str]:
    sql = "SELECT application_name, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1"
    with psycopg.connect(world.board.database_url, application_name="the bench", connect_timeout=5) as connection:
        rows = dict(connection.execute(sql).fetchall())
    return Counter({name: count for name, count in rows.items() if name in {unit.name for unit in world.units}})


def _streams(world: World, port: int) -> int:
    status, body = world.ask("GET", "/metrics", port=port)
    if status != 200:
        raise AssertionError(f"/metrics answered {status}")
    return int(
        sum(float(count) for count in re.findall(r"^buildboard_viewers\{.*\} (.+)$", body.decode(), re.MULTILINE))
    )


def _listeners(world: World) -> int:
    answer = world.redis.command("CLIENT", "LIST").decode("utf-8", "replace")
    return sum(line.startswith("id=") for line in answer.split("\n")[1:])


def _shown(name: str, value: int) -> str:
    return f"{value / MIB:.0f} MiB of memory" if name == "memory" else f"{value} {name}"


def shown(held: Holding) -> dict[str, str]:
    """For people."""
    found = {
        f"{name} ({pid})": f"{use.threads} threads, {use.files} files, {use.memory / MIB:.0f} MiB; {use.sockets}"
        for (name, pid, _), use in held.processes.items()
    }
    connections = ", ".join(f"{name}: {count}" for name, count in sorted(held.connections.items()))
    return found | {"PostgreSQL": connections, "Redis": f"{held.listeners} connections"}
