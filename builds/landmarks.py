"""What a step's output says about itself: groups of lines that belong together, and annotations (errors, warnings,
notices). What is printed → what it means, pure; and the only reader and writer of `LogGroup` and `Annotation`.

The commands are those that tools print for GitHub Actions and Azure Pipelines. One counts at the beginning of a line
and nowhere else; the line stays in the log as it is. Of each build so many are kept; of the others is known how many.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .models import Annotation as AnnotationRow
from .models import Build, LogGroup

MAX_GROUPS = 1_000
"""Of one build so many groups are kept …"""
MAX_ANNOTATIONS = 100
"""… and of each level so many annotations: the first ones, for what breaks first is what to look at first."""
MAX_TEXT = 500
"""Characters of a name, a message, a title or a file; what is longer ends in "…"."""
LEVELS = ("error", "warning", "notice")
"""The most important first."""


class Group(NamedTuple):
    """The lines from here on belong together. Groups do not nest: it ends the one before."""

    name: str


class EndGroup(NamedTuple):
    """The group ends with this line."""


class Annotation(NamedTuple):
    """`level`: one of `LEVELS`. A text that was not given is empty, a number None; numbers are 1 or more."""

    level: str
    message: str
    title: str = ""
    file: str = ""
    file_line: int | None = None
    column: int | None = None

    @property
    def place(self) -> str:
        return place(self.file, self.file_line, self.column)


def place(file: str, file_line: int | None, column: int | None) -> str:
    """`src/a.c:12:5`, or as much of it as is known."""
    return ":".join(str(part) for part in (file, file_line, file_line and column) if part) if file else ""


# --- What was printed → what it means. Pure. ---

_BEGINS = re.compile(r"\n(?:\x1b\[[0-9;:]*m)*(?:::|##\[)")
_COMMAND = re.compile(r"::(group|endgroup|error|warning|notice)(?: (.*?))?::(.*)", re.IGNORECASE)
_OLD_COMMAND = re.compile(r"##\[(group|endgroup|error|warning)\](.*)", re.IGNORECASE)
_ESCAPED = re.compile(r"%(?:0A|0D|25|3A|2C)")
_ESCAPES = {"%0A": "\n", "%0D": "\r", "%25": "%", "%3A": ":", "%2C": ","}
_DATA_ESCAPES = _ESCAPES | {"%3A": "%3A", "%2C": "%2C"}
"""In a message a colon and a comma need no escape, so these stand for themselves."""
_NUMBER = re.compile(r"0*([1-9]\d{0,8})", re.ASCII)


def candidates(lines: Sequence[str]) -> list[int]:
    """Which of `lines` may have a command, by index: a chunk of which none has costs one search."""
    text = "\n" + "\n".join(lines)
    found: list[int] = []
    index = at = 0
    for match in _BEGINS.finditer(text):
        index += text.count("\n", at, match.start())
        at = match.start()
        found.append(index)
    return found


def parse(text: str) -> Group | EndGroup | Annotation | None:
    """What the line `text`, without its colours, commands. None: nothing, or what this board does not know."""
    found = _COMMAND.match(text)
    if found:
        word, properties, said = found.groups()
        return _command(word.lower(), _unescaped(said, _DATA_ESCAPES), _properties(properties or ""))
    found = _OLD_COMMAND.match(text)
    return _command(found[1].lower(), found[2], {}) if found else None


def _command(word: str, said: str, given: Mapping[str, str]) -> Group | EndGroup | Annotation:
    if word == "group":
        return Group(_short(said))
    if word == "endgroup":
        return EndGroup()
    if not given:
        return Annotation(word, _short(said))
    line, column = _number(given.get("line", "")), _number(given.get("col", ""))
    return Annotation(word, _short(said), _short(given.get("title", "")), _short(given.get("file", "")), line, column)


def _properties(text: str) -> dict[str, str]:
    found = {}
    for pair in text.split(",") if text else ():
        name, equals, value = pair.partition("=")
        if equals:
            found[name.strip().lower()] = _unescaped(value, _ESCAPES)
    return found


def _unescaped(text: str, escapes: Mapping[str, str]) -> str:
    return _ESCAPED.sub(lambda found: escapes[found[0]], text) if "%" in text else text


def _short(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.strip()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _number(text: str) -> int | None:
    found = _NUMBER.fullmatch(text.strip())
    return int(found[1]) if found else None


# --- At its place in the log of a build ---


class GroupAt(NamedTuple):
    """A group of the step at `step`: the lines from `line`, which has the command, to `last`; None: it is open."""

    step: int
    number: int
    """1, 2, 3 … within its build."""
    name: str
    line: int
    last: int | None = None

    @property
    def kind(self) -> str:
        return "group"

    def data(self, step: str) -> dict[str, Any]:
        """Of its event. `step`: the step's name."""
        return self._asdict() | {"step": step}


class AnnotationAt(NamedTuple):
    """What the line `line` of the step at `step` says."""

    step: int
    line: int
    number: int
    """1, 2, 3 … within its build."""
    said: Annotation

    @property
    def kind(self) -> str:
        return "annotation"

    def data(self, step: str) -> dict[str, Any]:
        """Of its event. `step`: the step's name."""
        return {"step": step, "line": self.line} | self.said._asdict() | {"number": self.number}


Landmark = GroupAt | AnnotationAt

# --- Stored ---


def store(build_id: int, found: Sequence[Landmark], counts: Mapping[str, int]) -> None:
    """Inside the transaction that stores their lines. `found`: in order; of a group its newest state counts.

    `counts`: how many there have been in all: the columns of the build that have changed.
    """
    groups = {one.number: one for one in found if isinstance(one, GroupAt)}
    begun = {one.number for one in found if isinstance(one, GroupAt) and one.last is None}
    for group in groups.values():  # those that were open before end first: a step has one open group
        if group.number not in begun:
            LogGroup.objects.filter(build_id=build_id, number=group.number).update(last=group.last)
    if begun:
        rows = [LogGroup(build_id=build_id, **groups[number]._asdict()) for number in sorted(begun)]
        LogGroup.objects.bulk_create(rows, batch_size=100)
    annotations = [one for one in found if isinstance(one, AnnotationAt)]
    if annotations:
        AnnotationRow.objects.bulk_create(
            [
                AnnotationRow(build_id=build_id, step=one.step, line=one.line, number=one.number, **one.said._asdict())
                for one in annotations
            ],
            batch_size=100,
        )
    if counts:
        Build.objects.filter(pk=build_id).update(**counts)


def end_open(build_id: int, last: Callable[[int], int]) -> list[GroupAt]:
    """End the groups that nobody will end any more. `last`: of a step's position, the number of its last line."""
    ended = []
    for group in _groups(LogGroup.objects.filter(build_id=build_id, last__isnull=True)):
        ended.append(group._replace(last=max(last(group.step), group.line)))
    store(build_id, ended, {})
    return ended


def groups(build_id: int) -> list[GroupAt]:
    """In the order in which they began."""
    return _groups(LogGroup.objects.filter(build_id=build_id))


def _groups(found: Any) -> list[GroupAt]:
    return [GroupAt(*row) for row in found.order_by("number").values_list("step", "number", "name", "line", "last")]


def annotations(build_id: int) -> list[AnnotationAt]:
    """In the order in which they were printed."""
    stored = AnnotationRow.objects.filter(build_id=build_id).order_by("number")
    rows = stored.values_list("step", "line", "number", *Annotation._fields)
    return [AnnotationAt(step, line, number, Annotation(*said)) for step, line, number, *said in rows]


def delete_groups(build_id: int) -> int:
    """For a log that is pruned: its groups are of no use without its lines. How many they were."""
    return LogGroup.objects.filter(build_id=build_id).delete()[0]
