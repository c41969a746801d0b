"""A worker process: two verbs and a rest. Take a build; run it; wait a little."""

import logging
import random
import secrets
import time

from django.conf import settings
from django.db import Error

from .. import lifecycle, worlds
from ..events import Lease
from ..leases import disconnect
from ..states import Status
from .orders import Orders
from .runner import Runner
from .storing import AWAY

logger = logging.getLogger(__name__)

REST_SECONDS = 0.25
BEAT_SECONDS = 1.0
_LONGEST_REST = 2.0


class Loop:
    def __init__(self, name: str, orders: Orders) -> None:
        self._name = name
        self._orders = orders
        self._token = secrets.token_hex(16)
        self._beat_at = float("-inf")

    def run(self) -> None:
        """Until it is told to end."""
        rest = REST_SECONDS
        while not self._orders.draining:
            try:
                self.beat()
                lease = self.take()
            except AWAY as error:
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
            lifecycle.farewell(self._name)
        except Error as error:
            logger.warning("action=farewell state=failed worker=%s error=%s", self._name, error)

    def take(self) -> Lease | None:
        """The next queued build. The token is made before asking: a claim whose answer was lost is found again."""
        lease = lifecycle.claim(self._name, self._token)
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

    def beat(self) -> None:
        """Say that this worker lives, about every second."""
        if time.monotonic() - self._beat_at >= BEAT_SECONDS:
            worlds.leave_replaced()
            lifecycle.beat(self._name, draining=self._orders.draining)
            self._beat_at = time.monotonic()

    def beat_when_it_can(self) -> None:
        """While a build runs: its lease is what counts, so a failure waits for the next time."""
        try:
            self.beat()
        except AWAY as error:
            disconnect()
            self._beat_at = time.monotonic()
            logger.warning("action=beat state=failed worker=%s error=%s", self._name, error)
