"""Compares what was printed, stored and seen, and says what is not as it has to be. Pure.

The rules:

- Each stored log is a true beginning of what its steps print. It is all of it where the step ended by itself; all that
  the terminal had taken where the worker lived; and never more than was meant. Lines may be missing only where a `cut`
  says so.
- Each viewer got the stored events, each once and in order, to the last; an open stream soon after they were stored,
  unless the database was harmed meanwhile.
- Each build ended as its recipe says, unless something harmed it; then with the status and the reason of that harm.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from builds.states import FINAL, Status

from .printer import line
from .recipes import CANCELLED_ON_PURPOSE, RECIPES, Recipe
from .victims import Harm
from .viewers import Seen, checksum

SLACK = timedelta(seconds=1.5)
"""Between an act of the bench and the times that the board stores for it."""
UNDISTURBED = timedelta(seconds=3)
"""Before and after an outage too, looks may fail."""
HURRY = timedelta(seconds=12)
"""A worker that was told to stop and has not ended by then is killed by its supervisor."""
LAPSED = r"The worker {worker} gave no sign of life for [0-9.]+ s\."
DIED = r"The worker {worker} died \(signal SIGKILL\)\."
OVERDUE = r"The worker {worker} (died \(signal SIGKILL\)|was told to stop, did not within [0-9]+ s, and was killed)\."
ENDINGS: Mapping[str, Sequence[tuple[Status, str]]] = {
    "worker killed": [(Status.LOST, DIED), (Status.LOST, LAPSED)],
    "supervisor killed with its workers": [(Status.LOST, DIED), (Status.LOST, LAPSED)],
    "worker stopped longer than its lease": [(Status.LOST, LAPSED)],
    "supervisor killed": [(Status.CANCELLED, r"The worker's supervisor died\.")],
    "workers told to stop": [(Status.CANCELLED, r"The worker was stopped\.")],
    "step killed": [(Status.FAILED, r"Step {step} was ended by signal 9 \(SIGKILL\)\.")],
    "guardian killed": [(Status.FAILED, r"Step {step} was stopped because its guardian process died\.")],
}
CERTAIN = {"worker killed", "supervisor killed with its workers", "step killed", "guardian killed"}
"""After these a build whose step was seen alive cannot end as its recipe says."""


@dataclass(frozen=True)
class Stored:
    """An event of the log, as its readers get it."""

    seq: int
    kind: str
    data: str


@dataclass(frozen=True)
class BuildEnd:
    id: int
    slug: str
    status: str
    reason: str
    worker: str
    started_at: datetime | None
    finished_at: datetime | None
    steps: Sequence[tuple[str, str, int | None]]
    """Name, status, exit code."""
    events: Sequence[Stored]


@dataclass(frozen=True)
class Printed:
    """What a step wrote down beside its log: it had meant `meant` lines, and the terminal had taken `taken`."""

    meant: int
    taken: int
    twice: bool = False


@dataclass
class Verdict:
    lost: list[str] = field(default_factory=list)
    """Lines and events that are missing."""
    duplicated: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    """A status, a reason or a line that is not so."""
    orphans: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def all(self) -> dict[str, list[str]]:
        return {name: found for name, found in vars(self).items() if found}

    @property
    def passed(self) -> bool:
        return not self.all()


def judge_build(
    build: BuildEnd, printed: Mapping[str, Printed], harms: Sequence[Harm], outages: Sequence[tuple[datetime, datetime]]
) -> Verdict:
    """`printed` by step. `harms`: all of the run; which of them are this build's is found here. `outages`: when the
    database was harmed."""
    verdict = Verdict()
    recipe = RECIPES[build.slug]
    mine = [harm for harm in harms if touches(harm, build)]
    _judge_end(build, recipe, mine, outages, verdict)
    _judge_events(build, verdict)
    _judge_lines(build, recipe, printed, verdict)
    return verdict


def touches(harm: Harm, build: BuildEnd) -> bool:
    """Whether the build may have been harmed by that."""
    if harm.build is not None and harm.build == build.id:
        return True
    if not harm.worker or harm.worker != build.worker or build.started_at is None:
        return False
    ended = build.finished_at or harm.at
    return build.started_at <= (harm.until or harm.at) + SLACK and harm.at - SLACK <= ended


# --- The end ---


def _judge_end(
    build: BuildEnd,
    recipe: Recipe,
    harms: Sequence[Harm],
    outages: Sequence[tuple[datetime, datetime]],
    verdict: Verdict,
) -> None:
    name = f"build {build.id} ({build.slug})"
    if build.status not in FINAL:
        verdict.untrue.append(f"{name} is still {build.status}")
        return
    certain = [harm for harm in harms if harm.build == build.id and _is_certain(harm, outages)]
    allowed = [] if certain and build.slug != CANCELLED_ON_PURPOSE else [(recipe.status, recipe.reason)]
    for harm in harms:
        words = {"worker": re.escape(harm.worker), "step": re.escape(harm.step)}
        allowed += [(status, reason.format(**words)) for status, reason in ENDINGS.get(harm.kind, ())]
        if harm.kind == "workers told to stop" and _overlaps(harm.at, harm.at + HURRY, outages):
            allowed.append((Status.LOST, OVERDUE.format(**words)))  # by its supervisor: it could not end in time
            allowed.append((Status.LOST, LAPSED.format(**words)))  # nor could that tell the database
    if not any(build.status == status and re.fullmatch(reason, build.reason) for status, reason in allowed):
        happened = ", ".join(f"{harm.kind} at {harm.at:%H:%M:%S.%f}" for harm in harms) or "nothing happened to it"
        ended = f"from {build.started_at:%H:%M:%S.%f} to {build.finished_at:%H:%M:%S.%f}" if build.started_at else ""
        verdict.untrue.append(f"{name} is {build.status}: {build.reason!r} {ended}; {happened}")
    elif (build.status, bool(certain)) == (recipe.status, False):
        found = [(step, status) for step, status, _ in build.steps]
        expected = [(step.name, step.status.value) for step in recipe.steps]
        if found != expected and not harms and build.started_at:
            verdict.untrue.append(f"{name} ended as it should, and its steps did not: {found}")


def _is_certain(harm: Harm, outages: Sequence[tuple[datetime, datetime]]) -> bool:
    if harm.kind in CERTAIN:
        return True
    # A stopped worker's lease lapses while somebody can look at it all that time.
    if harm.kind != "worker stopped longer than its lease" or harm.until is None:
        return False
    return not _overlaps(harm.at, harm.until, outages)


def _overlaps(since: datetime, until: datetime, outages: Sequence[tuple[datetime, datetime]]) -> bool:
    return any(began - UNDISTURBED < until and since < ended + UNDISTURBED for began, ended in outages)


# --- The log ---


def _judge_events(build: BuildEnd, verdict: Verdict) -> None:
    name = f"build {build.id}"
    expected = 1
    for event in build.events:
        if event.seq != expected and event.kind != "cut":
            verdict.lost.append(f"{name}: the log has no events from {expected} to {event.seq - 1}")
        expected = event.seq + 1
    states = [json.loads(event.data) for event in build.events if event.kind == "build"]
    if build.status in FINAL:
        last = build.events[-1] if build.events else None
        if (
            last is None
            or last.kind != "build"
            or (states[-1]["status"], states[-1]["reason"]) != (build.status, build.reason)
        ):
            verdict.untrue.append(f"{name}: its log does not end with its end, but with {last}")
    finals = sum(state["status"] in FINAL for state in states)
    if finals > 1:
        verdict.duplicated.append(f"{name}: it ended {finals} times")


def lines(events: Sequence[Stored]) -> tuple[dict[str, dict[int, str]], dict[str, set[int]]]:
    """By step: number → text, and the numbers that a `cut` stands for."""
    found: dict[str, dict[int, str]] = {}
    cut: dict[str, set[int]] = {}
    for event in events:
        if event.kind == "log":
            data = json.loads(event.data)
            texts = found.setdefault(data["step"], {})
            texts.update(enumerate(data["text"].split("\n"), start=data["line"]))
        elif event.kind == "cut":
            data = json.loads(event.data)
            cut.setdefault(data["step"], set()).update(range(data["line"], data["line"] + data["lines"]))
    return found, cut


def _judge_lines(build: BuildEnd, recipe: Recipe, printed: Mapping[str, Printed], verdict: Verdict) -> None:
    found, cut = lines(build.events)
    statuses = {name: (status, exit_code) for name, status, exit_code in build.steps}
    for step in recipe.steps:
        name = f"build {build.id}, step {step.name}"
        stored, without = found.pop(step.name, {}), cut.get(step.name, set())
        said = printed.get(step.name, Printed(0, 0))
        if said.twice:
            verdict.duplicated.append(f"{name}: it ran twice")
        wrong = [number for number, text in stored.items() if text != line(build.id, step.name, number)]
        last = max([*stored, *without], default=0)
        in_the_middle = build.status == Status.LOST or said.taken < last
        if wrong == [last] and in_the_middle and line(build.id, step.name, last).startswith(stored[last]):
            wrong = []  # it was stopped in the middle of that line
        if wrong:
            verdict.untrue.append(
                f"{name}: line {wrong[0]} and {len(wrong) - 1} others are not what it printed: "
                f"{stored[wrong[0]][:100]!r}"
            )
        missing = [number for number in range(1, last + 1) if number not in stored and number not in without]
        if missing:
            verdict.lost.append(f"{name}: {len(missing)} lines before its last one, from line {missing[0]} on")
        if last > said.meant:
            verdict.duplicated.append(f"{name}: {last} lines stored, and it meant {said.meant}")
        status, _ = statuses.get(step.name, ("", None))
        by_itself = status == Status.PASSED or (
            status == step.status == Status.FAILED and build.reason and re.fullmatch(recipe.reason, build.reason)
        )
        least = step.lines if by_itself else said.taken if build.status != Status.LOST else 0
        if last < least:
            verdict.lost.append(
                f"{name} ({status}): {least - last} lines after its last one; "
                f"it had printed {said.taken} and meant {said.meant}"
            )
    for name in found:
        verdict.untrue.append(f"build {build.id}: lines of a step {name!r} that it does not have")


# --- The viewers ---


def judge_viewer(seen: Seen, build: BuildEnd, outages: Sequence[tuple[datetime, datetime]] = ()) -> Verdict:
    verdict = Verdict()
    for number, stored_at, came in seen.late:
        if not _overlaps(stored_at, came, outages):
            late = (came - stored_at).total_seconds()
            verdict.other.append(
                f"{seen.name}: event {number} came {late:.1f} s after it was stored, at {came:%H:%M:%S}"
            )
    stored = {event.seq: (event.kind, checksum(event.data)) for event in build.events}
    covered = _covered(build.events)
    if not seen.ended:
        head, ways = build.events[-1].seq, f"{seen.connections} connections, {seen.polls} of them polls"
        verdict.lost.append(f"{seen.name}: it was not told the end; it has {seen.cursor} of {head}; {ways}")
    before = 0
    for number, kind, crc in seen.events:
        if number == before:
            verdict.duplicated.append(f"{seen.name}: event {number} came twice")
        elif number < before:
            verdict.reordered.append(f"{seen.name}: event {number} came after {before}")
        elif number not in stored:
            if number not in covered:
                verdict.untrue.append(f"{seen.name}: event {number} is not in the log")
        elif stored[number] != (kind, crc) and number not in covered:
            verdict.untrue.append(f"{seen.name}: event {number} is not as it is stored")
        missing = [skipped for skipped in range(before + 1, number) if skipped not in covered]
        if missing:
            verdict.lost.append(f"{seen.name}: {len(missing)} events between {before} and {number}")
        before = max(before, number)
    if seen.ended and build.events and before != build.events[-1].seq:
        verdict.lost.append(f"{seen.name}: it was told the end at {before} of {build.events[-1].seq}")
    verdict.other += [f"{seen.name}: {complaint}" for complaint in seen.complaints]
    return verdict


def _covered(events: Sequence[Stored]) -> set[int]:
    """Numbers that a `cut` stands for, its own the last of them: whoever watched them live has what they were."""
    covered: set[int] = set()
    before = 0
    for event in events:
        if event.kind == "cut":
            covered.update(range(before + 1, event.seq + 1))
        before = event.seq
    return covered


def judge_board_viewer(seen: Seen, revision: int, builds: Sequence[BuildEnd]) -> Verdict:
    """Of the board's stream each viewer has the newest state of each build, and never went back."""
    verdict = Verdict()
    numbers = [number for number, _, _ in seen.events]
    for before, number in zip(numbers, numbers[1:], strict=False):
        if number <= before:
            verdict.reordered.append(f"{seen.name}: revision {number} came after {before}")
    if seen.cursor != revision:
        verdict.lost.append(f"{seen.name}: it has revision {seen.cursor} of {revision}")
    for build in builds:
        state: Mapping[str, Any] = seen.builds.get(build.id, {})
        if (state.get("status"), state.get("reason")) != (build.status, build.reason):
            verdict.untrue.append(f"{seen.name}: build {build.id} is {state.get('status')} there, not {build.status}")
    verdict.other += [f"{seen.name}: {complaint}" for complaint in seen.complaints]
    return verdict


def merged(verdicts: Sequence[Verdict]) -> Verdict:
    whole = Verdict()
    for verdict in verdicts:
        for name, found in verdict.all().items():
            getattr(whole, name).extend(found)
    return whole
