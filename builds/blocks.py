"""What the log of a build that is long over has become: blocks, each with some hundred KiB of one step's lines, zlib-
compressed. The only reader and writer of `LogBlock`.

A block's body is a JSON object on one line, and below it the lines' text. The object has `runs`: for each run of lines
that were stored together four numbers — how many line numbers lie between the one before and this one (0: none), how
many lines, microseconds since the one before, and 1 where its last line never was finished. Between them stands, as it
was, the data of each `cut`; cuts have blocks of their own, which have no text, so that they are found without reading
any. So one line costs one small read, and everything that the events said is still known.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Sum
from django.db.models.functions import Length

from . import logbytes
from .models import LogBlock

BLOCK_BYTES = 256 * 1024
"""A block ends with the run that passes this. Reading one line means to decompress one block: about a millisecond."""
LEVEL = 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Line(NamedTuple):
    number: int
    text: str
    open: bool
    at: datetime
    """When its chunk was stored."""


class Run(NamedTuple):
    """Lines of the step at `step` from number `line` on, stored together. `open`: the last one is unfinished."""

    step: int
    line: int
    texts: Sequence[str]
    at: datetime
    open: bool = False

    def lines(self) -> Iterator[Line]:
        last = self.line + len(self.texts) - 1
        for number, text in enumerate(self.texts, start=self.line):
            yield Line(number, text, self.open and number == last, self.at)


class Stretch(NamedTuple):
    """All cuts of one step that touch, as one: what readers are told. Its fields are those of a `cut` event."""

    line: int
    lines: int
    bytes: int
    reason: str

    @property
    def last(self) -> int:
        return self.line + self.lines - 1

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.line <= number <= self.last


class Cut(NamedTuple):
    """Lines of a step that were left out of the log here. `data`: of the `cut` event."""

    step: int
    data: dict[str, Any]

    @property
    def first(self) -> int:
        return max(_whole(self.data.get("line")), 1)

    @property
    def last(self) -> int:
        """Below `first`: it stands for no line, but for other events."""
        return self.first + _whole(self.data.get("lines")) - 1

    @property
    def stretch(self) -> Stretch:
        lines, size = _whole(self.data.get("lines")), _whole(self.data.get("bytes"))
        return Stretch(self.first, lines, size, str(self.data.get("reason", "")))

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.first <= number <= self.last


Part = Run | Cut


class Draft(NamedTuple):
    """A block to be: the columns of `LogBlock`."""

    step: int
    line: int
    lines: int
    size: int
    body: bytes


@dataclass(frozen=True)
class Block:
    """A stored one, decoded."""

    number: int
    step: int
    line: int
    last: int
    parts: list[Part]

    def lines(self) -> Iterator[Line]:
        for part in self.parts:
            if isinstance(part, Run):
                yield from part.lines()


class Damaged(Exception):
    """A block's body is not what was once written."""


# --- From what was appended to what stands. Pure. ---


def settled(parts: Iterable[Part]) -> Iterator[Part]:
    """A log as it was appended → as it stands in the end: each line once, where its last word was written.

    A line that was open is held back until a run begins with its number. Where how it went on was cut, it goes, too.
    What nobody finished comes at the end; cuts of no line are left out.
    """
    held: dict[int, Run] = {}
    for part in parts:
        if isinstance(part, Cut):
            if part.step in held and held[part.step].line in part:
                del held[part.step]
            if part.last >= part.first:
                yield part
            continue
        before = held.pop(part.step, None)
        if before is not None and before.line < part.line:
            yield before
        if part.open:
            held[part.step] = part._replace(line=part.line + len(part.texts) - 1, texts=part.texts[-1:])
            part = part._replace(texts=part.texts[:-1], open=False)
        if part.texts:
            yield part
    yield from held.values()


def packed(parts: Iterable[Part]) -> Iterator[Draft]:
    """Settled parts → blocks, in order; none mixes steps, or cuts and lines."""
    waiting: list[Part] = []
    size = 0
    for part in parts:
        if waiting and (_sort(waiting[0]) != _sort(part) or size >= BLOCK_BYTES):
            yield encode(waiting)
            waiting, size = [], 0
        waiting.append(part)
        if isinstance(part, Run):
            size += sum(map(len, part.texts)) + len(part.texts)
    if waiting:
        yield encode(waiting)


def _sort(part: Part) -> tuple[int, bool]:
    return part.step, isinstance(part, Cut)


def encode(parts: Sequence[Part]) -> Draft:
    """One block of the parts of one step."""
    first, last = _span(parts)
    runs: list[Any] = []
    texts: list[str] = []
    number, at = first, 0
    for part in parts:
        if isinstance(part, Cut):
            runs.append(part.data)
            continue
        stored = (part.at - _EPOCH) // _MICROSECOND
        runs.append([part.line - number, len(part.texts), stored - at, int(part.open)])
        texts += part.texts
        number, at = part.line + len(part.texts), stored
    head = json.dumps({"runs": runs}, ensure_ascii=False, separators=(",", ":"))
    text = "\n".join(texts).encode("utf-8", "surrogatepass")
    body = zlib.compress(head.encode("utf-8", "surrogatepass") + b"\n" + text, LEVEL)
    return Draft(parts[0].step, first, last - first + 1, len(text) + bool(texts), body)


def decode(number: int, step: int, line: int, lines: int, body: bytes | memoryview) -> Block:
    """`Damaged` where it is not what `encode` made."""
    try:
        head, _, text = zlib.decompress(body).partition(b"\n")
        runs = json.loads(head)["runs"]
        texts = text.decode("utf-8", "surrogatepass").split("\n")
        parts: list[Part] = []
        place, at, taken = line, 0, 0
        for run in runs:
            if isinstance(run, dict):
                parts.append(Cut(step, run))
                continue
            skipped, count, passed, is_open = run
            place, at = place + skipped, at + passed
            parts.append(Run(step, place, texts[taken : taken + count], moment(at), bool(is_open)))
            place, taken = place + count, taken + count
    except (zlib.error, ValueError, TypeError, KeyError, OverflowError) as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error
    if taken != (len(texts) if taken or text else 0):
        raise Damaged(f"{len(texts)} lines of text, and {taken} that its runs know")
    if _span(parts) != (line, line + lines - 1):
        raise Damaged(f"lines {_span(parts)}, and its row says {lines} from {line} on")
    return Block(number, step, line, line + lines - 1, parts)


def moment(at: int) -> datetime:
    """From microseconds, as the runs of a block count them."""
    return _EPOCH + at * _MICROSECOND


def _span(parts: Sequence[Part]) -> tuple[int, int]:
    """The numbers of the first and the last line that they are about."""
    firsts = [part.line if isinstance(part, Run) else part.first for part in parts]
    lasts = [part.line + len(part.texts) - 1 if isinstance(part, Run) else part.last for part in parts]
    return min(firsts, default=0), max(lasts, default=0)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0


# --- Stored ---

_COLUMNS = ("number", "step", "line", "lines", "body")
_ROWS = f"SELECT number, step, line, lines, body, size FROM {LogBlock._meta.db_table} WHERE build_id = %s AND "  # noqa: S608
_ABOVE_ALL = 2**31 - 1


class Row(NamedTuple):
    """A block as it is stored. `size`: of its text."""

    number: int
    step: int
    line: int
    lines: int
    body: bytes
    size: int

    @property
    def last(self) -> int:
        return self.line + self.lines - 1


def store(build_id: int, number: int, draft: Draft) -> None:
    LogBlock.objects.create(build_id=build_id, number=number, **draft._asdict())


def following(build_id: int, number: int) -> Block | None:
    """The block after `number` (-1: the first one): they are in the order in which their lines were written."""
    row = row_after(build_id, number)
    return decode(*row[:-1]) if row else None


def row_after(build_id: int, number: int) -> Row | None:
    """The same as it is stored."""
    found = rows(build_id, "number > %s ORDER BY number LIMIT 1", number)
    return found[0] if found else None


def rows(build_id: int, where: str, *values: Any) -> list[Row]:
    """Those of its blocks for which holds what stands in SQL, in the order that it says."""
    return [Row(*row) for row in logbytes.fetched(_ROWS + where, [build_id, *values])]


def every(build_id: int) -> Iterator[Block]:
    """All blocks, in order, one in memory."""
    number = -1
    while (block := following(build_id, number)) is not None:
        number = block.number
        yield block


def cuts(build_id: int) -> list[Cut]:
    """All that is cut of a build's log, in order. Reads no text."""
    rows = LogBlock.objects.filter(build_id=build_id, size=0).order_by("number").values_list(*_COLUMNS)
    return [part for row in rows for part in decode(*row).parts if isinstance(part, Cut)]


def newest(build_id: int, limit: int) -> dict[int, dict[int, Line]]:
    """The last `limit` lines of the log, as they were written, or all: by step position and number."""
    found: dict[int, dict[int, Line]] = {}
    count, number = 0, _ABOVE_ALL
    before = "size > 0 AND number < %s ORDER BY number DESC LIMIT 1"
    while count < limit and (row := next(iter(rows(build_id, before, number)), None)):
        block = decode(*row[:-1])
        last = list(block.lines())[-(limit - count) :]
        if last:
            found.setdefault(block.step, {}).update({line.number: line for line in last})
        count, number = count + len(last), block.number
    return found


def total_lines(build_id: int, step: int) -> int:
    """How many lines the step at `step` has had, those that a `cut` stands for included."""
    newest = LogBlock.objects.filter(build_id=build_id, step=step).order_by("-line").values_list("line", "lines")
    row = newest.first()
    return row[0] + row[1] - 1 if row else 0


def size(build_id: int) -> tuple[int, int]:
    """How many blocks it has, and how many bytes they take, compressed."""
    found = LogBlock.objects.filter(build_id=build_id).aggregate(count=Count("pk"), bytes=Sum(Length("body")))
    return found["count"], found["bytes"] or 0


def delete(build_id: int, most: int) -> int:
    """Delete up to `most` of its blocks, the newest first; how many they were."""
    numbers = LogBlock.objects.filter(build_id=build_id).order_by("-number").values_list("number", flat=True)[:most]
    chosen = list(numbers)
    if not chosen:
        return 0
    return LogBlock.objects.filter(build_id=build_id, number__gte=chosen[-1]).delete()[0]
