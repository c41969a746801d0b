"""Containers of builds that nobody runs any more: what is left where all who had to remove one were killed, or the
machine was."""

import logging
import subprocess
import tempfile
from typing import IO

from django.conf import settings
from django.db import Error

from .. import lifecycle
from ..leases import disconnect
from ..models import Board
from . import containers, engine
from .engine import NoEngine
from .watchdog import limit

logger = logging.getLogger(__name__)

PACE_SECONDS = 300.0
PATIENCE_SECONDS = 60.0
"""An engine that takes longer is asked again at the next turn; after a database that was away, so much later."""


class Stranded:
    """`look()` as often as one likes: it waits for nothing. First the engine is asked for the board's containers, then
    the database for leases: a build has its lease before it has a container."""

    def __init__(self) -> None:
        self._look_at = float("-inf")
        self._asked: subprocess.Popen | None = None
        self._said: IO[bytes] | None = None
        self._lists = False
        self._trials: dict[str, float] = {}
        """By name, when each was first seen."""
        self._kill_at = 0.0

    def hurry(self) -> None:
        """A build was lost: look soon."""
        self._look_at = float("-inf")

    def look(self, now: float) -> None:
        if settings.BUILDBOARD_SANDBOX != "container":
            return
        if self._asked is None:
            if now >= self._look_at:
                self._look_at = now + PACE_SECONDS
                names = ["ps", "--all", "--filter", f"name={containers.PREFIX}", "--format", "{{.Names}}"]
                self._ask(names, now, lists=True)
        elif self._asked.poll() is None:
            if now >= self._kill_at:
                self._asked.kill()
        else:
            try:
                self._answered(now)
            except Error as error:
                disconnect()
                logger.warning("action=sweep what=containers state=failed error=%s", error)
                self._look_at = now + PATIENCE_SECONDS

    def close(self) -> None:
        """What is still asked is asked no more."""
        if self._asked is not None:
            self._asked.kill()
            self._asked.wait()
            self._asked = None

    def _ask(self, words: list[str], now: float, *, lists: bool) -> None:
        said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the answer is there, and closed then
        try:
            self._asked = subprocess.Popen(  # noqa: S603 - the engine that the settings ask for
                [engine.find(), *words], stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=engine.environment()
            )
        except (OSError, NoEngine) as error:
            said.close()
            logger.error("action=sweep what=containers state=failed error=%s", error)
            return
        self._said, self._lists, self._kill_at = said, lists, now + PATIENCE_SECONDS

    def _answered(self, now: float) -> None:
        code, self._asked = self._asked.returncode, None
        with self._said as file:
            file.seek(0)
            said = file.read().decode("utf-8", "replace").split("\n")
        if code:
            logger.error("action=sweep what=containers state=failed exit=%d said=%s", code, said[0][:200])
        elif self._lists and (left := stranded(said) + self._old_trials(said, now)):
            logger.warning("action=sweep containers=%s", ",".join(left))
            self._ask(containers.removal(*left), now, lists=False)

    def _old_trials(self, names: list[str], now: float) -> list[str]:
        """Those that have stood for longer than anyone waits for them."""
        self._trials = {
            name: self._trials.get(name, now) for name in map(str.strip, names) if containers.is_trial(name)
        }
        return [name for name, since in self._trials.items() if now - since > 2 * containers.TRY_SECONDS]


def stranded(names: list[str]) -> list[str]:
    """Of the names of containers those whose build no worker of this machine runs any more."""
    own = [found for name in names if (found := containers.owner(name))]
    if not own:
        return []
    with limit():
        world, leased = Board.get().world, set(lifecycle.leases())
    here = containers.folder()
    return [one.name for one in own if (one.build_id not in leased if one.world == world else one.folder == here)]
