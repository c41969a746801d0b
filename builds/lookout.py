"""Finds the landmarks in what the steps of one build print: groups and annotations, at their lines. Pure.

Told of every chunk once, in order, before it is stored. A line counts when it is whole: an open one comes again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from buildboard.terminal.style import plain

from .events import Chunk
from .landmarks import (
    LEVELS,
    MAX_ANNOTATIONS,
    MAX_GROUPS,
    Annotation,
    AnnotationAt,
    EndGroup,
    Group,
    GroupAt,
    Landmark,
    candidates,
    parse,
)


class Found(NamedTuple):
    drafts: list[Chunk | Landmark]
    """The chunks, each followed by what is in it; at the end the groups that end with their step."""
    counts: dict[str, int]
    """As `landmarks.store` takes it."""


class Finder:
    """Keeps, for a whole build, what is open and how many there have been."""

    def __init__(self) -> None:
        self.workspaces: dict[int, str] = {}
        """By step, where it runs: of a file below it only what comes after is told."""
        self.masked: Callable[[str], str] = str
        """A text without the secrets of the build: escapes may have hidden one from who masked the line."""
        self._last: dict[int, int] = {}  # by step: its last line
        self._open: dict[int, GroupAt] = {}  # by step; without those beyond the bound
        self._groups = 0
        self._annotations = 0
        self._levels = dict.fromkeys(LEVELS, 0)
        self._counts: dict[str, int] = {}

    @classmethod
    def resumed(cls, told: Mapping[str, int], groups: Iterable[GroupAt], last: Mapping[int, int]) -> "Finder":
        """One that goes on where another was, by what is stored: columns of the build, its groups, and by step the
        number of the last line."""
        found = cls()
        found._counts = dict(told)
        found._groups = told["groups_told"]
        found._levels = {level: told[f"{level}s_told"] for level in LEVELS}
        found._annotations = sum(min(count, MAX_ANNOTATIONS) for count in found._levels.values())
        found._open = {group.step: group for group in groups if group.last is None}
        found._last = dict(last)
        return found

    def look(self, chunks: Iterable[Chunk], over: Sequence[int] = ()) -> Found:
        """`over`: steps that print no more after `chunks`, by position: their groups end."""
        found = Found([], {})
        for chunk in chunks:
            found.drafts.append(chunk)
            whole = chunk.lines[:-1] if chunk.open else chunk.lines
            for index in candidates(whole):
                text = plain(whole[index]) if "\x1b" in whole[index] else whole[index]
                found.drafts.extend(self._read(chunk.step, chunk.line + index, text))
            self._last[chunk.step] = chunk.line + len(chunk.lines) - 1
        for step in over:
            found.drafts.extend(self._end(step, self._last.get(step, 0)))
        counts = {"groups_told": self._groups} | {f"{level}s_told": self._levels[level] for level in LEVELS}
        found.counts.update({name: count for name, count in counts.items() if count != self._counts.get(name, 0)})
        self._counts = counts
        return found

    def _read(self, step: int, line: int, text: str) -> Iterable[Landmark]:
        command = parse(text)
        if isinstance(command, Annotation):
            command = command._replace(
                message=self.masked(command.message),
                title=self.masked(command.title),
                file=self.masked(command.file),
            )
            self._levels[command.level] += 1
            if self._levels[command.level] <= MAX_ANNOTATIONS:
                self._annotations += 1
                yield AnnotationAt(step, line, self._annotations, self._relative(step, command))
        elif isinstance(command, EndGroup):
            yield from self._end(step, line)
        elif isinstance(command, Group):
            yield from self._end(step, line - 1)
            self._groups += 1
            if self._groups <= MAX_GROUPS:
                self._open[step] = GroupAt(step, self._groups, self.masked(command.name), line)
                yield self._open[step]

    def _relative(self, step: int, said: Annotation) -> Annotation:
        workspace = self.workspaces.get(step)
        return said._replace(file=said.file.removeprefix(f"{workspace}/")) if workspace else said

    def _end(self, step: int, last: int) -> Iterable[Landmark]:
        group = self._open.pop(step, None)
        if group is not None:
            yield group._replace(last=max(last, group.line))
