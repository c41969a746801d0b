"""The test reports of a step, read when it is over, however it ended: found in its workspace, read by `junit.py`, told.

Reading is work beside the runner's loop; what was read is stored by the runner's own thread. A report that cannot be
read is an error among the build's annotations; it does not change how the step ended. Which files are whose, where
steps share a workspace, `reportfiles.py` knows.
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
from .collecting import NAMED, Look, Teller
from .endings import Ending
from .globs import Match, Refused, open_within, opened_folder, shown
from .jobs import Desk, Work
from .reportfiles import Begun, File, Own, ReportFiles
from .running import Hook, Running, Start
from .storing import Storing

MAX_FILES = 1_000
"""Reports of one step."""
MAX_ALL_BYTES = 5 * MAX_BYTES
"""Of all of them together."""
MAX_CASES = 20_000
"""Of one step so many cases are kept; the others are counted."""
BATCH = 500


class Reports(Hook):
    """Of one build."""

    def __init__(self, lease: Lease, store: Storing, masks: Masks) -> None:
        self._lease = lease
        self._store = store
        self._masks = masks
        self._files = ReportFiles()

    def before(self, step: Running) -> Iterable[Start]:
        """Behind what the board itself puts there: a copy of the workspace, caches."""
        if not step.step.reports:
            return
        look = Look(step, step.step.reports)
        yield look.start
        self._files.begin(step.position, Begun(look.patterns, frozenset(look.found.files), _shares(step)))

    def after(self, step: Running, ending: Ending) -> Iterable[Start]:
        if not step.step.reports:
            return
        teller = Teller(step, "Test report")
        look = Look(step, step.step.reports)
        try:
            yield look.start
        finally:  # also where nothing could be looked at: then it tells nothing, and nothing is to be left to it
            own = self._files.end(step.position, shared=_shares(step))
        look.tell(teller, quiet=ending.status != Status.PASSED)
        # A copy: other steps may add secrets of their own while the thread reads.
        reading = Reading(step, look.found.files, copy.deepcopy(self._masks).text, own)
        yield reading.start
        for path, why in reading.wrong:
            teller.warn(f"{shown(path)} {why}.", "error")
        for path in reading.unfinished[:NAMED]:
            teller.say(f"{shown(path)} is no whole report yet: left to a step that still runs, and may be writing it.")
        others = reading.others + len(reading.unfinished[NAMED:])
        if others:
            told = "1 file is left to another step" if others == 1 else f"{others:,} files are left to other steps"
            teller.say(f"Test reports: {told}.")
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

    def __init__(self, step: Running, files: list[Match], masked: Callable[[str], str], own: Own) -> None:
        self.cases: list[Case] = []
        self.counts = Counts()
        self.beyond = 0
        """How many cases are counted and not kept."""
        self.wrong: list[tuple[str, str]] = []
        """Reports that were not read: the path, and half a sentence."""
        self.others = 0
        """So many are left to other steps."""
        self.unfinished: list[str] = []
        """What is left to them since it cannot be read yet."""
        self.read = 0
        self._bytes = 0
        self._files = files
        self._workspace = step.workspace
        self._masked = masked
        self._own = own

    def start(self) -> Work:
        return Work("Its test reports could not be read", self._run)

    def _run(self, desk: Desk) -> None:
        with opened_folder(self._workspace) as folder:
            for match in self._files:
                desk.check()
                try:
                    self._one(folder, match.path)
                except ReportError as error:
                    self.wrong.append((match.path, str(error)))
                except _Full as bound:
                    self.wrong.append((match.path, f"and what follows is not read: {bound} at most"))
                    return

    def _one(self, folder: int, path: str) -> None:
        """`ReportError`, `_Full`. Nothing is claimed before it is known to be within the bounds, and read:
        what this step leaves out may well be another's."""
        is_full = self.read + len(self.wrong) >= MAX_FILES
        try:
            with os.fdopen(open_within(folder, path), "rb") as opened:
                file = File.of(path, os.fstat(opened.fileno()))
                if self._own.is_anothers(file):
                    self.others += 1
                    return
                content = (
                    b"" if is_full else opened.read(MAX_BYTES + 1)
                )  # what is too large is refused by what reads it
        except (Refused, OSError) as error:
            if not is_full:
                why = str(error) if isinstance(error, Refused) else (error.strerror or "it cannot be read").lower()
                raise ReportError(f"is not read: {why}") from error
        if is_full:
            raise _Full(f"a step has {MAX_FILES:,} reports")
        if self._bytes + len(content) > MAX_ALL_BYTES:
            raise _Full(f"a step's reports have {MAX_ALL_BYTES // 1024 // 1024} MB")
        wrong: ReportError | None = None
        try:
            report = junit.read(content, MAX_CASES - len(self.cases), self._masked)
        except ReportError as error:
            if self._own.may_grow(file):
                self.unfinished.append(path)
                return
            wrong = error
        if not self._own.claim(file):
            self.others += 1
            return
        self._bytes += len(content)
        if wrong is not None:
            raise wrong
        self._take(report)

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


class _Full(Exception):
    """A bound of a step's reports, in words."""


def _shares(step: Running) -> bool:
    return step.step.workspace == "shared"
