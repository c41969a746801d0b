"""What processes use, from the process table. Standard library only: the guardian imports it."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Seen(NamedTuple):
    """A living process. `threads`: how many it has; `resident`: bytes of its memory in RAM, shared ones too."""

    pid: int
    parent: int
    threads: int
    resident: int


class Usage(NamedTuple):
    """Of several processes. `tasks`: their threads, as the kernel counts; `memory`: bytes."""

    tasks: int
    memory: int


def descendants(root: int) -> list[Seen]:
    """All living processes below `root`: each after its parent."""
    children: dict[int, list[Seen]] = {}
    for seen in _table():
        children.setdefault(seen.parent, []).append(seen)
    found: list[Seen] = []
    parents = [root]
    while parents:
        below = children.pop(parents.pop(), [])
        found += below
        parents += [seen.pid for seen in below]
    return found


def total(processes: Iterable[Seen]) -> Usage:
    """What they use at most: memory that they share counts for each of them."""
    tasks = memory = 0
    for seen in processes:
        tasks += seen.threads
        memory += seen.resident
    return Usage(tasks, memory)


def is_inner(pid: int) -> bool:
    """Whether it has other processes beside it than this process has: it is in a container."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid")
    except OSError:  # it is gone, or nobody may look
        return False


def fair_memory(processes: Iterable[Seen]) -> int:
    """Bytes, where a page that n processes share counts an nth for each: exact, and many times slower than `total`."""
    memory = 0
    for seen in processes:
        try:
            with open(f"/proc/{seen.pid}/smaps_rollup", "rb") as file:
                line = next(line for line in file if line.startswith(b"Pss:"))
        except (OSError, StopIteration):
            # It is gone, or nobody may look: then what it may share is counted, unless it is gone.
            memory += seen.resident if os.path.exists(f"/proc/{seen.pid}/stat") else 0
        else:
            memory += int(line.split()[1]) * 1024
    return memory


def _table() -> Iterator[Seen]:
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            if fields[0] not in (b"Z", b"X"):
                yield Seen(int(name), int(fields[1]), int(fields[17]), int(fields[21]) * _PAGE)
