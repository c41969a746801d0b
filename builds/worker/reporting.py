"""The test reports of a step, read when it is over, however it ended: found in its workspace, read by `junit.py`, told.

Reading is work beside the runner's loop; what was read is stored by the runner's own thread. A report that cannot be
read is an error among the build's annotations; it does not change how the step ended.
"""

import copy
import os
from collections.abc import Callable, Iterable

from buildboard.terminal.masks import Masks

from .. import junit, testcases
from ..events import Lease
from ..junit import MAX_BYTES, Case, ReportError
from ..states import Status
from ..testcases import Counts
from .collecting import Look, Teller
from .endings import Ending
from .globs import Match, Refused, open_within, opened_folder, shown
from .jobs import Desk, Work
from .running import Hook, Running, Start
from .storing import Storing

MAX_FILES = 1_000
"""Reports of one step."""
MAX_ALL_BYTES = 5 * MAX_BYTES
"""Of all of them together."""
MAX_CASES = 20_000
"""Of one step so many cases are kept; the others are counted."""
BATCH = 500


Told = dict[tuple[int, int, int, int], int]
"""A file as it is (device, inode, bytes, time of its change) → the position of the step whose report it is. Steps that
share a workspace, as those of a matrix do, find each other's files: each is a report of whose step was first."""


class Reports(Hook):
    """Of one build."""

    def __init__(self, lease: Lease, store: Storing, masks: Masks) -> None:
        self._lease = lease
        self._store = store
        self._masks = masks
        self._told: Told = {}

    def after(self, step: Running, ending: Ending) -> Iterable[Start]:
        if not step.step.reports:
            return
        teller = Teller(step, "Test report")
        look = Look(step, step.step.reports)
        yield look.start
        look.tell(teller, quiet=ending.status != Status.PASSED)
        # A copy: other steps may add secrets of their own while the thread reads.
        reading = Reading(step, look.found.files, copy.deepcopy(self._masks).text, self._told)
        yield reading.start
        for path, why in reading.wrong:
            teller.warn(f"{shown(path)} {why}.", "error")
        if not reading.read:
            return
        self._store(testcases.begin, self._lease, step.position)
        for first in range(0, len(reading.cases), BATCH):
            some = reading.cases[first : first + BATCH]
            self._store(testcases.add, self._lease, step.position, step.name, first + 1, some)
        self._store(testcases.tell, self._lease, step.position, reading.counts)
        if reading.beyond:
            teller.warn(f"{reading.beyond:,} tests are counted and not kept: a step has {MAX_CASES:,} at most.")
        teller.say(said(reading.counts))


class Reading:
    """Files of a workspace → cases."""

    def __init__(self, step: Running, files: list[Match], masked: Callable[[str], str], told: Told) -> None:
        self.cases: list[Case] = []
        self.counts = Counts()
        self.beyond = 0
        """How many cases are counted and not kept."""
        self.wrong: list[tuple[str, str]] = []
        """Reports that were not read: the path, and half a sentence."""
        self.read = 0
        self._files = files
        self._workspace = step.workspace
        self._masked = masked
        self._position = step.position
        self._told = told

    def start(self) -> Work:
        return Work("Its test reports could not be read", self._run)

    def _run(self, desk: Desk) -> None:
        total = 0
        with opened_folder(self._workspace) as folder:
            for place, match in enumerate(self._files):
                desk.check()
                if place >= MAX_FILES:
                    self.wrong.append(
                        (match.path, f"and what follows is not read: a step has {MAX_FILES:,} reports at most")
                    )
                    return
                try:
                    content = self._content(folder, match.path)
                except Refused as error:
                    self.wrong.append((match.path, f"is not read: {error}"))
                    continue
                if content is None:
                    continue
                total += len(content)
                if total > MAX_ALL_BYTES:
                    much = MAX_ALL_BYTES // 1024 // 1024
                    self.wrong.append(
                        (match.path, f"and what follows is not read: a step's reports have {much} MB at most")
                    )
                    return
                try:
                    self._take(junit.read(content, MAX_CASES - len(self.cases), self._masked))
                except ReportError as error:
                    self.wrong.append((match.path, str(error)))

    def _content(self, folder: int, path: str) -> bytes | None:
        """None: another step has told it, and nobody has written it since. `Refused`. What is too large is read a byte
        beyond its bound, and refused there."""
        with os.fdopen(open_within(folder, path), "rb") as opened:
            try:
                is_now = os.fstat(opened.fileno())
                key = (is_now.st_dev, is_now.st_ino, is_now.st_size, is_now.st_mtime_ns)
                if self._told.setdefault(key, self._position) != self._position:
                    return None
                return opened.read(MAX_BYTES + 1)
            except OSError as error:
                raise Refused((error.strerror or "it cannot be read").lower()) from error

    def _take(self, report: junit.Report) -> None:
        self.read += 1
        self.cases += report.cases
        for case in report.cases:
            self.counts = self.counts.plus(case.status, seconds=case.seconds)
        for status, count in report.more.items():
            self.counts = self.counts.plus(status, count)
            self.beyond += count


def said(counts: Counts) -> str:
    """`412 tests passed, 3 failed, 5 were skipped.`"""
    found = [f"{counts.passed:,} passed"]
    found += [f"{counts.failed:,} failed"] if counts.failed else []
    found += [f"{counts.skipped:,} skipped"] if counts.skipped else []
    return f"Tests: {', '.join(found)}"
