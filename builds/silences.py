"""When a build said nothing: the longest stretches in which no line was stored while a step ran.

One query over the numbers and times of its events, or the heads of the blocks that they have become. A stretch with a
`cut` in it is not known, and not told.
"""

import functools
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain, pairwise
from typing import Any, NamedTuple

from django.db.models import FloatField, Func, Q, Window
from django.db.models.functions import Coalesce, Lag
from django.utils import timezone

from . import blocks, blocktext, printed
from .models import Build, Event, Step
from .states import Status

MOST = 3
LEAST_SECONDS = 5.0
LEAST_SHARE = 0.05
"""Of the build's whole time: what is shorter than either is no silence."""
MOST_BLOCKS = 200
"""Of a log that has become more blocks than that, about 50 MiB of text, no silences are told."""
MOST_EVENTS = 30_000
"""While a build runs, the first look goes back so far: some 50 minutes of output without any rest, 0.1 s of the
database. The next ones begin where it ended."""
MOST_EVENTS_OVER = 100_000
"""Of a build that is over, since that is done once: nearly three hours of such output."""
_TURNS = 2_000
"""Of a log with so many places that count none are told: steps that print in turn have one at each line."""


class _Changed(Exception):
    """The log was compacted or pruned while it was read."""


class Silence(NamedTuple):
    step: int
    """Its position."""
    seconds: float
    line: int
    """The number of the line before it; 0: the step had printed none."""
    since: datetime
    lasts: bool
    """It goes on: the step runs, and has printed nothing since."""


class Span(NamedTuple):
    """When a step ran. `end` None: it runs still."""

    step: int
    begin: datetime
    end: datetime | None


class Turn(NamedTuple):
    """A place between two neighbours in the log where a silence may be, or where another step begins to print.

    None for a step: there is nothing on that side, or a `cut`; then its other figures mean nothing.
    """

    step: int | None
    at: datetime
    before: int | None
    """The step that printed last."""
    before_at: datetime
    before_line: int
    is_cut: bool = False
    """On either side is a `cut`."""


def of_build(build: Build, steps: Sequence[Step]) -> list[Silence]:
    """Its longest silences, the longest first, three at most. Of a build that is over they are found once."""
    if build.started_at is None or build.pruned_at:
        return []
    spans = tuple(Span(step.position, step.started_at, step.finished_at) for step in steps if step.started_at)
    if build.is_final:
        after = max(build.head - MOST_EVENTS_OVER, 0)
        with suppress(_Changed):  # whoever asks next sees what has become of it
            return list(_of_final(build.pk, build.compacted_at, build.duration or 0.0, spans, after))
        return []
    if not (least := _least(build.duration or 0.0, spans)):
        return []
    turns = _turns_so_far(build, least)
    return longest(spans, turns, timezone.now(), least) if len(turns) <= _TURNS else []


def lasting(build: Build, steps: Sequence[Step]) -> Silence | None:
    """Of a build that runs: since when its step has printed nothing, however short that is."""
    step = next((one for one in steps if one.status == Status.RUNNING), None)
    if step is None or step.started_at is None:
        return None
    own = Event.objects.filter(build_id=build.pk, step=step.position, line__isnull=False).order_by("-line", "-seq")
    newest = own.values_list("at", "line", "lines").first()
    since, line = step.started_at, 0
    if newest:
        since, line = newest[0], newest[1] + newest[2] - 1
    return Silence(step.position, max((timezone.now() - since).total_seconds(), 0.0), line, since, True)


@functools.lru_cache(maxsize=1_000)
def _of_final(
    build_id: int, compacted_at: datetime | None, duration: float, spans: tuple[Span, ...], after: int
) -> tuple[Silence, ...]:
    """`_Changed`: then nothing is kept."""
    found = tuple(_find(build_id, compacted_at, duration, spans, after))
    if printed.what_became(build_id) != (compacted_at, None):
        raise _Changed
    return found


def _find(
    build_id: int, compacted_at: datetime | None, duration: float, spans: Sequence[Span], after: int = 0
) -> list[Silence]:
    if not (least := _least(duration, spans)):
        return []
    if compacted_at:
        if blocks.size(build_id)[0] > MOST_BLOCKS:
            return []
        turns = list(turns_of_blocks(build_id, least))
    else:
        turns = turns_of_events(build_id, least, after)
        if len(turns) > _TURNS:
            return []
    return longest(spans, turns, timezone.now(), least)


def _least(duration: float, spans: Sequence[Span]) -> float:
    """Seconds that a silence has at least; 0: no step took so long."""
    least = max(LEAST_SECONDS, LEAST_SHARE * duration)
    took = (((span.end or timezone.now()) - span.begin).total_seconds() for span in spans)
    return least if any(seconds >= least for seconds in took) else 0.0


# --- Pure ---


def longest(spans: Sequence[Span], turns: Iterable[Turn], now: datetime, least: float) -> list[Silence]:
    """The longest of at least `least` seconds. The begin and the end of a step are its edges, as lines are."""
    span_of = {span.step: span for span in spans}
    found: list[Silence] = []
    last: dict[int, tuple[datetime, int]] = {}
    seen: set[int] = set()
    any_cut = False

    def add(step: int, begin: datetime, end: datetime | None, line: int) -> None:
        over = span_of[step].end if step in span_of else None
        end = min(end, over) if end and over else end  # what is stored when a step has ended already makes it no longer
        seconds = ((end or now) - begin).total_seconds()
        if seconds >= least:
            found.append(Silence(step, seconds, line, begin, end is None))

    for turn in turns:
        any_cut = any_cut or turn.is_cut
        if turn.before is not None:
            last[turn.before] = (turn.before_at, turn.before_line)
        if turn.is_cut:
            last.clear()
        if turn.step is None:
            continue
        last.pop(turn.step, None)
        if turn.step == turn.before:
            add(turn.step, turn.before_at, turn.at, turn.before_line)
        elif turn.step not in seen and not turn.is_cut and turn.step in span_of:
            add(turn.step, span_of[turn.step].begin, turn.at, 0)
        seen.add(turn.step)
    for step, span in span_of.items():
        if step in last:
            add(step, last[step][0], span.end, last[step][1])
        elif step not in seen and not any_cut:
            add(step, span.begin, span.end, 0)
    return sorted(found, key=lambda one: -one.seconds)[:MOST]


# --- From the store ---


class _Seconds(Func):
    """A moment as seconds, for differences."""

    output_field = FloatField()

    template = "date_part('epoch', %(expressions)s)"

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, template="(julianday(%(expressions)s) * 86400.0)", **more)


def turns_of_events(build_id: int, least: float, after: int = 0) -> list[Turn]:
    """Those with at least `least` seconds between both sides, and those where the step is another, or an end is.

    `after`: what is stored up to that number is set aside, as if it were cut. More than `_TURNS`: there may be
    others, which are not among them.
    """
    turns = _look(build_id, least, after).turns
    return [turns[0]._replace(is_cut=True), *turns[1:]] if turns and after > 0 else turns


class _Looked(NamedTuple):
    """Turns of the events from one number on, as they were found with one `least`."""

    least: float
    turns: list[Turn]
    first: int | None
    """The number of the first of those events; None: there was none."""
    last: int | None
    cut: int | None = None
    """Of the log's newest `cut` then."""


def _look(build_id: int, least: float, after: int) -> _Looked:
    """The database goes over the numbers and times of the events above `after` once; what else is to be said of the few
    that count is fetched by number."""
    told = Event.objects.filter(build_id=build_id, kind__in=("log", "cut"), seq__gt=after)
    places: list[tuple[int | None, int | None]] = list(
        told.annotate(
            before=Window(Lag("seq"), order_by="seq"),
            silence=_Seconds("at") - Window(Lag(_Seconds("at")), order_by="seq"),
            other=Coalesce("step", -1) - Coalesce(Window(Lag("step"), order_by="seq"), -2),
        )
        .filter(Q(silence__gte=least) | ~Q(other=0))
        .order_by("seq")
        .values_list("before", "seq")[:_TURNS]
    )
    newest = told.order_by("-seq").values_list("seq", flat=True).first()
    places += [(newest, None)] if newest else []
    wanted = {seq for place in places for seq in place if seq is not None}
    columns = ("seq", "step", "at", "line", "lines")
    stored = {row[0]: row[1:] for row in told.filter(seq__in=wanted).order_by("seq").values_list(*columns)}
    turns = [_turn(stored.get(before), stored.get(seq)) for before, seq in places]
    return _Looked(least, turns, places[0][1] if places else None, newest)


_KEPT = 500
_looked: OrderedDict[tuple[int, datetime | None], _Looked] = OrderedDict()
"""By build, of the newest `_KEPT` running ones that were looked at. A build's start tells worlds apart."""


def _turns_so_far(build: Build, least: float) -> list[Turn]:
    """Of a build that runs: those that were found before, and those since. What is stored does not change, but where
    its middle is cut out."""
    key = (build.pk, build.started_at)
    cut = Event.objects.filter(build_id=build.pk, kind="cut").order_by("-seq").values_list("seq", flat=True).first()
    seen = _looked.get(key)
    more = None
    if seen and seen.last and seen.cut == cut and seen.least <= least and build.head - seen.last < MOST_EVENTS:
        more = _look(build.pk, seen.least, seen.last - 1)
    if seen and more and more.first == seen.last:  # the last turn of before was the end of the log, and is no more
        found = more._replace(turns=seen.turns[:-1] + more.turns[1:], first=seen.first, cut=cut)
    else:
        after = max(build.head - MOST_EVENTS, 0)
        found = _look(build.pk, least, after)._replace(cut=cut)
        if found.turns and after:
            found.turns[0] = found.turns[0]._replace(is_cut=True)
    if len(found.turns) <= _TURNS:
        _looked[key] = found
        while len(_looked) > _KEPT:
            _looked.popitem(last=False)
    else:
        _looked.pop(key, None)
    return found.turns


def _turn(before: tuple | None, here: tuple | None) -> Turn:
    """Of two neighbours: step (None: a `cut`), time, first line, lines. None: nothing is there."""
    step, at, _, _ = here or (None, None, None, None)
    before_step, before_at, line, lines = before or (None, None, None, None)
    last = line + lines - 1 if line and lines else 0
    is_cut = any(side is not None and side[0] is None for side in (before, here))
    moment = at or before_at
    return Turn(step, moment, before_step, before_at or moment, last, is_cut)


def turns_of_blocks(build_id: int, least: float) -> Iterator[Turn]:
    """The same of a log that was compacted: all that its blocks know about time is read."""
    short = timedelta(seconds=least)
    edge = [None]
    for before, here in pairwise(chain(edge, blocktext.stamps(build_id), edge)):
        at = here.at if here and here.at else None
        if before and here and at and before.at and before.step == here.step and at - before.at < short:
            continue
        before_at = before.at if before and before.at else None
        moment = at or before_at or timezone.now()
        yield Turn(
            here.step if here and at else None,
            moment,
            before.step if before and before_at else None,
            before_at or moment,
            before.last if before else 0,
            bool((here and not at) or (before and not before_at)),
        )
