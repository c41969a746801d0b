"""One step from its beginning to its end. Each course is a generator: where it yields, the runner's loop takes a turn,
and with it the courses of all other steps that run."""

import logging
import math
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace

from .. import lifecycle, safe
from ..events import Lease
from ..states import Status
from . import endings, isolation, leftovers
from .disk import Room
from .endings import Ending
from .jobs import Job
from .orders import Orders
from .running import Hook, Running, Start
from .storing import Storing
from .turns import DRAIN_SECONDS, Turns

logger = logging.getLogger(__name__)

DRAIN_ROUNDS = 200
"""What a job has printed is read so often at most once it is over: what it left running may go on printing."""
KILL_SECONDS = 5.0
"""After the grace, the killing itself is waited for so long."""

Course = Generator[None, None, Ending]


class Courses:
    def __init__(
        self,
        lease: Lease,
        orders: Orders,
        store: Storing,
        turns: Turns,
        room: Room,
        *,
        grace: float,
        world: str,
        hooks: Sequence[Hook],
    ) -> None:
        self._lease = lease
        self._orders = orders
        self._store = store
        self._turns = turns
        self._room = room
        self._grace = grace
        self._world = world
        self._hooks = hooks

        self.unguarded = False
        """A guardian was killed: what its step has started may hide behind another name of a step."""

    def course(self, step: Running, script: Start) -> Course:
        """Begin, run and end `step`, whose script `script` starts; again after a failure, as often as it may be tried.
        Once it is over, all that it printed is stored, and its end."""
        self._store(lifecycle.begin_step, self._lease, step.position)
        self._turns.running.append(step)
        prepared = False
        while True:
            if step.step.timeout is not None:
                step.deadline = time.monotonic() + step.step.timeout
            ending = endings.PASSED
            if not prepared:
                ending = yield from self._row(step, (start for hook in self._hooks for start in hook.before(step)))
            if ending.status == Status.PASSED:
                prepared = True
                ending = yield from self._job(step, script)
            if ending.status != Status.FAILED or ending.for_good or step.told or step.attempt > step.step.retry:
                break
            yield from self.end(step)  # what this attempt has left running would be in the next one's way
            if step.told:
                break
            self._begin_again(step, ending)
        ending = self._masked((yield from self._after(step, ending)))
        step.log.close(time.monotonic())
        self._turns.flush(everything=True, over=[step])
        self._store(
            lifecycle.end_step,
            self._lease,
            step.position,
            ending.status,
            exit_code=ending.exit_code,
            reason=ending.step_reason,
        )
        step.ended = True
        return ending

    def _masked(self, ending: Ending) -> Ending:
        """What failed may be named by a secret: a file, for one."""
        masked = self._turns.finder.masked
        return replace(ending, build_reason=masked(ending.build_reason), step_reason=masked(ending.step_reason))

    def end(self, step: Running) -> Generator[None, None, None]:
        """TERM, grace, KILL for all that it has started; what it still prints meanwhile is read and stored."""
        jobs = [job for job in step.jobs if not job.is_over]
        hurry = bool(self._orders.stopping)
        began = time.monotonic()
        grace = self.grace
        for job in jobs:
            job.stop(grace)
        while not all(job.is_over for job in jobs):
            if time.monotonic() - began > grace + KILL_SECONDS:
                logger.error("action=stop state=resisting build=%d step=%d", self._lease.build_id, step.position)
                break
            if self._orders.stopping and not hurry:
                hurry = True
                grace = min(grace, time.monotonic() - began + self.grace)
                for job in jobs:
                    job.stop(self.grace)
            yield
        for job in jobs:
            yield from self._drain(step, job)

    @property
    def grace(self) -> float:
        """Seconds between TERM and KILL. A worker that has to go leaves its steps less."""
        return min(self._grace, endings.HURRIED_GRACE) if self._orders.stopping else self._grace

    def _row(self, step: Running, starts: Iterable[Start]) -> Course:
        """One job after the other, to the first that does not end well."""
        for start in starts:
            ending = yield from self._job(step, start)
            if ending.status != Status.PASSED:
                return ending
        return endings.PASSED

    def _job(self, step: Running, start: Start) -> Course:
        """Until it is over, and what it printed is read."""
        try:
            job = start()
        except OSError as error:
            return endings.not_started(step.name, error)
        except safe.Withheld as why:
            return endings.withheld(step.name, why)
        step.jobs.append(job)
        while job.exit_code is None and not job.is_over:
            yield
            ending = step.due_to_end()
            if ending is not None:
                yield from self.end(step)
                return ending
        if isolation.unguarded(job):  # nobody guards what it started any more
            self.unguarded = True
            leftovers.kill(self._world, self._lease.build_id, step.name)
            isolation.release(job)
        yield from self._drain(step, job)
        ending = isolation.ended(step.name, job)
        return ending if ending.status == Status.PASSED else self._room.explain(ending)

    def _drain(self, step: Running, job: Job) -> Generator[None, None, None]:
        """The rest of what it has printed itself; what it left running may hold the terminal open.

        Bounded in rounds, not in time: each takes what is there, and a slow database cuts nothing off.
        """
        step.draining = True
        quiet_since = time.monotonic()
        for _ in range(DRAIN_ROUNDS):
            if step.log.is_full:
                self._turns.flush(everything=True)
            before = step.reads
            self._turns.read(step, job)
            if job.terminal is None:
                break
            if step.reads == before:
                if time.monotonic() - quiet_since >= DRAIN_SECONDS:
                    break
                yield
            if step.reads != before:
                quiet_since = time.monotonic()
        step.draining = False

    def _begin_again(self, step: Running, ending: Ending) -> None:
        step.attempt += 1
        step.progress = None
        why = ending.step_reason.rstrip(".")
        said = f"::notice::Attempt {step.attempt} of {step.step.retry + 1}. The one before: {why[:1].lower()}{why[1:]}."
        step.log.begin_line(said, time.monotonic())
        self._turns.flush(everything=True)
        self._store(lifecycle.begin_attempt, self._lease, step.position, step.attempt)

    def _after(self, step: Running, ending: Ending) -> Course:
        """What the hooks do once the script is over. Their time is not the step's, but that of the build."""
        step.deadline = math.inf
        for hook in self._hooks:
            if step.told:
                break
            found = yield from self._row(step, hook.after(step, ending))
            if ending.status == Status.PASSED:
                ending = found
        return ending
