"""A worker process: two verbs and a rest. Take a build; run it; wait a little."""

import logging
import random
import secrets
import time

from django.conf import settings
from django.db import Error, IntegrityError

from buildboard.presence import AWAY

from .. import beats, lifecycle, worlds
from ..events import Lease
from ..leases import disconnect
from ..states import Status
from . import disk
from .orders import Orders
from .runner import Runner
from .watchdog import limit

logger = logging.getLogger(__name__)

REST_SECONDS = 0.25
BEAT_SECONDS = 1.0
_LONGEST_REST = 2.0


class Loop:
    def __init__(self, name: str, orders: Orders, labels: str = "") -> None:
        """`labels`: what this worker has, separated by spaces."""
        self._name = name
        self._orders = orders
        self._labels = labels
        self._token = secrets.token_hex(16)
        self._beat_at = float("-inf")
        self._note = ""
        """Why it takes no build just now."""

    def run(self) -> None:
        """Until it is told to end."""
        rest = REST_SECONDS
        while self._goes_on():
            try:
                with limit():
                    self.beat(note=disk.shortage())
                    lease = None if self._note else self.take()
            except (*AWAY, IntegrityError) as error:  # the latter: a claim whose answer was lost lands just now
                logger.warning("action=claim state=retry worker=%s error=%s", self._name, error)
                disconnect()
                rest = min(rest * 2, _LONGEST_REST)
            else:
                rest = REST_SECONDS
                if lease is not None:
                    self.work(lease)
                    continue
            self._orders.hear(rest * random.uniform(0.8, 1.2))  # noqa: S311 - only so that workers do not ask in step
        try:
            with limit():
                beats.farewell(self._name)
        except Error as error:
            logger.warning("action=farewell state=failed worker=%s error=%s", self._name, error)

    def _goes_on(self) -> bool:
        """Asked before each build is taken: a supervisor may die while this process still starts, or at a build's very
        end, and what nobody watches any more takes no build only to end it."""
        self._orders.hear()
        return not self._orders.draining

    def take(self) -> Lease | None:
        """The next queued build. The token is made before asking: a claim whose answer was lost is found again."""
        lease = lifecycle.claim(self._name, self._token, self._labels, settings.BUILDBOARD_SANDBOX)
        if lease is not None:
            self._token = secrets.token_hex(16)
        return lease

    def work(self, lease: Lease) -> Status | None:
        logger.info("action=run state=started build=%d worker=%s", lease.build_id, self._name)
        began = time.monotonic()
        runner = Runner(lease, self._orders, grace=settings.BUILDBOARD_GRACE_SECONDS, beat=self.beat_when_it_can)
        status = runner.run()
        logger.info(
            "action=run state=ended build=%d status=%s seconds=%.1f",
            lease.build_id, status or "abandoned", time.monotonic() - began,
        )  # fmt: skip
        return status

    def beat(self, note: str = "") -> None:
        """Say that this worker lives, about every second, and at once when it begins or ceases to have a `note`: what
        that says of the room on a disk is another with each look."""
        changed = bool(note) != bool(self._note)
        if changed or time.monotonic() - self._beat_at >= BEAT_SECONDS:
            if changed:
                logger.warning("action=rest worker=%s note=%s", self._name, note or "none any more")
            self._note = note
            worlds.leave_replaced()
            beats.beat(self._name, draining=self._orders.draining, labels=self._labels, note=note)
            self._beat_at = time.monotonic()

    def beat_when_it_can(self) -> None:
        """While a build runs: its lease is what counts, so a failure waits for the next time."""
        try:
            with limit():
                self.beat()
        except AWAY as error:
            disconnect()
            self._beat_at = time.monotonic()
            logger.warning("action=beat state=failed worker=%s error=%s", self._name, error)
