"""Runs one leased build from its first step to its end. The only thread of it reads, stores and keeps time.

Its loop: wait for output, news or the next thing that is due; read what the steps print; store it; keep the lease; and
see whether something asks for an end. While the database is away nothing is read, so the terminal holds the steps back.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from django.conf import settings
from django.db import connection

from .. import events, lifecycle, recipe
from ..events import Chunk, Lease, LeaseLost
from ..loglimit import LogLimit
from ..lookout import Finder
from ..models import Board, Build
from ..recipe import StepRecipe
from ..states import Status
from . import endings, isolation, leftovers
from .disk import Room
from .endings import Ending
from .environment import environment
from .orders import Orders
from .running import Running, readable
from .steplog import FLUSH_SECONDS, StepLog
from .storing import Outage, Storing
from .workspace import Workspace

logger = logging.getLogger(__name__)

RENEW_SECONDS = 1.0
REASSURE_SECONDS = 5.0
PROGRESS_SECONDS = 1.0
FLUSH_COSTS = 4
"""Between two flushes a step's log rests this many times as long as the last one took to store: about a fifth of the
time goes into storing, a fast database shows lines sooner, and a slow one gets fewer, larger chunks."""
LEAST_FLUSH_SECONDS = 0.02
DRAIN_SECONDS = 0.05
"""After a step's own exit its terminal is read until it was quiet for so long …"""
DRAIN_ROUNDS = 200
"""… but not more often than this: what it left running may go on printing."""
KILL_SECONDS = 5.0
"""After the grace, the killing itself is waited for so long."""
_LONGEST_WAIT = 0.25


class Runner:
    """`run()` once. `beat`: called about every second, so that the worker is seen to live."""

    def __init__(
        self,
        lease: Lease,
        orders: Orders,
        *,
        grace: float,
        beat: Callable[[], None] = lambda: None,
        storing: Storing | None = None,
    ) -> None:
        self._lease = lease
        self._orders = orders
        self._grace = grace
        self._beat = beat
        self._store = storing or Storing(self._rest)
        self._room = Room()
        self._workspace: Workspace | None = None
        self._finder = Finder()
        self._limit = LogLimit(settings.BUILDBOARD_MAX_LOG_MB)
        self._running: list[Running] = []
        self._renewed_at = time.monotonic()
        self._reassured_at = self._renewed_at
        self._store_not_before = 0.0
        self._cancel_confirmed = False
        self._world = ""
        self._deadlines: list[tuple[float, Ending]] = []

    def run(self) -> Status | None:
        """The status that was stored for the build; None: it is not this worker's any more."""
        try:
            return self._run()
        except (LeaseLost, Outage) as error:
            logger.warning("action=run state=abandoned build=%d reason=%s", self._lease.build_id, error)
            return None
        finally:
            self._abandon()

    def _run(self) -> Status:
        build = self._store(Build.objects.select_related("project").get, pk=self._lease.build_id)
        try:
            self._workspace = workspace = Workspace(build.pk)
            self._finder.workspace = os.path.realpath(workspace.path)
        except OSError as error:
            reason = f"The workspace could not be made: {error.strerror or error}."
            return self._store(lifecycle.finish, self._lease, Status.FAILED, reason)
        try:
            ending = self._steps(build, workspace)
            self._end_all()
            return self._store(lifecycle.finish, self._lease, ending.status, ending.build_reason)
        finally:
            self._abandon()
            workspace.remove()

    def _steps(self, build: Build, workspace: Workspace) -> Ending:
        try:
            plan = recipe.parse(build.recipe)
        except recipe.RecipeError as error:  # it was valid when the build was queued; the rules may have changed
            return endings.bad_recipe(error)
        for position, step in enumerate(plan.steps):
            known = StepRecipe(
                step.name, step.run, step.env, step.timeout, step.shell, needs=(position - 1,) if position else ()
            )
            if known != replace(step, matrix={}, group=""):
                return endings.bad_recipe(ValueError(f"step {step.name} asks for what this worker does not do"))
        self._world = self._store(Board.get).world
        self._deadlines = [(time.monotonic() + plan.timeout, endings.build_timeout(plan.timeout))]
        for position, step in enumerate(plan.steps):
            ending = self._asked_to_end()
            if ending is None:
                env = environment(
                    build, plan, step, world=self._world, workspace=workspace.path, machine=isolation.machine()
                )
                ending = self._step(position, step, workspace, env)
            if ending.status != Status.PASSED:
                return ending
        return ending  # type: ignore[return-value]  # a recipe has a step

    def _step(self, position: int, step: recipe.StepRecipe, workspace: Workspace, env: dict[str, str]) -> Ending:
        """Begin, run and end the step at `position`."""
        self._store(lifecycle.begin_step, self._lease, position)
        deadlines = list(self._deadlines)
        if step.timeout is not None:
            self._deadlines.append((time.monotonic() + step.timeout, endings.step_timeout(step.name, step.timeout)))
        try:
            argv = workspace.script(position, step)
            process = isolation.start(argv, env=env, workspace=workspace, grace=self._grace)
        except OSError as error:
            ending = endings.not_started(step.name, error)
        else:
            running = Running(position, step.name, process, StepLog(position, settings.BUILDBOARD_MAX_LINE_KB * 1024))
            self._running.append(running)
            ending = self._attend(running)
        self._deadlines = deadlines
        self._store(
            lifecycle.end_step,
            self._lease,
            position,
            ending.status,
            exit_code=ending.exit_code,
            reason=ending.step_reason,
        )
        return ending

    def _attend(self, step: Running) -> Ending:
        """Until the step is over and all that it printed is stored."""
        process = step.process
        ending: Ending | None = None
        while process.exit_code is None and not process.is_over:
            self._turn()
            ending = self._asked_to_end()
            if ending is not None:
                self._stop(step, ending)
                break
        else:
            if process.exit_code is None and process.unmade is None:  # nobody guards what it started any more
                leftovers.kill(self._world, self._lease.build_id)
            self._drain(step)
            ending = isolation.ended(step.name, process)
            if ending.status != Status.PASSED:
                ending = self._room.explain(ending)
        step.log.close(time.monotonic())
        self._flush(everything=True, over=[step])
        step.ended = True
        return ending

    def _drain(self, step: Running) -> None:
        """The rest of what the step itself has printed; what it left running may hold the terminal open.

        Bounded in rounds, not in time: each takes what is there, and a slow database cuts nothing off.
        """
        for _ in range(DRAIN_ROUNDS):
            if step.log.is_full:
                self._flush(everything=True)
            if not self._read(step):
                if step.process.terminal is None:
                    return
                if not readable([step.process.terminal], DRAIN_SECONDS):
                    return

    def _stop(self, step: Running, ending: Ending) -> None:
        if ending.status == Status.CANCELLED and self._lease.cancel_requested and not self._cancel_confirmed:
            self._store(lifecycle.confirm_cancel, self._lease)
            self._cancel_confirmed = True
        self._end([step])

    def _end_all(self) -> None:
        """The end of the build is the end of everything that its steps left running."""
        self._end([step for step in self._running if not step.process.is_over])
        for step in self._running:
            step.log.close(time.monotonic())
        self._flush(everything=True, over=self._running)

    def _end(self, steps: list[Running]) -> None:
        """TERM, grace, KILL; read and store what they still print meanwhile."""
        hurry = bool(self._orders.stopping)
        began = time.monotonic()
        grace = self._grace_now()
        for step in steps:
            step.process.stop(grace)
        while not all(step.process.is_over for step in steps):
            if time.monotonic() - began > grace + KILL_SECONDS:
                logger.error("action=stop state=resisting build=%d", self._lease.build_id)
                break
            if self._orders.stopping and not hurry:
                hurry = True
                grace = min(grace, time.monotonic() - began + self._grace_now())
                for step in steps:
                    step.process.stop(self._grace_now())
            self._turn()
        for step in steps:
            self._drain(step)
        self._flush(everything=True)

    def _grace_now(self) -> float:
        """A worker that has to go leaves its steps less time."""
        return min(self._grace, endings.HURRIED_GRACE) if self._orders.stopping else self._grace

    def _asked_to_end(self) -> Ending | None:
        if self._lease.cancel_requested:
            return endings.CANCELLED
        if self._orders.stopping:
            return endings.stopped(self._orders.stopping)
        now = time.monotonic()
        for deadline, ending in self._deadlines:
            if now >= deadline:
                return ending
        return self._room.look()

    # --- One turn of the loop ---

    def _turn(self, longest: float = _LONGEST_WAIT) -> None:
        """Wait for something, at most `longest` seconds, and do all that there is to do."""
        self._wait(longest)
        self._orders.hear()
        for step in self._running:
            if step.process.is_over and step.process.terminal is None:
                continue
            # The news before the output: what was printed before an exit that is known by now is read then.
            step.process.hear()
            if not step.log.is_full:
                self._read(step)
        self._flush()
        self._report()
        self._renew()

    def _wait(self, longest: float) -> None:
        now = time.monotonic()
        dues = [due for step in self._running if (due := step.log.due()) is not None]
        if dues:
            longest = min(longest, max(min(dues), self._store_not_before) - now)
        files = [] if self._orders.file is None else [self._orders.file]
        for step in self._running:
            if step.process.report is not None:
                files.append(step.process.report)
            if step.process.terminal is not None and not step.log.is_full:
                files.append(step.process.terminal)
        readable(files, longest)

    def _read(self, step: Running) -> bool:
        """Whether it had printed something."""
        data = step.process.read()
        if data:
            step.log.feed(data, time.monotonic())
        return bool(data)

    def _flush(self, everything: bool = False, over: Sequence[Running] = ()) -> None:
        """Store what is due. `over`: steps that print no more, or will print late."""
        now = time.monotonic()
        if not everything and now < self._store_not_before:
            return
        chunks: list[Chunk] = []
        for step in self._running:
            due = step.log.due()
            if everything or (due is not None and due <= now):
                chunks += step.log.take(now)
        drafts, counts = self._finder.look(chunks, [step.position for step in over])
        if not drafts:
            return
        self._store(events.append, self._lease, drafts, counts)
        self._renewed_at = time.monotonic()
        pace = min(max(FLUSH_COSTS * self._store.last_took, LEAST_FLUSH_SECONDS), FLUSH_SECONDS)
        for step in self._running:
            step.log.pace = pace
        if span := self._limit.stored(self._lease.head, drafts):
            self._store(events.cut, self._lease, *span, self._limit.reason)
            self._renewed_at = time.monotonic()
        if connection.vendor == "sqlite":
            # One writer at a time, and no queue before the lock: who writes without a pause starves all others.
            self._store_not_before = self._renewed_at + self._store.last_took / 2

    def _report(self) -> None:
        """The steps' own word on how far they are."""
        now = time.monotonic()
        for step in self._running:
            said = step.log.progress
            if said is None or said == step.progress or step.ended or now - step.progress_at < PROGRESS_SECONDS:
                continue
            step.progress, step.progress_at = said, now
            self._store(lifecycle.report_progress, self._lease, step.position, said)

    def _renew(self) -> None:
        if time.monotonic() - self._renewed_at >= RENEW_SECONDS:
            self._store(lifecycle.renew, self._lease)
            self._renewed_at = time.monotonic()
        self._reassure()
        self._beat()

    def _reassure(self) -> None:
        if time.monotonic() - self._reassured_at >= REASSURE_SECONDS:
            self._reassured_at = time.monotonic()
            for step in self._running:
                step.process.reassure()

    def _rest(self, seconds: float) -> None:
        """While the database is away: steps are still ended on time."""
        self._orders.hear(seconds)
        self._reassure()
        if self._store.disk_is_full:
            self._room.failed_to_store()
        if self._asked_to_end():
            for step in self._running:
                step.process.hear()
                step.process.stop(self._grace_now())
        if self._store.disk_is_full and self._workspace and all(step.process.is_over for step in self._running):
            self._workspace.remove()  # it may be what has filled the disk, and how the build ended has to be stored

    def _abandon(self) -> None:
        """Nothing of the build may outlive its worker's part in it."""
        for step in self._running:
            step.process.stop(self._grace_now())
        limit = time.monotonic() + self._grace_now() + KILL_SECONDS
        for step in self._running:
            while not step.process.is_over and time.monotonic() < limit:
                step.process.read()
                step.process.hear()
                time.sleep(0.01)
            step.process.close()
        self._running.clear()
