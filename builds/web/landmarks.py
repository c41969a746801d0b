"""Groups and annotations of a build, for its page and the API.

What is said about them in words has a twin in `static/builds/annotations.js`, and a test holds the two together.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .. import landmarks
from ..landmarks import LEVELS, MAX_ANNOTATIONS, MAX_GROUPS, AnnotationAt
from ..models import Build, Step
from . import words


def of_build(build: Build) -> dict[int, list[dict[str, Any]]]:
    """By step position its groups, in order: `{"number", "name", "line", "last"}`; `last`: None while it is open.
    Empty where there are none, or the log is pruned. As JSON: the positions become texts."""
    found: dict[int, list[dict[str, Any]]] = {}
    if build.groups_told and build.pruned_at is None:
        for group in landmarks.groups(build.pk):
            data = {"number": group.number, "name": group.name, "line": group.line, "last": group.last}
            found.setdefault(group.step, []).append(data)
    return found


def plain_groups(build: Build) -> str:
    """`231 more groups are not folded`: those that are not kept, as the page has them. Empty: all are, or the log is
    pruned."""
    beyond = 0 if build.pruned_at else max(build.groups_told - MAX_GROUPS, 0)
    return f"{words.count(beyond, 'more group')} {'is' if beyond == 1 else 'are'} not folded" if beyond else ""


def listed(build: Build) -> dict[str, Any]:
    """What the API answers: the annotations that are kept, as printed, and how many more there were."""
    found = _stored(build)
    names = dict(build.steps.values_list("position", "name")) if found else {}
    return {"items": [one.data(names[one.step]) for one in found], "more": _beyond(build.annotations_told)}


def panel(build: Build, steps: Sequence[Step]) -> dict[str, Any]:
    """For `annotations.html`: `items`, errors first; `heading` and `more` in words; `linked`: their lines are there.

    `steps`: in their order. Asks the database nothing where nothing was said.
    """
    found = sorted(_stored(build), key=lambda one: (LEVELS.index(one.said.level), one.number))
    shown = Counter(one.said.level for one in found)  # read after the build: there may be news
    told = {level: max(count, shown[level]) for level, count in build.annotations_told.items()}
    return {
        "items": [_item(one, steps[one.step].name) for one in found],
        "heading": heading(told, build.is_final),
        "more": more(told),
        "linked": build.pruned_at is None,
    }


def heading(told: Mapping[str, int], final: bool) -> str:
    """`2 errors, 1 warning`. Where more may come that no event tells one by one: `100 or more errors`."""
    return ", ".join(
        words.count(told[level], level)
        if final or told[level] < MAX_ANNOTATIONS
        else f"{told[level]:,} or more {level}s"
        for level in LEVELS
        if told[level]
    )


def more(told: Mapping[str, int]) -> str:
    """`and 2,431 more errors, 3 more warnings`: those that are not kept. Empty: all are."""
    beyond = [(count, level) for level, count in _beyond(told).items() if count]
    return "and " + ", ".join(words.count(count, f"more {level}") for count, level in beyond) if beyond else ""


def _item(one: AnnotationAt, step: str) -> dict[str, Any]:
    said = one.said
    anchor = f"{one.step + 1}:{one.line}"
    return one.data(step) | {"place": said.place, "anchor": anchor}


def _stored(build: Build) -> Sequence[AnnotationAt]:
    return landmarks.annotations(build.pk) if any(build.annotations_told.values()) else ()


def _beyond(told: Mapping[str, int]) -> dict[str, int]:
    return {level: max(told[level] - MAX_ANNOTATIONS, 0) for level in LEVELS}
