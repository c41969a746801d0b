"""`needs` and `if`: names become positions. What is not known, needs itself, or goes round in a circle is refused."""

from collections.abc import Mapping, Sequence

from ..inputs import Input
from ..source import TRIGGERS
from .condition import Name
from .errors import Problems
from .matrix import variable
from .shapes import StepRecipe
from .steps import Draft

OUTCOMES = ("passed", "failed", "skipped")
"""What a step is that is over while its build goes on."""
MAX_NEEDS = 2_000
"""Of all steps together: every event of a build repeats them."""


def linked(
    drafts: Sequence[Draft], inputs: Sequence[Input], env: Mapping[str, str], problems: Problems
) -> list[StepRecipe]:
    """The steps, in their order. Empty: something was wrong, and is collected."""
    before = len(problems.found)
    known = {name: at for at, draft in enumerate(drafts) for name in (draft.name, *draft.names())}
    needed = [_needed(at, drafts, known, problems) for at in range(len(drafts))]
    behind, left = _behind(needed)
    if left:
        _say_circle(drafts, needed, left, problems)
        return []
    for at, draft in enumerate(drafts):
        if draft.condition is not None:
            for name in draft.condition.names:
                if fault := _fault(name, draft, known, behind[at], inputs, env):
                    problems.say(f"if: character {name.at}: {fault}", draft.condition_line)
            for name, said in draft.condition.compared:
                if fault := _never(name, said):
                    problems.say(f"if: character {name.at}: {fault}", draft.condition_line)
    if len(problems.found) > before:
        return []
    return _made(drafts, problems)


def _needed(at: int, drafts: Sequence[Draft], known: Mapping[str, int], problems: Problems) -> set[int]:
    """Of the draft at `at`, the drafts that it needs."""
    draft = drafts[at]
    if draft.needs is None:
        return {at - 1} if at else set()
    found: set[int] = set()
    seen: set[str] = set()
    for name, line in draft.needs:
        if name not in known:
            others = list(dict.fromkeys(other.name for other in drafts if other is not draft))[:10]
            problems.say(
                f"needs: there is no step {name[:80]!r}; expected {', '.join(others) or 'nothing'}"[:300], line
            )
        elif known[name] == at:
            problems.say(f"needs: the step {name!r} cannot need itself", line)
        elif name in seen:
            problems.say(f"needs: {name!r} is given twice", line)
        else:
            found.add(known[name])
        seen.add(name)
    return found


def _behind(needed: Sequence[set[int]]) -> tuple[list[int], set[int]]:
    """Of each draft those that it needs directly or through others, as the bits of a number; and the drafts that could
    never begin, since they are in a circle or need one."""
    waits = [len(one) for one in needed]
    followers: list[list[int]] = [[] for _ in needed]
    for at, one in enumerate(needed):
        for other in one:
            followers[other].append(at)
    free = [at for at, count in enumerate(waits) if not count]
    found = [0] * len(needed)
    while free:
        at = free.pop()
        for follower in followers[at]:
            found[follower] |= found[at] | 1 << at
            waits[follower] -= 1
            if not waits[follower]:
                free.append(follower)
    return found, {at for at, count in enumerate(waits) if count}


def _say_circle(drafts: Sequence[Draft], needed: Sequence[set[int]], left: set[int], problems: Problems) -> None:
    """One circle, from the step in it whose `needs` are written first."""
    walked: dict[int, None] = {}
    at = min(left)
    while at not in walked:
        walked[at] = None
        at = min(needed[at] & left)
    circle = list(walked)[list(walked).index(at) :]
    written = [at for at in circle if drafts[at].needs]
    first = min(written)  # steps that each need the one before them make no circle
    turned = circle[circle.index(first) :] + circle[: circle.index(first)]
    names = [drafts[at].name[:30] for at in [*turned, first]]
    shown = names if len(names) <= 6 else [*names[:4], "…", names[-1]]
    problems.say(f"needs: a circle, in which no step could begin: {' → '.join(shown)}", drafts[first].needs[0][1])  # type: ignore[index]


def _fault(
    name: Name, draft: Draft, known: Mapping[str, int], behind: int, inputs: Sequence[Input], env: Mapping[str, str]
) -> str:
    """What is wrong with a name in a condition; empty: nothing."""
    if len(name.path) == 1:
        return ""
    first, own = name.path[0], name.path[1]
    if first == "steps":
        if own not in known:
            return f"there is no step {own[:80]!r}"
        if not behind >> known[own] & 1:
            return f"{own[:80]!r} may not be over by then: it is none of those that this step needs"
        return ""
    axes = list(draft.combinations[0]) if draft.combinations else []
    there = {
        "inputs": [one.name for one in inputs],
        "env": [*env, *draft.values["env"], *map(variable, axes)],
        "matrix": axes,
    }[first]
    if own in there:
        return ""
    return f"{first} has no {own[:80]!r}; expected {', '.join(there[:20])[:150] or 'none, since there is none'}"


def _never(name: Name, said: str) -> str:
    """Why what is said to equal the name cannot; empty: it may."""
    words: tuple[str, ...] = ()
    if name.path[0] == "steps":
        words = OUTCOMES
    elif name.path[0] in ("event", "trigger"):
        words = TRIGGERS
    return (
        f"{'.'.join(name.path)} is never {said[:40]!r}; it is {', '.join(words)}" if words and said not in words else ""
    )


def _made(drafts: Sequence[Draft], problems: Problems) -> list[StepRecipe]:
    positions: dict[str, tuple[int, ...]] = {}
    at = 0
    for draft in drafts:
        places = range(at, at + draft.count)
        positions |= {name: (place,) for name, place in zip(draft.names(), places, strict=True)}
        positions[draft.name] = tuple(places)
        at += draft.count
    needs: list[tuple[int, ...]] = []
    count = 0
    for number, draft in enumerate(drafts):
        names = [drafts[number - 1].name] * bool(number) if draft.needs is None else [name for name, _ in draft.needs]
        needs.append(tuple(sorted({place for name in names for place in positions[name]})))
        count += len(needs[-1]) * draft.count
        if count > MAX_NEEDS:
            problems.say(
                f"needs: more than {MAX_NEEDS:,} in all, since each step of a matrix counts; a step between two "
                "matrices, which needs the first and is needed by the second, makes them fewer",
                draft.line,
            )
            return []
    return [step for draft, own in zip(drafts, needs, strict=True) for step in draft.made(own)]
