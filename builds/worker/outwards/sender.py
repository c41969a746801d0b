"""Claims messages, sends each in a thread of its own, and writes down what came of them. One process, and in it one
thread that asks the database."""

import logging
import os
import queue
import secrets
import signal
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import Error

from ... import outbox, worlds
from ...leases import disconnect
from ...outbox import Claimed
from ..watchdog import limit
from . import delivery
from .outcome import Outcome

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
IDLE_SECONDS = 60.0
"""Without a message for so long, a sender that a supervisor has started ends; the next message starts another."""
LAST_SECONDS = 2.0
"""When it is told to end: for what is on its way."""
FORGET_SECONDS = 3600.0
_SLACK_SECONDS = 30.0
"""How much longer than an exchange a claim lasts: for a slow look-up of a name, and a slow database."""


class Sender:
    def __init__(self, deliver: Callable[[Claimed, delivery.Terms], Outcome] = delivery.deliver) -> None:
        self._deliver = deliver
        self._done: queue.Queue[tuple[Claimed, Outcome]] = queue.Queue()
        self._unnoted: list[tuple[Claimed, Outcome]] = []
        """What came of messages, while the database does not take it."""
        self._flying = 0
        self._told = threading.Event()
        self._forget_at = float("-inf")

    def run_as_child(self) -> None:
        """Until its supervisor tells it to end, or is gone, or there was nothing to do for a while."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._told.set())
        threading.Thread(target=self._outlive_nobody, daemon=True).start()
        self.run(IDLE_SECONDS)

    def run(self, idle: float = 0.0) -> int:
        """Until no message was due for `idle` seconds, or it is told to end; how many were done with."""
        done, last = 0, time.monotonic()
        until = float("inf")
        while True:
            now = time.monotonic()
            if self._told.is_set():
                until = min(until, now + LAST_SECONDS)
            began = 0 if self._told.is_set() else self._begin()
            finished = self._settle(POLL_SECONDS if not began else 0.0)
            done += finished
            if began or finished or self._flying:
                last = time.monotonic()
            if now >= until or (not self._flying and not self._unnoted and (self._told.is_set() or now - last > idle)):
                return done

    # --- Inside ---

    def _begin(self) -> int:
        """Claim what is due, as many as may fly at a time; how many."""
        began = 0
        seconds = settings.BUILDBOARD_OUTBOX_TIMEOUT_SECONDS + _SLACK_SECONDS
        try:
            worlds.leave_replaced()
            self._forget()
            while self._flying < settings.BUILDBOARD_OUTBOX_SENDERS:
                with limit():
                    claimed = outbox.claim(secrets.token_hex(16), seconds)
                if claimed is None:
                    break
                began += 1
                self._send(claimed)
        except Error as error:
            self._failed("claim", error)
        return began

    def _send(self, claimed: Claimed) -> None:
        terms = delivery.terms()

        def fly() -> None:
            self._done.put((claimed, self._deliver(claimed, terms)))

        self._flying += 1
        try:
            threading.Thread(target=fly, name=f"send-{claimed.id}", daemon=True).start()
        except RuntimeError:  # none can be had just now
            self._done.put((claimed, Outcome("again", "This machine had no thread for it.")))

    def _settle(self, seconds: float) -> int:
        """Write down what came of messages, waiting so long for one."""
        before = len(self._unnoted)
        try:
            while True:
                self._unnoted.append(self._done.get(timeout=0 if len(self._unnoted) > before else seconds or 0.01))
                self._flying -= 1
        except queue.Empty:
            pass
        noted = 0
        while self._unnoted:
            try:
                with limit():
                    self._note(*self._unnoted[0])
            except Error as error:
                self._failed("note", error)
                break
            self._unnoted.pop(0)
            noted += 1
        return noted

    def _note(self, claimed: Claimed, outcome: Outcome) -> None:
        tries = settings.BUILDBOARD_OUTBOX_TRIES
        said, verdict = outcome.said, outcome.verdict
        if verdict == "again" and claimed.attempts >= tries:
            verdict, said = "never", f"{said} Given up after {claimed.attempts} attempts."
        if verdict == "sent":
            noted = outbox.sent(claimed, said, outcome.code)
        elif verdict == "never":
            noted = outbox.give_up(claimed, said, outcome.code)
        else:
            wait = outbox.seconds_until_next(claimed.attempts, outcome.wait)
            noted = outbox.postpone(claimed, wait, said, outcome.code)
        state = verdict if noted else "lapsed"
        logger.info(
            "action=send state=%s key=%s kind=%s attempt=%d code=%s",
            state, claimed.key, claimed.target.kind, claimed.attempts, outcome.code or "-",
        )  # fmt: skip

    def _forget(self) -> None:
        now = time.monotonic()
        if now >= self._forget_at and not outbox.forget(settings.BUILDBOARD_OUTBOX_KEEP_DAYS):
            self._forget_at = now + FORGET_SECONDS

    def _failed(self, what: str, error: Error) -> None:
        disconnect()
        logger.warning("action=send state=%s-failed error=%s", what, error)
        self._told.wait(POLL_SECONDS)

    def _outlive_nobody(self) -> None:
        while os.read(0, 64):
            pass
        self._told.set()
