"""Runs one leased build from its first step to its end. The only thread that stores and keeps
time; another one reads, but only while this one waits for the database (readahead.py).

Its loop: begin the steps whose turn it is (schedule.py), take a turn (turns.py), let each step's course go on
(course.py), and see whether something asks for an end.

Where others come in: `hooks` is the list of what belongs to steps besides their scripts; `_log` makes a step's log, and
`_start` is the one place that starts a step's script.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator

from django.conf import settings

from buildboard.terminal.masks import Masks

from .. import lifecycle, plans, recipe, schedules
from ..events import Lease, LeaseLost
from ..inputs import InputError
from ..models import Board, Build
from ..recipe import Facts, Recipe
from ..states import Status
from . import endings, isolation, leftovers
from .caching import Caches
from .checkout import Checkout
from .collecting import Artifacts
from .course import KILL_SECONDS, Course, Courses
from .disk import Room
from .endings import Ending
from .environment import environment
from .footprint import Footprint
from .jobs import Job
from .orders import Orders
from .ownworkspace import OwnWorkspace
from .reporting import Reports
from .running import Hook, Running
from .schedule import Schedule
from .secrecy import Secrecy
from .steplog import StepLog
from .storing import Outage, Storing
from .turns import Turns
from .workspace import Workspace

logger = logging.getLogger(__name__)


def hooks(workspace: Workspace, lease: Lease, store: Storing, masks: Masks) -> list[Hook]:
    """What belongs to the steps of one build besides their scripts, in the order in which it is done."""
    return [OwnWorkspace(workspace), Caches(lease, store), Artifacts(lease, store, masks), Reports(lease, store, masks)]


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
        self._store = storing or Storing(self.rest)
        self._room = Room()
        self._workspace: Workspace | None = None
        self._footprint: Footprint | None = None
        self._turns = Turns(lease, orders, self._store, beat)
        self._secrecy = Secrecy(lease.build_id, self._store)
        self._turns.finder.masked = self._secrecy.masks.text
        self._active: dict[int, tuple[Running, Course]] = {}
        """By its place in the recipe: each step that has begun and is not over."""
        self._cancel_confirmed = False
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
            self._footprint = Footprint(workspace.path.parent, settings.BUILDBOARD_MAX_WORKSPACE_MB)
        except OSError as error:
            reason = f"The workspace could not be made: {error.strerror or error}."
            return self._store(lifecycle.finish, self._lease, Status.FAILED, reason)
        try:
            ending = self._steps(build, workspace)
            return self._store(lifecycle.finish, self._lease, ending.status, ending.build_reason, again=ending.again)
        finally:
            self._abandon()
            workspace.remove()

    def _steps(self, build: Build, workspace: Workspace) -> Ending:
        if why := isolation.refusal(build):
            return endings.refused(why)
        world = self._store(Board.get).world
        courses = Courses(
            self._lease,
            self._orders,
            self._store,
            self._turns,
            self._room,
            grace=self._grace,
            world=world,
            hooks=hooks(workspace, self._lease, self._store, self._secrecy.masks),
        )
        ending = self._check_out(build, workspace, world, courses) if build.repository else endings.PASSED
        if ending.status == Status.PASSED:
            build = self._store(Build.objects.select_related("project").get, pk=build.pk) if build.repository else build
            ending = self._recipe(build, workspace, world, courses)
        self._end_all(courses)
        if courses.unguarded:
            leftovers.kill(world, build.pk)
        return ending

    def _check_out(self, build: Build, workspace: Workspace, world: str, courses: Courses) -> Ending:
        """The step ahead of the recipe's, which finds that. What it learns of the build is stored."""
        checkout = Checkout(build, workspace)
        self._store(checkout.prepare)
        for secret in checkout.secrets:
            self._secrecy.masks.add(secret)
        step = plans.check_out()

        def begin(at: int) -> None:
            running = Running(at, step, self._log(at), workspace.path)
            env = environment(build, Recipe(()), step, world=world, workspace=workspace.path)
            course = courses.course(running, lambda: checkout.start(env, grace=self._grace))
            self._active[at] = running, course

        alone = Recipe((step,))
        ending = self._follow(alone, Schedule(alone.steps, facts(build, alone), 1), begin)
        found = checkout.found()
        if found.commit is not None:
            self._store(lifecycle.checked_out, self._lease, found.commit, found.changes)
        if ending.status != Status.PASSED:
            return ending
        try:
            plan = plans.at_commit(build, found.recipe)
        except recipe.RecipeError as error:
            return endings.bad_recipe(error, found.recipe_path)
        except InputError as error:
            ending = endings.bad_inputs(error)
            self._store(schedules.note_misfit, build, ending.build_reason)
            return ending
        self._store(lifecycle.adopt, self._lease, plan, found.recipe_path)
        if found.is_default:
            self._store(lifecycle.remember_recipe, build.project_id, found.recipe or "", found.commit.commit)
        return endings.declined(plan.declined) if plan.declined else endings.PASSED

    def _recipe(self, build: Build, workspace: Workspace, world: str, courses: Courses) -> Ending:
        try:
            plan = recipe.parse(build.recipe)
            plan = plans.with_checkout(plan) if build.repository else plan
        except recipe.RecipeError as error:  # it was valid when the build was queued; the rules may have changed
            return endings.bad_recipe(error)
        self._secrecy.learn(plan)
        self._deadlines = [(time.monotonic() + plan.timeout, endings.build_timeout(plan.timeout))]

        def begin(at: int) -> None:
            step = plan.steps[at]
            running = Running(at, step, self._log(at), workspace.of(at, step))
            self._turns.finder.workspaces[at] = os.path.realpath(running.workspace)
            course = courses.course(running, lambda: self._start(build, plan, running, world, workspace))
            self._active[at] = running, course

        schedule = Schedule(plan.steps, facts(build, plan), settings.BUILDBOARD_MAX_PARALLEL_STEPS)
        if build.repository:
            schedule.next()  # the checkout alone: everything needs it
            schedule.over(0, Status.PASSED)
        return self._follow(plan, schedule, begin)

    def _follow(self, plan: Recipe, schedule: Schedule, begin: Callable[[int], None]) -> Ending:
        """Until all steps are over, or, where something asks for the end of the build, those that have begun."""
        became: dict[int, Ending] = {}
        told: Ending | None = None
        while not schedule.is_over:
            told = told or self._asked_to_end()
            if told is not None:
                self._tell(told)
                if not self._active:
                    return told
            else:
                begun, skipped = schedule.next()
                if skipped:
                    self._store(lifecycle.skip_steps, self._lease, skipped)
                for at in begun:
                    begin(at)
            for at, (_, course) in list(self._active.items()):
                try:
                    next(course)
                except StopIteration as over:
                    del self._active[at]
                    became[at] = over.value
                    schedule.over(at, over.value.status)
            if self._active:
                self._turns.turn()
        if told is not None and told in became.values():
            return told
        return endings.together([(plan.steps[at].name, became[at]) for at in schedule.failed])

    def _start(self, build: Build, plan: Recipe, step: Running, world: str, workspace: Workspace) -> Job:
        """The first process of a step's script, for this attempt. `OSError` where it cannot be started, `safe.Withheld`
        where it is not given a secret that it names."""
        env = environment(
            build,
            plan,
            step.step,
            world=world,
            workspace=step.workspace,
            attempt=step.attempt,
            machine=isolation.machine(),
        )
        env |= self._secrecy.give(step.step)
        argv = workspace.script(step.position, step.step)
        return isolation.start(
            argv,
            env=env,
            workspace=workspace,
            place=step.workspace,
            grace=self._grace,
            network=build.network,
            image=step.step.image,
        )

    def _log(self, position: int) -> StepLog:
        return StepLog(position, settings.BUILDBOARD_MAX_LINE_KB * 1024, self._secrecy.masks)

    def _tell(self, ending: Ending) -> None:
        """All steps that run are to end so."""
        for step, _ in self._active.values():
            step.told = step.told or ending
        if (
            self._active
            and ending.status == Status.CANCELLED
            and self._lease.cancel_requested
            and not self._cancel_confirmed
        ):
            self._store(lifecycle.confirm_cancel, self._lease)
            self._cancel_confirmed = True

    def _end_all(self, courses: Courses) -> None:
        """The end of the build is the end of everything that its steps left running."""
        running = self._turns.running
        ends = [courses.end(step) for step in running]
        while ends := [end for end in ends if _goes_on(end)]:
            self._turns.turn()
        for step in running:
            step.log.close(time.monotonic())
        self._turns.flush(everything=True, over=running)

    def _asked_to_end(self) -> Ending | None:
        if self._lease.cancel_requested:
            return endings.CANCELLED
        if self._orders.stopping:
            return endings.stopped(self._orders.stopping)
        now = time.monotonic()
        for deadline, ending in self._deadlines:
            if now >= deadline:
                return ending
        return self._room.look() or (self._footprint.look() if self._footprint else None)

    @property
    def _grace_now(self) -> float:
        return min(self._grace, endings.HURRIED_GRACE) if self._orders.stopping else self._grace

    def rest(self, seconds: float) -> None:
        """While the database is away: steps are still ended on time."""
        self._orders.hear(seconds)
        self._turns.reassure()
        if self._store.disk_is_full:
            self._room.failed_to_store()
        asked = self._asked_to_end()
        for step in self._turns.running:
            if asked or (not step.ended and step.due_to_end()):
                for job in step.jobs:
                    job.hear()
                    job.stop(self._grace_now)
        if self._store.disk_is_full and self._workspace and self._nothing_lives():
            self._workspace.remove()  # it may be what has filled the disk, and how the build ended has to be stored

    def _nothing_lives(self) -> bool:
        return all(job.is_over for step in self._turns.running for job in step.jobs)

    def _abandon(self) -> None:
        """Nothing of the build may outlive its worker's part in it."""
        jobs = [job for step in self._turns.running for job in step.jobs]
        for job in jobs:
            job.stop(self._grace_now)
        limit = time.monotonic() + self._grace_now + KILL_SECONDS
        for job in jobs:
            while not job.is_over and time.monotonic() < limit:
                job.read()
                job.hear()
                time.sleep(0.01)
            job.close()
        self._turns.close()
        self._turns.running.clear()
        self._active.clear()


def _goes_on(course: Iterator[None]) -> bool:
    """Whether it has more to do, after it has done a piece of it."""
    try:
        next(course)
    except StopIteration:
        return False
    return True


def facts(build: Build, plan: Recipe) -> Facts:
    """What the conditions of a build's steps may ask for, but for what has become of other steps."""
    return Facts(
        plain={
            "branch": build.branch,
            "tag": build.tag,
            "ref": build.ref,
            "commit": build.commit,
            "event": build.trigger,
            "trigger": build.trigger,
            "pull_request": build.pull_request,
            "fork": build.fork,
        },
        inputs=build.inputs,
        env=plan.env,
    )
