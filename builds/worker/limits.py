"""What a step may use of this machine: the limits, and what is said of a step that went beyond one."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from django.conf import settings

_MEGABYTE = 1024 * 1024


_PROCESSES = 2


class Excess(NamedTuple):
    """A limit that was passed. `measured`: MiB of memory, or tasks."""

    limit: str
    measured: int


@dataclass(frozen=True)
class Limits:
    """Of each step, 0: no limit. `memory`, `file`: MiB; `tasks`: processes and their threads; `open_files`: of one
    process."""

    memory: int = 0
    tasks: int = 0
    file: int = 0
    open_files: int = 0

    @classmethod
    def of_settings(cls) -> Self:
        return cls(
            memory=settings.BUILDBOARD_MAX_STEP_MEMORY_MB,
            tasks=settings.BUILDBOARD_MAX_STEP_TASKS,
            file=settings.BUILDBOARD_MAX_FILE_MB,
            open_files=settings.BUILDBOARD_MAX_OPEN_FILES,
        )

    def watched(self) -> dict[str, int]:
        """What the guardian measures."""
        return {"memory": self.memory, "tasks": self.tasks}

    def rlimits(self, *, enclosed: bool) -> dict[str, int]:
        """What the kernel holds for each process, by its names. `enclosed`: it is in a sandbox of its own."""
        found = {"RLIMIT_FSIZE": self.file * _MEGABYTE, "RLIMIT_NOFILE": self.open_files}
        if enclosed:
            # Counted by user and user namespace, so only in a sandbox is it the step's own number. The second wall:
            # what is measured comes first, and has a reason to show. (It does not hold for root's processes.)
            found["RLIMIT_NPROC"] = _PROCESSES * self.tasks
        return {name: most for name, most in found.items() if most}

    def excess(self, found: Excess) -> str:
        """What the step did, to go behind its name: `used 812 MiB of memory; 512 MiB are allowed`."""
        if found.limit == "memory" and found.measured <= self.memory:  # the kernel has ended it before it had more
            return f"used all of the {self.memory:,} MiB of memory that are allowed"
        if found.limit == "memory":
            return f"used {found.measured:,} MiB of memory; {self.memory:,} MiB are allowed"
        return f"ran {found.measured:,} processes and threads at a time; {self.tasks:,} are allowed"

    def hint(self, code: int | None) -> str:
        """A sentence on an exit code that tells of a file that grew too large; empty where it does not."""
        if self.file and code in (-_SIGXFSZ, 128 + _SIGXFSZ):
            return f"A file grew beyond {self.file:,} MiB, the most that is allowed."
        return ""


_SIGXFSZ = 25
