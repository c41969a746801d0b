"""One seed: a world, a plan's builds and faults, viewers all the while, and the verdict."""

import contextlib
import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest import SkipTest

from tests.support.processes import eventually

from . import evidence, oracle, usage
from .crowd import Crowd
from .faults import Injector
from .oracle import Verdict
from .pages import Reader
from .plan import SUPERVISORS, Fault, Plan, Start
from .recipes import WARM
from .viewers import Route
from .world import CONCURRENCY, World

WARM_VIEWERS = 12
WARM_BUILDS = CONCURRENCY * len(SUPERVISORS)
"""One for each worker."""
END_SECONDS = 90.0
"""After the last fault, until every build is over; the queue is worked off in it."""
CATCH_UP_SECONDS = 45.0
"""After that, until every viewer was told the end."""
SETTLE_SECONDS = 25.0
"""After that, until what was held for them is given back: readers rest for 5 s, tails for another 5."""
ORPHAN_SECONDS = 10.0
LONG_POLLS = 6
BOARDS = 4


@dataclass
class Result:
    """What a seed came to. `faults`: how many of each kind were carried out."""

    seed: int
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    builds: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    cut: int = 0
    """Lines that a `cut` stands for."""
    events: int = 0
    viewers: int = 0
    deliveries: int = 0
    """Events that viewers got, all together."""
    connections: int = 0
    polls: int = 0
    pages: Counter[int] = field(default_factory=Counter)
    slowest_page: float = 0.0
    held: dict[str, Any] = field(default_factory=dict)
    said: str = ""
    """What the board's processes wrote, and what was done to them when."""
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def passed(self) -> bool:
        return self.verdict.passed


def run(plan: Plan, say: Callable[[str], object] = lambda _: None) -> Result:
    """Carry the plan out. What fails in the bench itself is in the verdict too."""
    began = time.monotonic()
    result = Result(plan.seed)
    world = None
    done: list[str] = []

    def note(text: str) -> None:
        done.append(text)
        say(text)

    try:
        world = World()
        note(f"a world is up after {time.monotonic() - began:.1f} s")
        Run(world, plan, result, note).carry_out()
    except SkipTest:  # this machine has no such servers
        raise
    except Exception as error:
        result.verdict.other.append(f"the bench: {type(error).__name__}: {error}")
    finally:
        if world is not None:
            result.said = "\n".join([*done, world.outputs()])
            world.close()
    result.seconds = time.monotonic() - began
    return result


class Run:
    def __init__(self, world: World, plan: Plan, result: Result, say: Callable[[str], object]) -> None:
        self._world = world
        self._plan = plan
        self._result = result
        self._say = say
        self._injector = Injector(world)
        self._outages: list[tuple[datetime, datetime]] = []
        self._failures: list[str] = []
        self._lock = threading.Lock()

    def carry_out(self) -> None:
        world, plan = self._world, self._plan
        self._warm_up()
        before = usage.holding(world)
        crowd = self._crowd = Crowd(world.token, world.world, plan.seed)
        reader = Reader(world.ports, world.session)
        self._began = time.monotonic()
        self._say(f"the faults begin at {datetime.now(UTC):%H:%M:%S.%f}")
        with contextlib.closing(crowd):
            with contextlib.closing(reader):
                self._worst_of_it()
                world.heal()
                self._say(f"healed after {crowd.clock():.1f} s")
                crowd.hurries = True
                self._await_builds()
                world.await_all(60)
                self._say(f"every build is over after {crowd.clock():.1f} s")
            self._await_viewers()
            self._say(f"every viewer has been told after {crowd.clock():.1f} s")
        if world.nginx is not None:
            world.nginx.close()  # it keeps connections to the webs for its next requests
        held, leaks = usage.settled(world, before, SETTLE_SECONDS)
        self._say(f"settled after {crowd.clock():.1f} s")
        self._judge(leaks)
        self._count(reader, held, before)

    # --- Before ---

    def _warm_up(self) -> None:
        """Builds for all workers that some watch on each way: pools and caches are filled when the measure is taken."""
        world = self._world
        crowd = Crowd(world.token, world.world, 0)
        with contextlib.closing(crowd):
            path = f"/api/v1/projects/{WARM}/builds"
            builds = [world.insist("POST", path, until=201, key=f"warm {n}")["id"] for n in range(WARM_BUILDS)]
            for number in range(WARM_VIEWERS):
                route = self._routes()[number % len(self._routes())]
                crowd.add(route, builds[number % len(builds)], begin=0.0, polls=number % 4 == 0)
            with contextlib.closing(Reader(world.ports, world.session)):
                for build in builds:
                    world.board.wait(build, 60)
                eventually(lambda: not crowd.missing(), 30, lambda: f"not warm: {crowd.missing()}")
                time.sleep(1)
        time.sleep(6)  # readers of the database end after 5 s without work, and tails that nobody watches

    def _routes(self) -> list[Route]:
        world = self._world
        names = ("daphne", "uvicorn")
        routes = [Route(f"{name} itself", port) for name, port in zip(names, world.ports, strict=True)]
        routes += [Route(f"{name} through cuts", world.proxies.ports[f"web_{n}"]) for n, name in enumerate(names, 1)]
        if world.nginx is not None:
            routes.append(Route("nginx", world.nginx.good, answers=True))
            routes.append(Route("nginx that buffers", world.nginx.bad, answers=True, delays=True))
        return routes

    # --- While it breaks ---

    def _worst_of_it(self) -> None:
        threads = [threading.Thread(target=self._inject, args=(fault,)) for fault in self._plan.faults]
        threads += [
            threading.Thread(target=self._start, args=(number, start)) for number, start in enumerate(self._plan.starts)
        ]
        threads.append(threading.Thread(target=self._watch_the_board))
        for thread in threads:
            thread.daemon = True
            thread.start()
        self._until(self._plan.size.seconds)
        for thread in threads:
            thread.join(120)
            if thread.is_alive():
                raise AssertionError(f"a part of the bench still runs: {thread}")

    def _until(self, at: float) -> None:
        time.sleep(max(self._began + at - time.monotonic(), 0.0))

    def _inject(self, fault: Fault) -> None:
        self._until(fault.at)
        since = datetime.now(UTC)
        with self._noting(str(fault)):
            done = self._injector.inject(fault)
            self._say(f"{self._crowd.clock():5.1f} s  {'done' if done else 'nobody to harm'}: {fault}")
            with self._lock:
                self._result.faults[fault.kind] += done
                if fault.kind.startswith("PostgreSQL"):
                    self._outages.append((since, datetime.now(UTC)))

    def _start(self, number: int, start: Start) -> None:
        """Ask for a build until it is there, give it its viewers, and cancel it where it has to be."""
        self._until(start.at)
        with self._noting(str(start)):
            path = f"/api/v1/projects/{start.slug}/builds"
            build = self._world.insist("POST", path, until=201, key=f"start {number}")["id"]
            self._watch(number, build)
            if start.cancel_after is not None:
                time.sleep(start.cancel_after)
                self._cancel(build)

    def _cancel(self, build: int) -> None:
        """409: it is over already, because of what was done to it."""

        def answered() -> bool:
            for port in self._world.ports:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    status, _ = self._world.ask("POST", f"/api/v1/builds/{build}/cancel", port=port, seconds=3)
                    if status in (200, 409):
                        return True
            return False

        eventually(answered, 60, f"build {build} could not be cancelled")

    def _watch(self, number: int, build: int) -> None:
        """This build's share of the viewers: some at once, some later, on all ways, and in each manner."""
        size, routes = self._plan.size, self._routes()
        for seat in range(number, size.viewers, len(self._plan.starts)):
            later = self._crowd.dice.choice((0.0, 0.0, self._crowd.dice.uniform(0, 8)))
            slow = seat // len(routes) == 2  # one on each way
            self._crowd.add(routes[seat % len(routes)], build, begin=time.monotonic() + later, slow=slow)
        if number < LONG_POLLS:
            self._crowd.add(routes[number % len(routes)], build, begin=time.monotonic(), polls=True)

    def _watch_the_board(self) -> None:
        routes = self._routes()
        for number in range(BOARDS):
            self._crowd.add(routes[number % len(routes)], None, begin=time.monotonic())

    @contextlib.contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            with self._lock:
                self._failures.append(f"the bench, at {what}: {type(error).__name__}: {error}")

    # --- After ---

    def _await_builds(self) -> None:
        from builds.models import Build
        from builds.states import FINAL

        def over() -> bool:
            with self._world.board.database():
                return not Build.objects.exclude(status__in=FINAL).exists()

        with contextlib.suppress(AssertionError):  # the oracle names those that are not
            eventually(over, END_SECONDS)

    def _await_viewers(self) -> None:
        head = evidence.revision(self._world)
        with contextlib.suppress(AssertionError):
            eventually(lambda: not self._crowd.missing() and not self._crowd.behind(head), CATCH_UP_SECONDS)

    def _judge(self, leaks: list[str]) -> None:
        world, result = self._world, self._result
        builds = evidence.builds(world)
        by_id = {build.id: build for build in builds}
        verdicts = []
        for build in builds:
            printed = evidence.printed(world.record, build.id)
            verdicts.append(oracle.judge_build(build, printed, self._injector.harms, self._outages))
        head = evidence.revision(world)
        for viewer in self._crowd.viewers:
            if viewer.seen.build_id is None:
                verdicts.append(oracle.judge_board_viewer(viewer.seen, head, builds))
            else:
                verdicts.append(oracle.judge_viewer(viewer.seen, by_id[viewer.seen.build_id], self._outages))
        verdict = oracle.merged(verdicts)
        asked = len(self._plan.starts) + WARM_BUILDS
        if len(builds) != asked:
            verdict.duplicated.append(f"{len(builds)} builds, and {asked} were asked for")
        with contextlib.suppress(AssertionError):  # a guardian gives a daemon its grace
            eventually(lambda: not evidence.orphans(world), ORPHAN_SECONDS)
        verdict.orphans += evidence.orphans(world)
        verdict.leaks += leaks + evidence.leases(world)
        verdict.other += self._failures + self._injector.complaints
        for unit in world.units:
            verdict.other += unit.complaints
        result.verdict = verdict
        result.builds = Counter(build.status for build in builds)
        result.events = sum(len(build.events) for build in builds)
        for build in builds:
            stored, cut = oracle.lines(build.events)
            result.lines += sum(map(len, stored.values()))
            result.cut += sum(map(len, cut.values()))

    def _count(self, reader: Reader, held: usage.Holding, before: usage.Holding) -> None:
        result, seen = self._result, [viewer.seen for viewer in self._crowd.viewers]
        result.viewers = len(seen)
        result.deliveries = sum(len(one.events) for one in seen)
        result.connections = sum(one.connections for one in seen)
        result.polls = sum(one.polls for one in seen)
        result.pages = reader.answers
        result.slowest_page = reader.longest
        result.verdict.other += reader.complaints
        result.held = {"before": usage.shown(before), "after": usage.shown(held)}
