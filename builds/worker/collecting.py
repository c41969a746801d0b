"""A step's artifacts, collected when it is over: found in the workspace, copied to the storage, and told.

`collect` is the work of an `Aside`; what it finds and what it leaves out is said in the step's log, as warnings where
someone should know. A storage that fails is an error: `NotStored`.
"""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from django.conf import settings
from django.core.files import File

from .. import artifacts, filestore
from ..artifacts import HEAD_BYTES, MAX_PATH, Done, Intent
from ..events import Lease
from ..retention import size
from .aside import Aside, Left
from .globs import BadPattern, Match, Pattern, Refused, find, open_within, opened_folder, shown

logger = logging.getLogger(__name__)

_MEGABYTE = 1024 * 1024
BATCH = 50
"""So many files are told at once."""
NAMED = 10
"""So many are named in a line of the log; the others are counted."""


class NotStored(Exception):
    """The storage failed: a sentence that says why."""


class Source(NamedTuple):
    """Of which step, and where it worked."""

    position: int
    workspace: Path
    prefix: str = ""
    """Before each path, where other steps work in folders of their own and have files of the same names."""


@dataclass
class Budget:
    """What a build may still store. Asked in the runner's thread alone: steps that end together share it."""

    count: int
    bytes: int

    @classmethod
    def of_settings(cls) -> "Budget":
        return cls(settings.BUILDBOARD_MAX_ARTIFACTS, settings.BUILDBOARD_MAX_BUILD_ARTIFACTS_MB * _MEGABYTE)

    def take(self, count: int, amount: int) -> bool:
        if count > self.count or amount > self.bytes:
            return False
        self.count -= count
        self.bytes -= amount
        return True


def collect(aside: Aside, lease: Lease, source: Source, texts: Sequence[str], budget: Budget, *, failed: bool) -> None:
    """Store the files that the patterns `texts` mean. `failed`: the step has failed, so that it is no surprise where
    there are none. `NotStored`, `Left`."""
    _Collecting(aside, lease, source, budget).run(texts, failed=failed)


class _Collecting:
    def __init__(self, aside: Aside, lease: Lease, source: Source, budget: Budget) -> None:
        self._aside = aside
        self._lease = lease
        self._source = source
        self._budget = budget
        self._left_out: Counter[str] = Counter()
        """By reason, those that are not named."""
        self._said = 0

    def run(self, texts: Sequence[str], *, failed: bool) -> None:
        found = find(self._source.workspace, list(self._patterns(texts)), self._aside.is_left)
        for text in found.unmatched:
            (self._aside.say if failed else self._warn)(f"{shown(text)} means no file.")
        for line in found.refused:
            self._warn(f"{line}: not stored.")
        if found.more_refused:
            self._warn(f"{found.more_refused:,} more were not stored for reasons like these.")
        if found.cut:
            self._warn("The workspace has more files than are looked at: some of them are not stored.")
        stored = total = 0
        paths: list[str] = []
        with opened_folder(self._source.workspace) as folder:
            wanted = list(self._wanted(found.files))
            for first in range(0, len(wanted), BATCH):
                for path, amount in self._batch(folder, wanted[first : first + BATCH]):
                    stored, total = stored + 1, total + amount
                    paths += [path] if len(paths) < NAMED else []
        for why, count in self._left_out.items():
            self._warn(f"{count:,} more {'file was' if count == 1 else 'files were'} not stored: {why}.")
        if stored:
            rest = f" and {stored - len(paths):,} more" if stored > len(paths) else ""
            self._aside.say(f"{_files(stored)} stored, {size(total)}: {', '.join(paths)}{rest}")

    def _patterns(self, texts: Sequence[str]) -> Iterator[Pattern]:
        for text in texts:
            try:
                yield Pattern(text)
            except BadPattern as wrong:
                self._warn(f"The pattern {shown(text)} {wrong}: nothing of it is stored.")

    def _wanted(self, files: Sequence[Match]) -> Iterator[tuple[Intent, Match]]:
        most = settings.BUILDBOARD_MAX_ARTIFACT_MB * _MEGABYTE
        for match in files:
            path = self._source.prefix + match.path
            if len(path) > MAX_PATH:
                self._leave_out(f"{path[:80]}…", "", f"its path is longer than {MAX_PATH} characters")
            elif match.size > most:
                self._leave_out(path, size(match.size), f"an artifact has {size(most)} at most")
            elif not self._aside.ask(self._budget.take, 1, match.size):
                count, much = settings.BUILDBOARD_MAX_ARTIFACTS, settings.BUILDBOARD_MAX_BUILD_ARTIFACTS_MB
                self._leave_out(path, size(match.size), f"a build has {count:,} artifacts and {much:,} MB at most")
            else:
                yield Intent(self._source.position, path, match.size, filestore.new_name()), match

    def _batch(self, folder: int, wanted: Sequence[tuple[Intent, Match]]) -> Iterator[tuple[str, int]]:
        """Announce, store and tell; the path and the size of each that is stored."""
        self._aside.ask(artifacts.intend, self._lease, [intent for intent, _ in wanted])
        done: dict[str, Done] = {}
        try:
            for intent, match in wanted:
                one = self._one(folder, intent, match)
                if one is not None:
                    done[intent.name] = one
            self._aside.moved()
        except (filestore.Failed, Left) as error:
            for intent, _ in wanted:
                _discard(intent.name)
            if isinstance(error, Left):
                raise
            self._aside.ask(artifacts.forget, [intent.name for intent, _ in wanted])
            raise NotStored(str(error)) from error
        # Whether that landed is known to the database alone, so if this fails, what becomes of the files is its word.
        self._aside.ask(artifacts.settle, self._lease, list(done.values()))
        missing = [intent.name for intent, _ in wanted if intent.name not in done]
        if missing:
            self._aside.ask(artifacts.forget, missing)
        for intent, _ in wanted:
            if intent.name in done:
                yield intent.path, done[intent.name].size

    def _one(self, folder: int, intent: Intent, match: Match) -> Done | None:
        """None: it is no file any more that is to be read."""
        try:
            file = open_within(folder, match.path)
        except Refused as refused:
            self._leave_out(intent.path, "", str(refused))
            return None
        with os.fdopen(file, "rb") as opened:
            content = Measured(opened, intent.size, self._aside.moved)
            try:
                filestore.save(intent.name, content)
            except filestore.Unread as error:
                self._leave_out(intent.path, "", str(error))
                _discard(intent.name)
                return None
        return content.done(intent.name)

    def _leave_out(self, path: str, much: str, why: str) -> None:
        self._said += 1
        if self._said > NAMED:
            self._left_out[why] += 1
        else:
            self._warn(f"{shown(path)}{much and f' ({much})'} is not stored: {why}.")

    def _warn(self, text: str) -> None:
        self._aside.say(command("warning", "Artifacts", text))


class Measured(File):
    """A file that is read once, from its beginning, at most `limit` bytes of it: what it is becomes known meanwhile."""

    def __init__(self, opened: IO[bytes], limit: int, moved: Callable[[], None]) -> None:
        super().__init__(opened, "artifact")
        self._limit = limit
        self._moved = moved
        self._sha256 = hashlib.sha256()
        self._head = b""
        self._size = 0

    def read(self, count: int = -1) -> bytes:
        self._moved()
        left = self._limit - self._size
        try:
            part = self.file.read(left if count < 0 else min(count, left))
        except OSError as error:
            raise filestore.Unread((error.strerror or "it cannot be read").lower()) from error
        self._sha256.update(part)
        self._head += part[: HEAD_BYTES - len(self._head)]
        self._size += len(part)
        return part

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        while part := self.read(chunk_size or filestore.CHUNK_BYTES):
            yield part

    def seekable(self) -> bool:
        return False

    def done(self, name: str) -> Done:
        kind = artifacts.content_type(self._head, whole=self._size <= HEAD_BYTES)
        return Done(name, self._size, self._sha256.hexdigest(), kind)


def command(level: str, title: str, text: str) -> str:
    """A line that the log takes for an annotation."""
    for raw, escaped in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(raw, escaped)
    return f"::{level} title={title}::{text}"


def _files(count: int) -> str:
    return "1 artifact" if count == 1 else f"{count:,} artifacts"


def _discard(name: str) -> None:
    try:
        filestore.delete(name)
    except filestore.Failed as failure:  # its row is left, and so it is deleted later
        logger.warning("action=collect state=left file=%s error=%s", name, failure)
