"""Lines on their way to the board: numbered, on disk, bounded, and gone when they are delivered.

A board that is away for long fills it, or the disk is full. Then what is printed is left out, but for the newest
lines; a line says so.
"""

import json
import os
import tempfile
import threading
from collections import deque
from typing import NamedTuple

MAX_BYTES = 256 * 1024 * 1024
TAIL_LINES = 1_000
"""Of what is left out, so many newest lines come after all: what a command says last is what it failed of."""
_BATCH_LINES = 1_000
_BITE = 1024 * 1024


class Batch(NamedTuple):
    first: int
    """The number of the first line, from 1."""
    lines: list[str]


class Spool:
    """One thread puts, another one takes."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._file = tempfile.TemporaryFile(prefix="buildboard-", buffering=0)  # noqa: SIM115 - while the command runs
        self._max = max_bytes
        self._changed = threading.Condition()
        self._begin = self._end = 0  # of what is in the file and not taken
        self._next = 1
        self._left: deque[str] = deque(maxlen=TAIL_LINES)
        self._dropped = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """Bytes that are not taken yet."""
        return self._end - self._begin

    @property
    def next(self) -> int:
        """The number of the line that is taken next."""
        return self._next

    def put(self, line: str) -> None:
        with self._changed:
            if self._dropped or self.waiting >= self._max or not self._written(line):
                self._dropped += 1
                self._left.append(line)
                if self.waiting < self._max // 2:
                    self._take_up()
            self._changed.notify()

    def close(self) -> None:
        """Nothing more is put."""
        with self._changed:
            if self._dropped:
                self._take_up()
            self._closed = True
            self._changed.notify()

    def take(self, most: int, seconds: float) -> Batch | None:
        """The next lines, of up to so many bytes as JSON, at least one; waited for. None: there are none. They are the
        caller's now, who delivers them however often that has to be tried."""
        with self._changed:
            if not self.waiting and self._dropped:
                self._take_up()
            if not self.waiting and not self._closed:
                self._changed.wait(seconds)
            if not self.waiting:
                return None
            data, cut = b"", 0
            while not cut:  # a line may be longer
                data += self._read(self._begin + len(data), min(most, self.waiting - len(data)))
                cut = data.rfind(b"\n") + 1
            rows = data[:cut].split(b"\n")[:-1][:_BATCH_LINES]
            self._begin += sum(map(len, rows)) + len(rows)
            if not self.waiting or self._begin > max(self._max, self.waiting):
                self._move_up()
            first = self._next
            self._next += len(rows)
            return Batch(first, [json.loads(row) for row in rows])

    def _written(self, line: str) -> bool:
        """False: the disk is full."""
        data = json.dumps(line).encode() + b"\n"
        try:
            self._write(self._end, data)
        except OSError:
            return False
        self._end += len(data)
        return True

    def _write(self, at: int, data: bytes) -> None:
        while data:
            done = os.pwrite(self._file.fileno(), data, at)
            at, data = at + done, data[done:]

    def _read(self, at: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, at)

    def _move_up(self) -> None:
        """What was taken leaves the file, which would grow else for as long as something waits."""
        waiting = self.waiting
        try:
            for at in range(0, waiting, _BITE):
                self._write(at, self._read(self._begin + at, min(_BITE, waiting - at)))
        except OSError:  # full, and one that writes nothing over: what waits is where it was
            return
        self._file.truncate(waiting)
        self._begin, self._end = 0, waiting

    def _take_up(self) -> None:
        """The board takes lines again, or nothing more will be put."""
        missing = self._dropped - len(self._left)
        why = "the board was away for too long, or the disk here is full"
        if missing and self._written(f"[{missing:,} lines are left out here: {why}]"):
            self._dropped -= missing
        while self._dropped == len(self._left) > 0 and self._written(self._left[0]):
            self._left.popleft()
            self._dropped -= 1
