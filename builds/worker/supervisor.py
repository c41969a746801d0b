"""Keeps N worker processes, watches all leases, and sweeps up what dead workers leave."""

import logging
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

from django.conf import settings
from django.db import Error

from .. import beats, lifecycle
from ..leases import LeaseWatch, disconnect
from . import leftovers
from .orders import DRAIN, STOP
from .pruning import Pruning
from .sending import Sending
from .stranded import Stranded
from .timetable import Timetable
from .watchdog import limit

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""A worker that was told to stop and has not ended by then is killed; its guardians end its steps."""
FORGET_SECONDS = 300.0
"""After which a worker that gave no sign of life is not shown any more."""
_TURN_SECONDS = 0.1
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.5, 30.0
_STEADY_SECONDS = 30.0
"""A worker that lived so long is started again at once when it dies."""


def worker_name(pid: int, suffix: str) -> str:
    """`suffix`: random, so that a process number used again is another worker."""
    return f"{socket.gethostname()[:60]}:{pid}:{suffix}"


@dataclass
class Place:
    """One of the N workers: the process that has it now, and how soon the next one may start."""

    process: subprocess.Popen | None = None
    name: str = ""
    started_at: float = 0.0
    start_not_before: float = 0.0
    backoff: float = _FIRST_BACKOFF
    killed: bool = False
    """It did not end in time when it was told to."""


@dataclass
class Supervisor:
    """`run()` until a signal ends it. `drain`: whether the first signal lets running builds finish, and `drain_seconds`
    for how long, 0: as long as they take. `labels`: what its workers have, separated by spaces."""

    concurrency: int
    drain: bool = True
    drain_seconds: int = 0
    labels: str = ""
    _places: list[Place] = field(default_factory=list)
    _signals: int = 0
    _told: bytes = b""
    _kill_at: float = math.inf
    """When whoever has not ended is killed."""
    _dead: dict[str, str] = field(default_factory=dict)
    """Names of workers whose end is not written down yet, and how they ended: `died (signal SIGKILL)`."""

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        self._places = [Place() for _ in range(self.concurrency)]
        watch = LeaseWatch(settings.BUILDBOARD_LEASE_SECONDS)
        look_at = sweep_at = float("-inf")
        pruning, sending = Pruning(time.monotonic()), Sending(time.monotonic())
        timetable, stranded = Timetable(), Stranded()
        while True:
            now = time.monotonic()
            self._tell(now)
            self._mind(now)
            self._bury()
            self._tell(time.monotonic())  # what asks the database may have waited for it
            works = any(place.process is not None for place in self._places)
            if self._told:
                pruning.tell(now)
                if self._told == STOP or not works:  # while builds drain there is news of them
                    sending.tell(now)
                if pruning.is_over(now) and sending.is_over(now) and not works:
                    break
            else:
                with limit():
                    pruning.look(now)
            if not self._told or (self._told == DRAIN and works):
                with limit():
                    sending.look(now)
                timetable.look(now)
            stays = self._told != STOP  # whoever is about to leave does not begin to wait for the database
            if stays and now >= look_at:
                with limit():
                    found = watch.look()
                if found:
                    stranded.hurry()
                    sweep_at = now  # what a worker that is stopped has left is not to go on without it
                self._tell(time.monotonic())
                look_at = now + watch.pace
            if stays:
                stranded.look(now)
            if stays and now >= sweep_at:
                self._sweep()
                sweep_at = now + settings.BUILDBOARD_LEASE_SECONDS
            time.sleep(_TURN_SECONDS)
        stranded.close()
        logger.info("action=supervise state=ended")

    def _signalled(self, *_: object) -> None:
        self._signals += 1

    def _tell(self, now: float) -> None:
        """Pass on what the signals ask for."""
        if not self._signals:
            return
        order = DRAIN if self.drain and self._signals == 1 else STOP
        if order == self._told:
            return
        self._told = order
        if order == STOP:
            self._kill_at = now + STOP_SECONDS
        elif self.drain_seconds:  # the workers keep this time themselves
            self._kill_at = now + self.drain_seconds + STOP_SECONDS
        logger.info("action=supervise state=%s", "draining" if order == DRAIN else "stopping")
        for place in self._places:
            if place.process is not None:
                try:
                    place.process.stdin.write(order)
                except OSError:
                    logger.debug("action=tell state=failed worker=%s", place.name)

    def _mind(self, now: float) -> None:
        """Notice who has died, and start who is missing."""
        for place in self._places:
            if place.process is not None and place.process.poll() is not None:
                self._ended(place, now)
            if place.process is None and not self._told and now >= place.start_not_before:
                self._start(place, now)
            if now >= self._kill_at and place.process is not None and not place.killed:
                logger.error("action=supervise state=killing worker=%s", place.name)
                place.killed = True
                place.process.kill()

    def _start(self, place: Place, now: float) -> None:
        suffix = secrets.token_hex(3)
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker", "--one", suffix, "--skip-checks"]
        command += [f"--drain-seconds={self.drain_seconds}", *(f"--label={label}" for label in self.labels.split())]
        try:
            place.process = subprocess.Popen(  # noqa: S603 - this program itself
                command, stdin=subprocess.PIPE, process_group=0, bufsize=0, cwd=settings.BASE_DIR
            )
        except OSError as error:  # no memory or no process just now: the other workers' builds go on
            self._rest(place, now)
            logger.error("action=start state=failed error=%s", error)
            return
        place.name = worker_name(place.process.pid, suffix)
        place.started_at = now
        logger.info("action=start worker=%s", place.name)

    def _ended(self, place: Place, now: float) -> None:
        code = place.process.returncode
        place.process.stdin.close()
        place.process = None
        if self._told and code == 0:
            return
        how = f"died (signal {signal.Signals(-code).name})" if code < 0 else f"died (exit code {code})"
        if place.killed:
            how = f"was told to stop, did not within {STOP_SECONDS:.0f} s, and was killed"
        self._dead[place.name] = how
        if now - place.started_at >= _STEADY_SECONDS:
            place.backoff = _FIRST_BACKOFF
            place.start_not_before = now
        else:
            self._rest(place, now)
        logger.error("action=supervise state=died worker=%s how=%s", place.name, how)

    @staticmethod
    def _rest(place: Place, now: float) -> None:
        place.backoff = min(place.backoff * 2, _LONGEST_BACKOFF)
        place.start_not_before = now + place.backoff

    def _bury(self) -> None:
        """What dead workers had taken is lost, at once; tried again while the database is away."""
        for name, how in list(self._dead.items()):
            try:
                with limit():
                    for build_id, (token, _, worker) in lifecycle.leases().items():
                        if worker == name:
                            lifecycle.lose(build_id, token, f"The worker {name} {how}.")
                            logger.warning("action=lose build=%d worker=%s reason=died", build_id, name)
                    beats.farewell(name)
            except Error as error:
                disconnect()
                logger.warning("action=bury state=failed worker=%s error=%s", name, error)
                return
            del self._dead[name]

    def _sweep(self) -> None:
        try:
            leftovers.sweep()
            with limit():
                beats.forget(FORGET_SECONDS)
        except Error as error:
            disconnect()
            logger.warning("action=sweep state=failed error=%s", error)


def orderly_input() -> int:
    """The worker's end of the supervisor's pipe, out of the way of everything that reads standard input."""
    file = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return file
