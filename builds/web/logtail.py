"""The newest lines of a build's log, by step, as its page is first shown: a replay of the log's last events, or the end
of the blocks that they have become."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .. import blocks, events, printed
from ..blocks import Stretch
from ..models import Build, Step, iso
from . import ansi, landmarks, words

LINES = 500
_WINDOWS = (32, 128, 512, 2_048)
"""How many events to look back through, until there are enough lines: big chunks are few, small ones are cheap."""


Found = dict[int, dict[int, tuple[str, str, bool]]]
"""By step position and line number: text, time and whether it is open."""


@dataclass(frozen=True)
class LogLine:
    number: int
    text: str
    at: str
    """Seconds since the build began, `24.31`; empty where it is not known."""
    stored_at: str = ""
    """ISO 8601."""
    open: bool = False
    cut: Stretch | None = None
    """What was left out of the log right before it."""

    @property
    def html(self) -> str:
        return ansi.to_html(self.text)

    @property
    def gap(self) -> str:
        return _gap(self.cut)


@dataclass
class Section:
    """One step and those of its lines that the page begins with."""

    step: Step
    total: int = 0
    lines: list[LogLine] = field(default_factory=list)
    open: bool = False
    """Unfolded: it runs, did not pass, or is the last that printed anything."""
    newest: bool = False
    """Its last line is the log's newest."""
    cuts: list[Stretch] = field(default_factory=list)
    """All that is left out of its lines, shown or not."""
    groups: list[dict[str, Any]] = field(default_factory=list)
    """As `landmarks.of_build` has them."""

    @property
    def number(self) -> int:
        """Of the step, from 1, as it is in addresses: line 118 of the fourth step is `#4:118`."""
        return self.step.position + 1

    @property
    def said(self) -> str:
        return words.output(self.total, self.step.status, self.ending, self.missing)

    @property
    def ending(self) -> str:
        return words.ending(self.step.data())

    @property
    def is_allowed(self) -> bool:
        return words.is_allowed(self.step.data())

    @property
    def gap(self) -> str:
        """What was left out after the last line."""
        last = self.lines[-1].number if self.lines else self.total - 1
        return _gap(_at(self.cuts, last + 1))

    @property
    def missing(self) -> int:
        """How many of its lines are left out."""
        return sum(cut.lines for cut in self.cuts)

    @property
    def earlier(self) -> int:
        """How many lines before the first one shown are stored."""
        before = self.lines[0].number - 1 if self.lines else self.total
        return before - sum(max(min(cut.last, before) - cut.line + 1, 0) for cut in self.cuts)

    @property
    def cuts_json(self) -> str:
        """As `lines` by number answers them; empty: there is none."""
        return events.compact([cut._asdict() for cut in self.cuts]) if self.cuts else ""

    @property
    def groups_json(self) -> str:
        return events.compact(self.groups) if self.groups else ""


def _at(cuts: Iterable[Stretch], number: int) -> Stretch | None:
    return next((cut for cut in cuts if number in cut), None)


def _gap(cut: Stretch | None) -> str:
    return words.cut(*cut) if cut else ""


def sections(build: Build, steps: list[Step], head: int, limit: int = LINES) -> list[Section]:
    """A section for every step, with the last `limit` lines of the whole log spread over them."""
    found = _newest(build, [step.name for step in steps], head, limit)
    cuts = printed.left_out(build.pk)  # after: it has all that was left out of what was found
    groups = landmarks.of_build(build)
    kept = sorted((position, number) for position, lines in found.items() for number in lines)[-limit:]
    made = [Section(step, cuts=cuts.get(step.position, []), groups=groups.get(step.position, [])) for step in steps]
    for position, number in kept:
        text, at, is_open = found[position][number]
        section = made[position]
        cut = None
        before = section.lines[-1].number if section.lines else None
        if before != number - 1:
            cut = _at(section.cuts, number - 1)
            if cut is None and before is not None:  # a hole that nothing explains is shown, too
                cut = Stretch(before + 1, number - before - 1, 0, "")
        section.lines.append(LogLine(number, text, _since(build.started_at, at), at, is_open, cut))
    newest = max((position for position, _ in kept), default=-1)
    for section in made:
        if section.lines:
            last = section.lines[-1].number  # of the same moment: what came since, comes over the stream
            section.total = max([last, *(cut.last for cut in section.cuts)])
        elif section.step.position < newest:
            section.total = printed.total_lines(build.pk, section.step.position)
    shown = [section for section in made if section.lines]
    for section in made:
        ended_well = section.step.status in ("passed", "skipped", "pending")
        section.newest = section in shown[-1:]
        section.open = section.newest or not ended_well
    return made


def _newest(build: Build, names: list[str], head: int, limit: int) -> Found:
    """As `_replay`, whatever has become of the log."""
    found = _replay(build, names, head, limit)
    became = printed.what_became(build.pk) if build.is_final else printed.Became()  # after: half of it may have gone
    if became.pruned_at:
        return {}
    if not became.compacted_at:
        return found
    return {
        position: {line.number: (line.text, iso(line.at) or "", line.open) for line in lines.values()}
        for position, lines in blocks.newest(build.pk, limit).items()
    }


def _replay(build: Build, names: list[str], head: int, limit: int) -> Found:
    """What the newest events say, up to `head`: steps of later have no `names`. A later event replaces a line."""
    found: Found = {}
    for window in _WINDOWS:
        found = {}
        after = max(head - window, build.horizon - 1, 0)
        for record in events.read(build.pk, after, limit=min(window, max(head - after, 0)), names=names):
            if record.kind not in ("log", "cut"):
                continue
            data = json.loads(record.data)
            position = names.index(data["step"])
            if record.kind == "cut":
                _drop_open(found.get(position, {}), data["line"], data["line"] + data["lines"] - 1)
                continue
            lines = found.setdefault(position, {})
            texts = data["text"].split("\n")
            for number, text in enumerate(texts, start=data["line"]):
                is_last = number == data["line"] + len(texts) - 1
                lines[number] = (text, data["at"], is_last and data.get("open", False))
        if after <= build.horizon - 1 or sum(map(len, found.values())) >= limit:
            break
    return found


def _drop_open(lines: dict[int, tuple[str, str, bool]], first: int, last: int) -> None:
    """A line that was open goes, where how it went on was left out."""
    newest = max(lines, default=0)
    if first <= newest <= last and lines[newest][2]:
        del lines[newest]


def _since(began: datetime | None, at: str) -> str:
    if began is None or not at:
        return ""
    return stamp((datetime.fromisoformat(at) - began).total_seconds())


def stamp(seconds: float) -> str:
    """As wide as its column at most."""
    seconds = max(seconds, 0.0)
    return f"{seconds:.2f}" if seconds < 1_000 else f"{seconds:.1f}" if seconds < 10_000 else f"{seconds:.0f}"
