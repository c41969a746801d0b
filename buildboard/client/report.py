"""Tells the board what runs here, in a thread of its own: so that the command never waits for the board.

One request at a time, and the same one again until it is answered; the board knows by the head whether it had landed.
"""

import contextlib
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import keeping
from .board import Board, Refused, Unreachable
from .spool import Spool

PACE_SECONDS = 0.1
"""Between two requests while output keeps coming, at least …"""
PACE_COSTS = 2
"""… and this many times as long as the last one took."""
RENEW_SECONDS = 2.0
OPEN_SECONDS = 1.0
"""So often at most a line that is still open is shown as it stands."""
FIRST_REST, LONGEST_REST = 0.25, 5.0


class _Over(Exception):
    """Nothing more is to be told."""


class Report(threading.Thread):
    """`begun` is set when the build is there, or is not to be; `bell` can be read from when there are news."""

    def __init__(self, board: Board, project: str, facts: Mapping[str, Any], tell: Callable[[str], None]) -> None:
        """`facts`: of the run, as the API takes them, `steps` among them."""
        super().__init__(name="report", daemon=True)
        self.spool = Spool()
        self.begun = threading.Event()
        self.build: Mapping[str, Any] = {}
        """As the board answered the beginning; empty: not yet."""
        self.refused: Refused | None = None
        """The board wants no such build."""
        self.cancelled = False
        self.lost = False
        """The board has given the build up."""
        self.delivered = False
        self.runs = False
        """The command runs."""
        self.bell, self._ringer = os.pipe()
        os.set_blocking(self._ringer, False)
        self._board = board
        self._project = project
        self._tell = tell
        self._lease = secrets.token_hex(16)
        self.step = str(facts["steps"][0])
        self._facts = dict(facts) | {"lease": self._lease}
        self._head = 0
        self._open: str | None = None
        self._shown: str | None = None
        self._shown_at = self._asked_at = float("-inf")
        self._took = 0.0
        self._end: dict[str, Any] | None = None
        self._reason = ""
        self._files: Sequence[keeping.File] = ()
        self._patience: float | None = None
        self._over_at = float("inf")
        self._told_away = False

    # --- By the thread of the command ---

    def show_open(self, line: str | None) -> None:
        """The line that is not whole yet, as it stands; None: there is none."""
        self._open = line

    def finish(
        self,
        status: str,
        exit_code: int | None,
        step_reason: str,
        reason: str,
        files: Sequence[keeping.File] = (),
    ) -> None:
        """The command is over, and all that it printed is in the spool. `files`: what it has left behind."""
        self._files = files
        self._end = {"step": 0, "status": status, "exit_code": exit_code, "reason": step_reason}
        self._reason = reason
        self._open = None
        self.spool.close()

    def give_up_after(self, seconds: float) -> None:
        """Of a board that does not answer for so long, from now on."""
        self._over_at = time.monotonic()
        self._patience = seconds

    @property
    def gives_up_at(self) -> float:
        """A time of the monotonic clock; later with every answer."""
        return max(self._over_at, self._asked_at) + (self._patience or 0.0)

    # --- Its own ---

    def run(self) -> None:
        try:
            self._begin()
            self._write("step", step=0)
            while not self._turn():
                pass
            self._write("log", over=[0])
            self._write("end", **(self._end or {}))
            keeping.send(
                self._files, self._ask, self._write, self._board.hide_token, self._lease, self.build["id"], self._tell
            )
            self._write("finish", status=(self._end or {})["status"], reason=self._reason)
            self.delivered = True
        except _Over:
            pass
        except Refused as error:
            if self.refused is None or self.runs:  # else the command is not run
                self._tell(f"── What runs here is not reported: {error}")
        finally:
            self.begun.set()
            self._ring()

    def _begin(self) -> None:
        path = f"/api/v1/projects/{self._project}/runs"
        try:
            self.build = self._ask(path, self._facts)
        except Refused as error:
            self.refused = error
            raise
        self._head = self.build["head"]
        self.begun.set()
        self._ring()

    def _turn(self) -> bool:
        """Tell what there is to be told. True: that was all."""
        most = max(int(self.build["most_bytes"]) // 2, 4096)
        since = time.monotonic() - self._asked_at
        rest = max(PACE_SECONDS, PACE_COSTS * self._took) - since
        if rest > 0:
            time.sleep(rest)
        batch = self.spool.take(most, 0.25)
        now = time.monotonic()
        if batch is not None:
            self._write("log", chunks=[{"step": 0, "line": batch.first, "lines": batch.lines}])
            self._shown = None
            return False
        if self._end is not None and not self.spool.waiting:
            return True
        line = self._open
        if line is not None and line != self._shown and now - self._shown_at >= OPEN_SECONDS:
            chunk = {"step": 0, "line": self.spool.next, "lines": [line], "open": True}
            self._shown, self._shown_at = line, now
            self._write("log", chunks=[chunk])
        elif now - self._asked_at >= RENEW_SECONDS:
            self._told(self._ask(f"/api/v1/runs/{self.build['id']}/renew", {"lease": self._lease}))
        return False

    def _write(self, verb: str, **what: Any) -> None:
        body = {"lease": self._lease, "head": self._head} | what
        stands = self._ask(f"/api/v1/runs/{self.build['id']}/{verb}", body)
        self._head = stands["head"]
        if verb != "finish":
            self._told(stands)

    def _told(self, stands: Mapping[str, Any]) -> None:
        if stands["cancel_requested"] and not self.cancelled:
            self.cancelled = True
            self._ring()
            self._write("stopping")

    def _ask(self, path: str, body: Mapping[str, Any] | None = None, *, method: str = "POST", **how: Any) -> Any:
        """Until it is answered. `Refused`; `_Over`: the build is lost, or it was tried for long enough."""
        rest = FIRST_REST
        while True:
            began = time.monotonic()
            try:
                found = self._board.ask(method, path, body, seconds=60 if "artifacts" in path else 20, **how)
            except Refused as error:
                if error.problem.get("lost"):
                    self.lost = True
                    self._tell(f"── The board has given build {self.build['id']} up; what runs here goes on, untold.")
                    raise _Over from error
                raise
            except Unreachable as error:
                if self._patience is not None and time.monotonic() > self.gives_up_at:
                    raise _Over from error
                if not self._told_away and rest > FIRST_REST:
                    self._told_away = True
                    self._tell(f"── {error} What is printed is kept here, and told when the board is back.")
                time.sleep(max(rest, min(error.after or 0.0, LONGEST_REST)) * random.uniform(0.8, 1.2))  # noqa: S311
                rest = min(rest * 2, LONGEST_REST)
            else:
                if self._told_away:
                    self._told_away = False
                    self._tell("── The board is back.")
                self._asked_at = time.monotonic()
                self._took = self._asked_at - began
                return found

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._ringer, b"!")
