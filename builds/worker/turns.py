"""One turn of a runner's loop: wait for output, news or the next thing that is due; read what the steps print; store
it; keep the lease. While the database is away nothing is read, so the terminals hold the steps back."""

import time
from collections.abc import Callable, Mapping, Sequence

from django.conf import settings
from django.db import connection

from .. import events, lifecycle
from ..events import Chunk, Lease
from ..landmarks import Landmark
from ..loglimit import LogLimit
from ..lookout import Finder
from .jobs import Job
from .orders import Orders
from .readahead import ReadAhead
from .running import Running, readable
from .steplog import FLUSH_SECONDS
from .storing import Storing

RENEW_SECONDS = 1.0
REASSURE_SECONDS = 5.0
PROGRESS_SECONDS = 1.0
FLUSH_COSTS = 4
"""Between two flushes a step's log rests this many times as long as the last one took to store: about a fifth of the
time goes into storing, a fast database shows lines sooner, and a slow one gets fewer, larger chunks."""
LEAST_FLUSH_SECONDS = 0.02
DRAIN_SECONDS = 0.05
"""After a job's own exit its terminal is read until it was quiet for so long."""
_LONGEST_WAIT = 0.25


class Turns:
    """Of one build. `running`: all steps that were begun, those included that are over: what they left behind may still
    print."""

    def __init__(self, lease: Lease, orders: Orders, store: Storing, beat: Callable[[], None]) -> None:
        self.running: list[Running] = []
        self.finder = Finder()
        self._lease = lease
        self._orders = orders
        self._store = store
        self._beat = beat
        self._limit = LogLimit(settings.BUILDBOARD_MAX_LOG_MB)
        self._renewed_at = time.monotonic()
        self._reassured_at = self._renewed_at
        self._store_not_before = 0.0
        self._ahead = ReadAhead()

    def turn(self) -> None:
        """Wait for something, and do all that there is to do."""
        self._wait(DRAIN_SECONDS if any(step.draining for step in self.running) else _LONGEST_WAIT)
        self._orders.hear()
        for step in self.running:
            for job in step.jobs:
                if job.is_over and job.terminal is None:
                    continue
                # The news before the output: what was printed before an exit that is known by now is read then.
                job.hear()
                if not step.log.is_full:
                    self.read(step, job)
        self.flush()
        self._report()
        self._renew()

    def _wait(self, longest: float) -> None:
        now = time.monotonic()
        dues = [due for step in self.running if (due := step.log.due()) is not None]
        if dues:
            longest = min(longest, max(min(dues), self._store_not_before) - now)
        files = [] if self._orders.file is None else [self._orders.file]
        for step in self.running:
            for job in step.jobs:
                if job.report is not None:
                    files.append(job.report)
                if job.terminal is not None and not step.log.is_full:
                    files.append(job.terminal)
        readable(files, longest)

    def read(self, step: Running, job: Job) -> None:
        data = job.read()
        if data:
            self._feed(step, data)

    @staticmethod
    def _feed(step: Running, data: bytes) -> None:
        step.log.feed(data, time.monotonic())
        step.reads += 1

    def flush(self, everything: bool = False, over: Sequence[Running] = ()) -> None:
        """Store what is due. `over`: steps that print no more, or will print late."""
        now = time.monotonic()
        if not everything and now < self._store_not_before:
            return
        chunks: list[Chunk] = []
        for step in self.running:
            due = step.log.due()
            if everything or (due is not None and due <= now):
                chunks += step.log.take(now)
        drafts, counts = self.finder.look(chunks, [step.position for step in over])
        if not drafts:
            return
        self._append(drafts, counts, last=bool(over))
        self._renewed_at = time.monotonic()
        pace = min(max(FLUSH_COSTS * self._store.last_took, LEAST_FLUSH_SECONDS), FLUSH_SECONDS)
        for step in self.running:
            step.log.pace = pace
        if span := self._limit.stored(self._lease.head, drafts):
            self._store(events.cut, self._lease, *span, self._limit.reason)
            self._renewed_at = time.monotonic()
        if connection.vendor == "sqlite":
            # One writer at a time, and no queue before the lock: who writes without a pause starves all others.
            self._store_not_before = self._renewed_at + self._store.last_took / 2

    def _append(self, drafts: Sequence[Chunk | Landmark], counts: Mapping[str, int], last: bool) -> None:
        """`last`: of a step that is over. What else its terminal has comes after this."""
        if last or len(drafts) == 1:  # no flood: what is printed meanwhile has its place in the terminal
            self._store(events.append, self._lease, drafts, counts)
            return
        steps = {id(job): step for step in self.running for job in step.jobs}
        jobs = [job for step in self.running for job in step.jobs]
        _, ahead = self._ahead.during(lambda: self._store(events.append, self._lease, drafts, counts), jobs)
        for job, data in ahead:
            if data:
                self._feed(steps[id(job)], data)

    def close(self) -> None:
        self._ahead.close()

    def _report(self) -> None:
        """The steps' own word on how far they are."""
        now = time.monotonic()
        for step in self.running:
            said = step.log.progress
            if said is None or said == step.progress or step.ended or now - step.progress_at < PROGRESS_SECONDS:
                continue
            step.progress, step.progress_at = said, now
            self._store(lifecycle.report_progress, self._lease, step.position, said)

    def _renew(self) -> None:
        if time.monotonic() - self._renewed_at >= RENEW_SECONDS:
            self._store(lifecycle.renew, self._lease)
            self._renewed_at = time.monotonic()
        self.reassure()
        self._beat()

    def reassure(self) -> None:
        """The steps' guardians, now and then."""
        if time.monotonic() - self._reassured_at >= REASSURE_SECONDS:
            self._reassured_at = time.monotonic()
            for step in self.running:
                for job in step.jobs:
                    job.reassure()
