"""What does an idle viewer take of memory, and do threads and database connections grow with them?

Beside Go's handler and nginx. Bytes are those of the server's processes, shared ones in proportion; what the kernel
holds for a connection is the same for all, and not counted.
"""

import contextlib
import resource
import socket
import statistics
import time
from collections.abc import Iterator
from unittest import SkipTest

import psutil

from .fanout import BASE, family, memory
from .figures import Answer
from .rivals.servers import RIVALS, Rival, Server

VIEWERS, SHORT_VIEWERS = (1_000, 5_000), (5,)
ROUNDS, SHORT_ROUNDS = 3, 1
FIRST = 20
"""What the first viewers bring once and for all is not the price of a viewer."""
SETTLE_SECONDS, SHORT_SETTLE_SECONDS = 2.0, 0.2
COMPARED = (BASE, "nginx", "Buildboard")
_BATCH = 50


def measure(short: bool) -> list[Answer]:
    counts = SHORT_VIEWERS if short else VIEWERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(counts) + 1_000  # the servers inherit it
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
    try:
        return [ask(count, short) for count in counts]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def ask(count: int, short: bool) -> Answer:
    answer = Answer(f"{count:,} idle viewers of one log")
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(SHORT_ROUNDS if short else ROUNDS):
        for rival in RIVALS:
            if rival.name.startswith(COMPARED):
                try:
                    measured = run(rival, count, SHORT_SETTLE_SECONDS if short else SETTLE_SECONDS)
                except SkipTest as reason:
                    note = f"{rival.name}: not measured, {reason}"
                    if note not in answer.notes:
                        answer.notes.append(note)
                else:
                    found.setdefault(rival.name, []).append(measured)
    medians = {name: statistics.median(one["kib"] for one in runs) for name, runs in found.items()}
    for name, runs in found.items():
        row = {"server": name, "kib_a_viewer": round(medians[name], 1)}
        row["spread"] = f"{min(one['kib'] for one in runs):.1f} to {max(one['kib'] for one in runs):.1f}"
        if medians.get(BASE):
            row["to_go"] = round(medians[name] / medians[BASE], 2)
        for what in ("threads", "connections"):
            row[what] = f"{runs[-1][f'{what} before']:.0f} → {runs[-1][what]:.0f}"
        answer.add(**row)
    return answer


def run(rival: Rival, count: int, rest: float) -> dict[str, float]:
    with rival.start() as server, contextlib.ExitStack() as stack:
        stack.enter_context(viewers(server, FIRST))
        time.sleep(rest)
        before = facts(server)
        stack.enter_context(viewers(server, count))
        time.sleep(rest)
        after = facts(server)
    more = {f"{name} before": before[name] for name in ("threads", "connections")}
    return after | more | {"kib": (after["memory"] - before["memory"]) / 1024 / count}


@contextlib.contextmanager
def viewers(server: Server, count: int) -> Iterator[None]:
    """So many, each of which has been answered, and reads nothing more."""
    fields = ["Accept: text/event-stream", *([server.field] if server.field else [])]
    lines = [f"GET {server.path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *fields, "", ""]
    request = "\r\n".join(lines).encode()
    opened: list[socket.socket] = []
    try:
        while len(opened) < count:
            some = [
                socket.create_connection(("127.0.0.1", server.port), timeout=60)
                for _ in range(min(_BATCH, count - len(opened)))
            ]
            opened += some
            for one in some:
                one.sendall(request)
            for one in some:
                if not one.recv(65_536).startswith(b"HTTP/1.1 200 "):
                    raise AssertionError("a viewer was not answered")
        yield
    finally:
        for one in opened:
            one.close()


def facts(server: Server) -> dict[str, float]:
    processes = family(server)
    return {
        "memory": memory(server),
        "threads": sum(one.num_threads() for one in processes),
        "connections": sum(_connections(one) for one in processes),
    }


def _connections(process: psutil.Process) -> int:
    """To an SQLite database."""
    return sum(file.path.endswith(".sqlite3") for file in process.open_files())
