"""The events of a build that is over: read once more as a whole, counted, and deleted."""

import json
from collections.abc import Iterator
from typing import Any

from .. import events
from ..blocks import Cut, Part, Run
from ..models import Event

_BITE = 64
"""Events read at a time where all of a log's text is read: a chunk may have a MiB."""


def parts(build_id: int) -> Iterator[Part]:
    """The whole log as it was appended: runs of lines, and cuts. A handful of events in memory."""
    names = events.step_names(build_id)
    after = 0
    while True:
        rows: list[Any] = list(
            Event.objects.filter(build_id=build_id, seq__gt=after)
            .order_by("seq")
            .values_list("seq", "kind", "step", "line", "open", "at", "body")[:_BITE]
        )
        if not rows:
            return
        for seq, kind, step, line, is_open, at, body in rows:
            after = seq
            if kind == "cut":
                yield _cut(json.loads(body), names)
            elif kind == "log":
                yield Run(step, line, body.split("\n"), at, is_open)


def count_lines(build_id: int, cuts: list[Cut]) -> int:
    """How many lines are stored, each number counted once, and an open one that one of the `cuts` goes on with not at
    all. Reads no text."""
    counted = 0
    upto: dict[int, int] = {}
    chunks = Event.objects.filter(build_id=build_id, line__isnull=False).order_by("step", "line")
    rows: Any = chunks.values_list("step", "line", "lines", "open").iterator(chunk_size=events.PAGE)
    for step, line, count, is_open in rows:
        last = line + count - 1
        if is_open and any(last in cut for cut in cuts if cut.step == step):
            last -= 1
        counted += max(last - max(line - 1, upto.get(step, 0)), 0)
        upto[step] = max(upto.get(step, 0), last)
    return counted


def cuts(build_id: int) -> list[Cut]:
    """Those that stand for lines, in order."""
    names = events.step_names(build_id)
    bodies = Event.objects.filter(build_id=build_id, kind="cut").order_by("seq").values_list("body", flat=True)
    found = [_cut(json.loads(body), names) for body in bodies]
    return [cut for cut in found if cut.last >= cut.first]


def _cut(data: dict[str, Any], names: list[str]) -> Cut:
    return Cut(names.index(data["step"]), data)


def newest_kind(build_id: int) -> str | None:
    return Event.objects.filter(build_id=build_id).order_by("-seq").values_list("kind", flat=True).first()


def oldest(build_id: int) -> int | None:
    """The lowest number that has a row, also where it is below the horizon."""
    return Event.objects.filter(build_id=build_id).order_by("seq").values_list("seq", flat=True).first()


def delete_below(build_id: int, seq: int) -> int:
    """Delete the events below `seq`, which is not above the horizon; how many they were."""
    return Event.objects.filter(build_id=build_id, seq__lt=seq).delete()[0]
