"""A seed → what is built and what breaks, when. Pure, and the same for ever: a failed seed replays.

Times are seconds from the moment at which the faults begin. What depends on the moment itself (which step happens to
run) is drawn from a fault's own `dice`.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from .recipes import CANCELLED_ON_PURPOSE, USUAL

WEBS = ("web 1", "web 2")
SUPERVISORS = ("supervisor 1", "supervisor 2", "supervisor 3")
LEASE_SECONDS = 5


@dataclass(frozen=True)
class Kind:
    """One way to break something. `seconds`: from … to, how long it lasts, or until what was ended is started again."""

    targets: tuple[str, ...]
    seconds: tuple[float, float]
    margin: float = 1.0
    """So long the target is left alone afterwards: a server needs time to start."""


KINDS: Mapping[str, Kind] = {
    "web killed": Kind(WEBS, (0.3, 4), 4),
    "web drained": Kind(WEBS, (0.3, 2), 5),
    "worker killed": Kind(SUPERVISORS, (0, 0), 3),
    "worker stopped longer than its lease": Kind(SUPERVISORS, (10.5, 12), 3),
    "workers drained": Kind(SUPERVISORS, (0.3, 2), 10),
    "workers told to stop": Kind(SUPERVISORS, (0.3, 2), 6),
    "supervisor killed": Kind(SUPERVISORS, (0.3, 3), 4),
    "supervisor killed with its workers": Kind(SUPERVISORS, (0.3, 3), 4),
    "step killed": Kind(("steps",), (0, 0)),
    "guardian killed": Kind(("steps",), (0, 0)),
    "PostgreSQL restarted": Kind(("postgresql",), (0.2, 3), 4),
    "PostgreSQL killed": Kind(("postgresql",), (0.2, 5), 4),
    "PostgreSQL paused": Kind(("postgresql",), (3, 9), 4),
    "PostgreSQL connections of the workers cut": Kind(("workers to postgresql",), (2, 8)),
    "PostgreSQL connections of the webs cut": Kind(("webs to postgresql",), (2, 8)),
    "Redis killed": Kind(("redis",), (0.2, 6), 2),
    "Redis paused": Kind(("redis",), (3, 9), 2),
    "Redis flushed": Kind(("redis",), (0, 0)),
    "Redis connections killed": Kind(("redis",), (0, 0)),
    "Redis connections cut": Kind(("to redis",), (2, 8)),
    "wakes dropped": Kind(("wakes",), (4, 10)),
    "half of the wakes dropped": Kind(("wakes",), (4, 10)),
    "wakes doubled": Kind(("wakes",), (4, 10)),
    "viewers cut": Kind(("to the webs",), (3, 10)),
    "1,000 clients that open and abort": Kind(WEBS, (0, 0)),
}
LONG = {0: ("Redis paused", 30.0), 2: ("PostgreSQL paused", 20.0)}
"""By the seed's rest modulo 4: these are paused once for the whole of that, whatever else happens meanwhile."""
SURE = 4
"""So many kinds of each seed are the next ones in turn, so that seven seeds in a row have all; the rest is drawn."""


@dataclass(frozen=True)
class Size:
    seconds: float
    faults: int
    builds: int
    viewers: int
    """On raw sockets; those by long poll, and those of the board, come besides."""
    longest: float
    """A fault's, beside those of `LONG`."""


FULL = Size(seconds=32, faults=12, builds=12, viewers=50, longest=60)
SHORT = Size(seconds=9, faults=6, builds=5, viewers=16, longest=2.5)


@dataclass(frozen=True)
class Fault:
    at: float
    kind: str
    target: str
    seconds: float
    dice: int

    def __str__(self) -> str:
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:5.1f} s  {self.kind} ({self.target}){lasts}"


@dataclass(frozen=True)
class Start:
    """A build is asked for at `at`; one that has to be is cancelled so many seconds after that."""

    at: float
    slug: str
    cancel_after: float | None


@dataclass(frozen=True)
class Plan:
    seed: int
    size: Size
    faults: tuple[Fault, ...]
    starts: tuple[Start, ...]


def plan(seed: int, size: Size = FULL) -> Plan:
    dice = random.Random(f"buildboard {seed}")
    return Plan(seed, size, tuple(_faults(seed, size, dice)), tuple(_starts(size, dice)))


def _faults(seed: int, size: Size, dice: random.Random) -> list[Fault]:
    kinds = list(KINDS)
    drawn = [kinds[(seed * SURE + turn) % len(kinds)] for turn in range(SURE)]
    drawn += dice.choices(kinds, k=size.faults - SURE)
    faults: list[Fault] = []
    if size.longest > LONG[0][1] and seed % 4 in LONG:
        kind, seconds = LONG[seed % 4]
        latest = size.seconds - seconds
        faults.append(Fault(dice.uniform(0, latest), kind, KINDS[kind].targets[0], seconds, dice.getrandbits(32)))
    for kind in drawn:
        found = _placed(kind, faults, size, dice)
        if found is not None:
            faults.append(found)
    return sorted(faults, key=lambda fault: fault.at)


def _placed(kind: str, faults: list[Fault], size: Size, dice: random.Random) -> Fault | None:
    """A fault of that kind at a time at which nothing else happens to its target; None where there is no room."""
    rules = KINDS[kind]
    least, most = rules.seconds
    if least > size.seconds / 2:
        return None
    for _ in range(40):
        seconds = dice.uniform(least, max(least, min(most, size.longest)))
        target = dice.choice(rules.targets)
        at = dice.uniform(0.5, max(size.seconds - seconds, 1.0))
        end = at + seconds + rules.margin
        if all(fault.target != target or end <= fault.at or _end(fault) <= at for fault in faults):
            return Fault(at, kind, target, seconds, dice.getrandbits(32))
    return None


def _end(fault: Fault) -> float:
    return fault.at + fault.seconds + KINDS[fault.kind].margin


def _starts(size: Size, dice: random.Random) -> list[Start]:
    """The first ones at once, so that something runs when the faults begin; one at least of each recipe that fits."""
    slugs = list(USUAL)
    dice.shuffle(slugs)
    slugs = (slugs + [dice.choice(USUAL) for _ in range(size.builds)])[: size.builds]
    starts = []
    for number, slug in enumerate(slugs):
        at = 0.0 if number < len(SUPERVISORS) else dice.uniform(0, size.seconds * 0.6)
        cancel_after = dice.uniform(2, size.seconds / 2) if slug == CANCELLED_ON_PURPOSE else None
        starts.append(Start(at, slug, cancel_after))
    return sorted(starts, key=lambda start: start.at)
