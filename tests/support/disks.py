"""A small disk of its own for a test."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import missing


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """The folder of a tmpfs of that size. `Board(disk=…)` lives there."""
    place = Path(tempfile.mkdtemp(prefix="bb-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=777", "tmpfs", str(place)]
    try:
        if subprocess.run(command, capture_output=True, check=False).returncode:
            missing("right to mount a small disk (root, and mount)")
        try:
            yield place
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
    finally:
        place.rmdir()


def fill(file: Path) -> None:
    """Write to `file` until the disk has not one byte left."""
    with file.open("wb", buffering=0) as filler:
        for size in (1024 * 1024, 4096, 1):
            with contextlib.suppress(OSError):
                while filler.write(b"\0" * size):
                    pass
