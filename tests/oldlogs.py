"""Logs of builds that are over, for tests of what becomes of them."""

import json
from datetime import timedelta
from typing import Any
from unittest import mock

from django.db import transaction
from django.utils import timezone
from hypothesis import strategies as st

from builds import blocks, events, printed
from builds.events import Chunk, Fact
from builds.live.logs import Writer
from builds.models import Build, Event, LogBlock
from builds.retention import Pace
from builds.states import Status

from . import live

# As a worker stores it: no line feed, no NUL, no half of a surrogate pair; anything else.
TEXT = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_characters="\n\0"), st.sampled_from("\u2028\x85\r\x1b\\\"'<\U0001f600")
    ),
    max_size=9,
)


hurried = mock.patch.object(Pace, "_pause", lambda *_: None)
"""On a test case: nothing rests."""


@st.composite
def drafts(draw: Any, steps: int = 2) -> list[Chunk | Fact]:
    """What a build of so many steps appended: chunks of steps that take turns, open lines that go on or never do, cuts,
    and other events."""
    found: list[Chunk | Fact] = []
    total, is_open = [0] * steps, [False] * steps
    for _ in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["log", "log", "log", "cut", "step"]))
        step = draw(st.integers(0, steps - 1))
        if kind == "step":
            found.append(Fact("step", {"name": "one"}))
        elif kind == "cut" and not is_open[step]:
            lines = draw(st.integers(1, 50))
            data = {"step": ("one", "two")[step], "line": total[step] + 1, "lines": lines, "bytes": 9, "reason": "full"}
            found.append(Fact("cut", data))
            total[step] += lines
        elif kind == "log":
            texts = draw(st.lists(TEXT, min_size=1, max_size=4))
            first = total[step] + (0 if is_open[step] else 1)
            is_open[step] = draw(st.booleans())
            found.append(Chunk(step, first, texts, is_open[step]))
            total[step] = first + len(texts) - 1
    return found


def over(chunks: list[Chunk | Fact] | None = None, *, days: float = 0, slug: str = "hello", passed: bool = True) -> int:
    """A build that ended so long ago, with this log: its number. Each event has a time of its own."""
    ended = timezone.now() - timedelta(days=days)
    status = Status.PASSED if passed else Status.FAILED
    with transaction.atomic():  # no worker of the board sees it queued
        build = live.queued(slug)
        events.put_unleased(build.pk, chunks or [])  # type: ignore[arg-type]
        build.steps.update(status=status, started_at=ended, finished_at=ended, exit_code=0 if passed else 1)
        Build.objects.filter(pk=build.pk).update(
            status=status, worker="tests:1", created_at=ended, started_at=ended, finished_at=ended
        )
        events.put_unleased(build.pk, [Fact("build", Build.objects.get(pk=build.pk).data())])
        stored = list(Event.objects.filter(build_id=build.pk, kind="log"))
        for event in stored:
            event.at = ended + timedelta(milliseconds=event.seq, microseconds=7)
        Event.objects.bulk_update(stored, ["at"], batch_size=100)
    return build.pk


def long_log(chunks: int = 30, lines: int = 100) -> list[Chunk | Fact]:
    """Lines of step one, some of step two in between, a cut, and an open line at the end."""
    found: list[Chunk | Fact] = []
    for number in range(chunks):
        first = number * lines + 1
        found.append(Chunk(0, first, [f"\x1b[32mline {n}\x1b[0m of a log that is long enough" for n in range(lines)]))
        if number == chunks // 2:
            found += [Chunk(1, 1, ["in between"]), Fact("cut", {"step": "two", "line": 2, "lines": 7, "bytes": 70})]
    return [*found, Chunk(1, 9, ["whole", "half"], open=True)]


def everything(build_id: int) -> dict[int, list[blocks.Line]]:
    """By step: all its lines, as readers by number get them."""
    return {step: printed.lines(build_id, step, 1, 10**6) for step in (0, 1)}


def as_text(build_id: int) -> str:
    """The whole log as `log.txt` writes it from the events, with colours."""
    writer = Writer(keeps_styling=True)
    records = events.read(build_id, 0, 10**6)
    return (b"".join(writer.feed(one.kind, json.loads(one.data)) for one in records) + writer.rest()).decode()


def rows(build_id: int) -> tuple[int, int]:
    """How many events and blocks are stored."""
    return Event.objects.filter(build_id=build_id).count(), LogBlock.objects.filter(build_id=build_id).count()
