"""Which step of a build begins next, and which never will. Pure: it is told what became of each.

A step begins once all that it needs are over and a place is free. One that its `if` skipped holds nothing up. Once a
step has failed that was not allowed to, only those begin that ask for it: by always(), failed() or passed().
"""

import heapq
from collections.abc import Sequence
from dataclasses import replace

from ..recipe import Condition, Facts, StepRecipe
from ..states import Status


class Schedule:
    def __init__(self, steps: Sequence[StepRecipe], facts: Facts, lanes: int) -> None:
        """`facts`: what is the same for all steps; `lanes`: so many run at a time."""
        self._steps = steps
        self._facts = facts
        self._lanes = lanes
        self._waits = [len(step.needs) for step in steps]
        self._followers: list[list[int]] = [[] for _ in steps]
        self._places: dict[str, list[int]] = {}
        for at, step in enumerate(steps):
            self._places.setdefault(step.name, []).append(at)
            if step.group:
                self._places.setdefault(step.group, []).append(at)
            for needed in step.needs:
                self._followers[needed].append(at)
        self._ready = [at for at, waits in enumerate(self._waits) if not waits]  # ascending, and so a heap
        self._pending = set(range(len(steps)))
        self._running: set[int] = set()
        self._became: dict[int, Status] = {}
        self._swept = False
        self.failed: list[int] = []
        """Those that have failed and were not allowed to, the first one first."""

    @property
    def is_over(self) -> bool:
        return not self._pending and not self._running

    def next(self) -> tuple[list[int], dict[int, str]]:
        """Which steps begin now, and which are skipped, with the reason. They count as running, and as over, from now
        on."""
        skipped: dict[int, str] = {}
        if self.failed and not self._swept:
            self._swept = True
            behind = self._behind(self.failed[0])
            for at in sorted(self._pending):
                condition = self._steps[at].condition
                if condition is None or not condition.asks_status:
                    skipped[at] = self._why(at, behind)
        for at in skipped:
            self._end(at, Status.SKIPPED)
        begun: list[int] = []
        while self._ready and len(self._running) < self._lanes:
            at = heapq.heappop(self._ready)
            if at not in self._pending:
                continue
            condition = self._steps[at].condition
            if condition is None or condition.holds(self._known(at, condition)):
                self._pending.discard(at)
                self._running.add(at)
                begun.append(at)
            else:
                skipped[at] = f"Its condition does not hold: {' '.join(condition.text.split())}"
                self._end(at, Status.SKIPPED)
        return begun, skipped

    def over(self, at: int, status: Status) -> None:
        """The step at `at`, which has begun, passed or failed."""
        if status != Status.PASSED and not self._steps[at].allow_failure:
            self.failed.append(at)
        self._end(at, status)

    def _end(self, at: int, status: Status) -> None:
        self._pending.discard(at)
        self._running.discard(at)
        self._became[at] = status
        for follower in self._followers[at]:
            self._waits[follower] -= 1
            if not self._waits[follower]:
                heapq.heappush(self._ready, follower)

    def _known(self, at: int, condition: Condition) -> Facts:
        step = self._steps[at]
        names = {name.path[1] for name in condition.names if name.path[0] == "steps"}
        return replace(
            self._facts,
            env={**self._facts.env, **step.env},
            matrix=step.matrix,
            steps={name: str(self._together(self._places[name])) for name in names},
            failed=bool(self.failed),
        )

    def _together(self, places: Sequence[int]) -> Status:
        """Of all that a matrix has made: failed if one did, skipped if all were."""
        became = {self._became[at] for at in places}
        for status in (Status.FAILED, Status.PASSED):
            if status in became:
                return status
        return Status.SKIPPED

    def _behind(self, first: int) -> set[int]:
        """Those that need the step at `first`, directly or through others."""
        found: set[int] = set()
        waiting = [first]
        while waiting:
            for follower in self._followers[waiting.pop()]:
                if follower not in found:
                    found.add(follower)
                    waiting.append(follower)
        return found

    def _why(self, at: int, behind: set[int]) -> str:
        name = self._steps[self.failed[0]].name
        return f"It needs {name}, which failed." if at in behind else f"Step {name} failed before it began."
