"""Carries a plan's faults out, and notes whom they harmed.

Who is to be harmed is stopped first, looked at, and only then killed: so it is known what it was doing.
"""

import contextlib
import random
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import replace

import psutil

from tests.support.processes import alive

from .layer import DOUBLED, DROPPED, HALVED, WHOLE
from .plan import SUPERVISORS, WEBS, Fault
from .victims import Harm, build_of, name_of, now, steps_of, stopped, within, workers_of
from .world import World

VICTIM_SECONDS = 6.0
"""So long a fault waits for someone whom it can harm …"""
STARTING_SECONDS = 8.0
"""… and for one that has just been started: it cannot end in order before."""
CUT_EVERY = 0.4
CUT_BYTES = 20_000
ABORTS = 1_000
DRAIN_SECONDS = 10.0
"""A web that drains has to be gone by then: its own 5 s, on a busy machine."""


class Injector:
    def __init__(self, world: World) -> None:
        self._world = world
        self.harms: list[Harm] = []
        self.complaints: list[str] = []

    def inject(self, fault: Fault) -> bool:
        """Carry it out, to its end. False: there was nobody to harm."""
        try:
            return _HOW[fault.kind](self, fault, random.Random(fault.dice)) is not False
        except psutil.Error:  # it ended by itself just then
            return False

    # --- Webs ---

    def web_killed(self, fault: Fault, dice: random.Random) -> None:
        self._world.unit(fault.target).kill(fault.seconds)

    def web_drained(self, fault: Fault, dice: random.Random) -> bool | None:
        web = self._world.unit(fault.target)
        process = web.process
        if not within(STARTING_SECONDS, lambda: process.running and self._world.is_up(web)):
            return False
        web.excuse({0}, fault.seconds)
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        while process.running:
            if time.monotonic() - began > DRAIN_SECONDS:
                self.complaints.append(f"{web} still runs {DRAIN_SECONDS:.0f} s after SIGTERM")
                web.kill(fault.seconds)
                return None
            time.sleep(0.05)
        return None

    def aborts(self, fault: Fault, dice: random.Random) -> None:
        """Clients that ask for a stream and are gone: before the answer, in it, or after it."""
        port = self._world.ports[WEBS.index(fault.target)]
        token, began = self._world.token, time.monotonic()
        asked = f"GET /builds/1/events/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        head = asked.encode()
        for _ in range(ABORTS):
            if time.monotonic() - began > 30:
                return
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", dice.randint(0, 1), 0))
                client.sendall(head[: dice.choice((20, len(head), len(head)))])
                if dice.random() < 0.1:
                    client.settimeout(0.5)
                    client.recv(dice.randint(1, 2000))

    # --- Workers ---

    def worker_killed(self, fault: Fault, dice: random.Random) -> bool | None:
        victim = self._busy_worker(fault.target, dice)
        if victim is None:
            return False
        with stopped(victim):
            self._harm(fault.kind, victim)
            victim.kill()
        return None

    def worker_stopped(self, fault: Fault, dice: random.Random) -> bool | None:
        victim = self._busy_worker(fault.target, dice)
        if victim is None:
            return False
        with stopped(victim):
            harm = self._harm(fault.kind, victim)
            time.sleep(fault.seconds)
            self.harms[self.harms.index(harm)] = replace(harm, until=now())
        return None

    def workers_drained(self, fault: Fault, dice: random.Random) -> bool | None:
        return self._signalled(fault, 1)

    def workers_stopped(self, fault: Fault, dice: random.Random) -> bool | None:
        return self._signalled(fault, 2)

    def supervisor_killed(self, fault: Fault, dice: random.Random) -> None:
        supervisor = self._world.unit(fault.target)
        supervisor.process.pause()  # it starts no other meanwhile
        for worker in workers_of(supervisor):
            self._harm(fault.kind, worker)
        supervisor.kill(fault.seconds)

    def supervisor_and_workers_killed(self, fault: Fault, dice: random.Random) -> None:
        supervisor = self._world.unit(fault.target)
        supervisor.process.pause()
        workers = workers_of(supervisor)
        for worker in workers:
            with contextlib.suppress(psutil.Error):
                worker.suspend()
                self._harm(fault.kind, worker)
        supervisor.kill(fault.seconds)
        for worker in workers:
            with contextlib.suppress(psutil.Error):
                worker.kill()

    # --- Steps ---

    def step_killed(self, fault: Fault, dice: random.Random) -> bool | None:
        return self._step_harmed(fault, dice, lambda step: step)

    def guardian_killed(self, fault: Fault, dice: random.Random) -> bool | None:
        return self._step_harmed(fault, dice, lambda step: step.parent())

    # --- Servers ---

    def postgres_restarted(self, fault: Fault, dice: random.Random) -> None:
        self._world.postgres.stop()
        time.sleep(fault.seconds)
        self._world.postgres.start()

    def postgres_killed(self, fault: Fault, dice: random.Random) -> None:
        self._world.postgres.kill()
        time.sleep(fault.seconds)
        self._world.postgres.start()

    def postgres_paused(self, fault: Fault, dice: random.Random) -> None:
        self._world.postgres.pause()
        time.sleep(fault.seconds)
        self._world.postgres.resume()

    def redis_killed(self, fault: Fault, dice: random.Random) -> None:
        self._world.redis.kill()
        time.sleep(fault.seconds)
        self._world.redis.start()

    def redis_paused(self, fault: Fault, dice: random.Random) -> None:
        self._world.redis.pause()
        time.sleep(fault.seconds)
        self._world.redis.resume()

    def redis_flushed(self, fault: Fault, dice: random.Random) -> None:
        self._world.redis.command("FLUSHALL")

    def redis_connections_killed(self, fault: Fault, dice: random.Random) -> None:
        for kind in ("pubsub", "normal"):
            self._world.redis.command("CLIENT", "KILL", "TYPE", kind)

    # --- What is between them ---

    def cut(self, fault: Fault, dice: random.Random) -> None:
        """Those that are there are cut at random bytes, again and again; what is opened meanwhile has its chance."""
        names = ("web_1", "web_2") if fault.target == "to the webs" else (fault.target.replace(" ", "_"),)
        until = time.monotonic() + fault.seconds
        while time.monotonic() < until:
            for name in names:
                self._world.proxies.cut(name, CUT_BYTES, dice.getrandbits(32))
            time.sleep(CUT_EVERY * dice.uniform(0.5, 1.5))

    def wakes(self, fault: Fault, dice: random.Random) -> None:
        self._world.wakes({"wakes dropped": DROPPED, "wakes doubled": DOUBLED}.get(fault.kind, HALVED))
        time.sleep(fault.seconds)
        self._world.wakes(WHOLE)

    # --- Inside ---

    def _harm(self, kind: str, worker: psutil.Process) -> Harm:
        """Note it, with the build that the worker runs at this moment where one of its steps is seen alive."""
        steps = steps_of(worker)
        build = build_of(steps[0]) if steps else None
        harm = Harm(kind, now(), worker=name_of(worker), build=build)
        self.harms.append(harm)
        return harm

    def _busy_worker(self, target: str, dice: random.Random) -> psutil.Process | None:
        """A worker of that supervisor that runs a step; of another one, where it has none."""
        return self._victim(
            lambda: (
                [worker for worker in workers_of(self._world.unit(target)) if steps_of(worker)]
                or [worker for name in SUPERVISORS for worker in workers_of(self._world.unit(name)) if steps_of(worker)]
            ),
            dice,
        )

    def _victim(self, candidates: Callable[[], list[psutil.Process]], dice: random.Random) -> psutil.Process | None:
        found = within(VICTIM_SECONDS, candidates)
        return dice.choice(found) if found else None

    def _step_harmed(
        self, fault: Fault, dice: random.Random, whom: Callable[[psutil.Process], psutil.Process | None]
    ) -> bool | None:
        every = lambda: [  # noqa: E731 - asked again and again
            step for name in SUPERVISORS for worker in workers_of(self._world.unit(name)) for step in steps_of(worker)
        ]
        step = self._victim(every, dice)
        if step is None:
            return False
        victim = whom(step)
        if victim is None:
            return False
        with stopped(victim):
            if not alive(step.pid):
                return False
            name = step.environ()["BUILDBOARD_STEP"]
            self.harms.append(Harm(fault.kind, now(), build=build_of(step), step=name))
            victim.kill()
        return None

    def _signalled(self, fault: Fault, times: int) -> bool | None:
        supervisor = self._world.unit(fault.target)
        process = supervisor.process
        if not within(STARTING_SECONDS, lambda: process.running and workers_of(supervisor)):
            return False
        supervisor.excuse({0}, fault.seconds)
        workers = workers_of(supervisor) if times > 1 else []
        for worker in workers:
            self._harm(fault.kind, worker)
        for _ in range(times):
            process.signal(signal.SIGTERM)
            time.sleep(0.3)
        for worker in workers_of(supervisor) if times > 1 else []:
            if worker not in workers:  # it was just being started
                self._harm(fault.kind, worker)
        return None


_HOW: dict[str, Callable[[Injector, Fault, random.Random], bool | None]] = {
    "web killed": Injector.web_killed,
    "web drained": Injector.web_drained,
    "worker killed": Injector.worker_killed,
    "worker stopped longer than its lease": Injector.worker_stopped,
    "workers drained": Injector.workers_drained,
    "workers told to stop": Injector.workers_stopped,
    "supervisor killed": Injector.supervisor_killed,
    "supervisor killed with its workers": Injector.supervisor_and_workers_killed,
    "step killed": Injector.step_killed,
    "guardian killed": Injector.guardian_killed,
    "PostgreSQL restarted": Injector.postgres_restarted,
    "PostgreSQL killed": Injector.postgres_killed,
    "PostgreSQL paused": Injector.postgres_paused,
    "PostgreSQL connections of the workers cut": Injector.cut,
    "PostgreSQL connections of the webs cut": Injector.cut,
    "Redis killed": Injector.redis_killed,
    "Redis paused": Injector.redis_paused,
    "Redis flushed": Injector.redis_flushed,
    "Redis connections killed": Injector.redis_connections_killed,
    "Redis connections cut": Injector.cut,
    "wakes dropped": Injector.wakes,
    "half of the wakes dropped": Injector.wakes,
    "wakes doubled": Injector.wakes,
    "viewers cut": Injector.cut,
    "1,000 clients that open and abort": Injector.aborts,
}
