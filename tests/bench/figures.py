"""What a question answers with, how it is shown, and on what it was measured."""

import importlib.metadata
import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("Django", "channels", "channels_redis", "daphne", "uvicorn", "asgiref", "Twisted", "psycopg", "redis")


@dataclass
class Answer:
    """Rows of one question. `aims`: by column, the most that a figure should be, for those rows that have one."""

    question: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, **row: Any) -> None:
        self.rows.append(row)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def table(answer: Answer) -> str:
    """The answer as aligned text."""
    columns = list(dict.fromkeys(name for row in answer.rows for name in row))
    cells = [columns, *([_shown(row.get(name, "")) for name in columns] for row in answer.rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([answer.question, "", *lines, *(f"({note})" for note in answer.notes), ""])


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def machine() -> dict[str, Any]:
    return {
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "load": [round(load, 2) for load in os.getloadavg()],
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def report(answers: Sequence[Answer], short: bool) -> dict[str, Any]:
    """What is written as JSON."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "short": short,
        "machine": machine(),
        "answers": [asdict(answer) for answer in answers],
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
