"""What a `cut` stands for: a stretch of a build's log that is not kept any more. For `events.py` alone.

A log that grows beyond its bound keeps its head and its tail. Of the events between, those that are facts (`build`,
`step`, and each step's newest progress) stay; the rest are replaced. Between two events that stay, all that one step
had printed becomes one `cut`, with the number of the last event that it stands for: so only at a `cut` may numbers
jump, and replacing a stretch again, with more behind it, gives what replacing all of it at once would have given.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import Case, F, Func, IntegerField, TextField, Value, When
from django.utils import timezone

from .blocks import Stretch
from .models import Event

_REPLACEABLE = ("log", "progress", "cut")


class Row(NamedTuple):
    """An event that may have to go, without its text."""

    seq: int
    kind: str
    step: str
    """The name of the step that it is about; of other kinds than `log`, `progress` and `cut`: empty."""
    line: int = 0
    lines: int = 0
    size: int = 0
    """`log` and `cut`: bytes of its lines, with a line feed each."""
    open_size: int | None = None
    """`log` whose last line is open: the bytes of that line; None: it is not."""


class Cut(NamedTuple):
    """Of the step `step`, `lines` lines from number `line` on are missing: `size` bytes, with a line feed each."""

    seq: int
    step: str
    line: int
    lines: int
    size: int
    reason: str = ""

    @property
    def stretch(self) -> Stretch:
        return Stretch(self.line, self.lines, self.size, self.reason)


class Plan(NamedTuple):
    kept: list[int]
    """Numbers of the `log` and `progress` events that stay."""
    cuts: list[Cut]
    """In place of all the others, and of the cuts that there were."""


def plan(rows: Sequence[Row], after: Mapping[str, int]) -> Plan:
    """What becomes of `rows`, a stretch of one log in order. Pure.

    `after`: by step, the line with which the first `log` event above the stretch begins. An open line that a later
    event replaces is not missing for its earlier state's sake; one that nothing has replaced yet stays.
    """
    newest = {row.step: row.seq for row in rows if row.kind == "progress"}
    ahead = dict(after)
    kept: list[int] = []
    cuts: list[Cut] = []
    place: dict[str, int] = {}  # of each step's cut since the last event that stays
    for row in reversed(rows):
        stays = (row.kind == "progress" and newest[row.step] == row.seq) or (
            row.open_size is not None and row.step not in ahead
        )
        if stays:
            kept.append(row.seq)
        if stays or row.kind not in _REPLACEABLE:
            place.clear()
        elif row.step not in place:
            place[row.step] = len(cuts)
            cuts.append(Cut(row.seq, row.step, max(ahead.get(row.step, 1), 1), 0, 0))
        if not row.lines:
            continue
        lines, size = _missing(row, ahead)
        if lines and not stays:
            cut = cuts[place[row.step]]
            cuts[place[row.step]] = Cut(cut.seq, cut.step, row.line, cut.lines + lines, cut.size + size)
        ahead[row.step] = row.line
    return Plan(kept[::-1], cuts[::-1])


def _missing(row: Row, ahead: Mapping[str, int]) -> tuple[int, int]:
    """Lines and bytes that are gone with `row`: not its open line, where what comes later has that."""
    if row.open_size is None or ahead.get(row.step, 0) > row.line + row.lines - 1:
        return row.lines, row.size
    return row.lines - 1, row.size - row.open_size - 1


def merged(found: Iterable[Stretch]) -> list[Stretch]:
    """Cuts of one step → whole stretches, in order: no two touch, and each stands for a line at least. Pure.

    Where two overlap, their bytes are those of the one that has more.
    """
    whole: list[Stretch] = []
    for one in sorted(one for one in found if one.lines > 0):
        if not whole or one.line > whole[-1].last + 1:
            whole.append(one)
            continue
        before = whole[-1]
        size = before.bytes + one.bytes if one.line > before.last else max(before.bytes, one.bytes)
        lines = max(before.last, one.last) - before.line + 1
        whole[-1] = Stretch(before.line, lines, size, before.reason or one.reason)
    return whole


def by_step(found: Iterable[tuple[int, Stretch]]) -> dict[int, list[Stretch]]:
    """(step position, cut) → by position, `merged`. A step of which no line is missing is not in it. Pure."""
    of_steps: dict[int, list[Stretch]] = {}
    for step, stretch in found:
        of_steps.setdefault(step, []).append(stretch)
    return {step: whole for step, of_step in of_steps.items() if (whole := merged(of_step))}


def left_out(lines: int, missing: int) -> str:
    """`cut: 46,000 of 50,000 lines left out`, of a log that had so many `lines`; empty: nothing is missing."""
    return f"cut: {missing:,} of {lines:,} {'line' if lines == 1 else 'lines'} left out" if missing else ""


def replace(build_id: int, first: int, last: int, names: Sequence[str], reason: str) -> None:
    """Inside a transaction that holds the build's row: the events from `first` to `last` become cuts.

    `names`: the steps' names, by position. Done again, it changes nothing.
    """
    stretch = Event.objects.filter(build_id=build_id, seq__gte=first, seq__lte=last)
    rows = [_row(values, names) for values in stretch.order_by("seq").values_list(*_COLUMNS)]
    kept, cuts = plan(rows, _after(build_id, last, rows, names))
    replaceable = [row.seq for row in rows if row.kind in _REPLACEABLE]
    if replaceable == sorted(kept + [cut.seq for cut in cuts]):
        return  # every cut is there already
    stretch.filter(kind__in=_REPLACEABLE).exclude(seq__in=kept).delete()
    now = timezone.now()
    Event.objects.bulk_create(
        [Event(build_id=build_id, seq=cut.seq, kind="cut", at=now, body=_body(cut, reason)) for cut in cuts],
        batch_size=100,
    )


def _after(build_id: int, last: int, rows: Iterable[Row], names: Sequence[str]) -> dict[str, int]:
    ends = {row.step: max(row.line + row.lines - 1, 1) for row in rows if row.kind in ("log", "cut")}
    found = {}
    for step, line in ends.items():
        later = Event.objects.filter(build_id=build_id, step=names.index(step), line__gte=line, seq__gt=last)
        begins = later.order_by("line", "seq").values_list("line", flat=True).first()
        if begins is not None:
            found[step] = begins
    return found


def of_build(build_id: int) -> list[Cut]:
    """All cuts of a build, in order. Mostly there is none, and an index knows that."""
    rows = Event.objects.filter(build_id=build_id, kind="cut").order_by("seq").values_list("seq", "body")
    return [_cut(seq, json.loads(body)) for seq, body in rows]


def _cut(seq: int, data: dict[str, Any]) -> Cut:
    return Cut(seq, data["step"], data["line"], data["lines"], data["bytes"], data.get("reason", ""))


def _body(cut: Cut, reason: str) -> str:
    data = {"step": cut.step, "line": cut.line, "lines": cut.lines, "bytes": cut.size, "reason": reason}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


# --- Rows without their text ---


class _Bytes(Func):
    """How many bytes a text has in UTF-8."""

    function = "OCTET_LENGTH"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **more)


_TEXT = Case(When(kind="log", open=False, then=Value("")), default=F("body"), output_field=TextField())
_COLUMNS = ("seq", "kind", "step", "line", "lines", "open", _Bytes("body"), _TEXT)


def _row(values: tuple, names: Sequence[str]) -> Row:
    seq, kind, step, line, lines, is_open, size, text = values
    if kind == "log":
        open_size = len(text.rpartition("\n")[2].encode()) if is_open else None
        return Row(seq, kind, names[step], line, lines, size + 1, open_size)
    if kind == "cut":
        cut = _cut(seq, json.loads(text))
        return Row(seq, kind, cut.step, cut.line, cut.lines, cut.size)
    return Row(seq, kind, json.loads(text)["step"] if kind == "progress" else "")
