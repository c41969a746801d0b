"""A step's artifacts, collected when it is over, however it ended: found in its workspace, copied to the storage, told.

Looking and copying are work beside the runner's loop; the runner's own thread stores what is known of each file, before
its first byte is copied and after its last. What is left out is said in the step's log, as a warning. A storage that
fails, or hangs, fails the step.
"""

import hashlib
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, NamedTuple

from django.conf import settings
from django.core.files import File

from buildboard.terminal.masks import Masks

from .. import artifacts, filestore
from ..artifacts import HEAD_BYTES, MAX_PATH, Done, Intent
from ..events import Lease
from ..retention import size
from ..states import Status
from .endings import Ending
from .globs import BadPattern, Found, Match, Pattern, Refused, find, open_within, opened_folder, shown
from .jobs import Desk, Stopped, Work
from .running import Hook, Running, Start
from .storing import Storing

logger = logging.getLogger(__name__)

_MEGABYTE = 1024 * 1024
BATCH = 50
"""So many files are told at once."""
NAMED = 10
"""So many are named in a line of the log; the others are counted."""
PATIENCE = 90.0
"""Seconds in which a storage has to take something: longer than its own attempts last."""
FAULT = "Its artifacts could not be stored"


class Wanted(NamedTuple):
    intent: Intent
    path: str
    """Where the file is, within the workspace."""


@dataclass
class Budget:
    """What a build may still store: steps that end together share it."""

    count: int
    bytes: int

    @classmethod
    def of_settings(cls) -> "Budget":
        return cls(settings.BUILDBOARD_MAX_ARTIFACTS, settings.BUILDBOARD_MAX_BUILD_ARTIFACTS_MB * _MEGABYTE)

    def take(self, amount: int) -> bool:
        """One file of so many bytes."""
        if self.count < 1 or amount > self.bytes:
            return False
        self.count -= 1
        self.bytes -= amount
        return True


class Teller:
    """Says to the log of a step what is left out: some by name, the others by number."""

    def __init__(self, step: Running, title: str) -> None:
        self._step = step
        self._title = title
        self._said = 0
        self._more: Counter[str] = Counter()

    def say(self, line: str) -> None:
        self._step.log.begin_line(line, time.monotonic())

    def warn(self, text: str, level: str = "warning") -> None:
        self.say(command(level, self._title, text))

    def leave_out(self, path: str, why: str, much: str = "") -> None:
        self._said += 1
        if self._said > NAMED:
            self._more[why] += 1
        else:
            self.warn(f"{shown(path)}{much and f' ({much})'} is not stored: {why}.")

    def close(self) -> None:
        for why, count in self._more.items():
            self.warn(f"{count:,} more {'file was' if count == 1 else 'files were'} not stored: {why}.")


class Artifacts(Hook):
    """Of one build."""

    def __init__(self, lease: Lease, store: Storing, masks: Masks) -> None:
        self._lease = lease
        self._store = store
        self._masks = masks
        self._budget = Budget.of_settings()

    def after(self, step: Running, ending: Ending) -> Iterable[Start]:
        if not step.step.artifacts:
            return
        teller = Teller(step, "Artifacts")
        look = Look(step, step.step.artifacts)
        yield look.start
        look.tell(teller, quiet=ending.status != Status.PASSED)
        wanted = list(self._wanted(step, look.found.files, teller))
        stored: list[tuple[str, int]] = []
        for first in range(0, len(wanted), BATCH):
            batch = wanted[first : first + BATCH]
            self._store(artifacts.intend, self._lease, [one.intent for one in batch])
            copy = Copy(step, batch)
            yield copy.start
            self._settle(copy, teller, stored)
            if copy.failed:
                yield copy.fail
        teller.close()
        if stored:
            named = ", ".join(path for path, _ in stored[:NAMED])
            rest = f" and {len(stored) - NAMED:,} more" if len(stored) > NAMED else ""
            total = size(sum(amount for _, amount in stored))
            teller.say(
                f"{'1 artifact' if len(stored) == 1 else f'{len(stored):,} artifacts'} stored, {total}: {named}{rest}"
            )

    def _wanted(self, step: Running, files: Sequence[Match], teller: Teller) -> Iterator[Wanted]:
        most = settings.BUILDBOARD_MAX_ARTIFACT_MB * _MEGABYTE
        prefix = prefix_of(step)
        hidden: set[str] = set()
        for match in files:
            path = self._masks.text(prefix + match.path)  # a step may call a file as a secret
            if path != prefix + match.path:
                if path in hidden:
                    teller.leave_out(path, "without the secrets in them another file has the same path")
                    continue
                hidden.add(path)
            if len(path) > MAX_PATH:
                teller.leave_out(f"{path[:80]}…", f"its path is longer than {MAX_PATH} characters")
            elif match.size > most:
                teller.leave_out(
                    path, f"an artifact has {settings.BUILDBOARD_MAX_ARTIFACT_MB:,} MB at most", size(match.size)
                )
            elif not self._budget.take(match.size):
                count, much = settings.BUILDBOARD_MAX_ARTIFACTS, settings.BUILDBOARD_MAX_BUILD_ARTIFACTS_MB
                teller.leave_out(path, f"a build has {count:,} artifacts and {much:,} MB at most", size(match.size))
            else:
                yield Wanted(Intent(step.position, path, match.size, filestore.new_name()), match.path)

    def _settle(self, copy: "Copy", teller: Teller, stored: list[tuple[str, int]]) -> None:
        """What was copied is there; what was not, is forgotten."""
        for path, why in copy.left_out:
            teller.leave_out(path, why)
        done = {} if copy.failed else copy.done
        missing = [one.intent.name for one in copy.wanted if one.intent.name not in done]
        if missing:
            self._store(artifacts.forget, missing)
        self._store(artifacts.settle, self._lease, list(done.values()))
        stored += [(one.intent.path, done[one.intent.name].size) for one in copy.wanted if one.intent.name in done]


class Look:
    """Which files of a step's workspace its patterns mean."""

    def __init__(self, step: Running, texts: Sequence[str]) -> None:
        self.found = Found()
        self._workspace = step.workspace
        self.patterns: list[Pattern] = []
        self._wrong: list[str] = []
        for text in texts:
            try:
                self.patterns.append(Pattern(text))
            except BadPattern as wrong:
                self._wrong.append(f"The pattern {shown(text)} {wrong}: nothing of it is looked at.")

    def start(self) -> Work:
        return Work("Its workspace could not be looked through", self._run)

    def _run(self, desk: Desk) -> None:
        self.found = find(self._workspace, self.patterns, desk.check)

    def tell(self, teller: Teller, *, quiet: bool) -> None:
        """What is odd about it. `quiet`: that there are no files is no surprise."""
        for line in self._wrong:
            teller.warn(line)
        for text in self.found.unmatched:
            line = f"{shown(text)} means no file."
            teller.say(line) if quiet else teller.warn(line)
        for line in self.found.refused:
            teller.warn(f"{line}: left out.")
        if self.found.more_refused:
            teller.warn(f"{self.found.more_refused:,} more were left out for reasons like these.")
        if self.found.cut:
            teller.warn("The workspace has more files than are looked at: some of them are left out.")


class Copy:
    """Files on their way to the storage: all of a batch, or none where the storage fails."""

    def __init__(self, step: Running, wanted: Sequence[Wanted]) -> None:
        self.wanted = wanted
        self.done: dict[str, Done] = {}
        self.left_out: list[tuple[str, str]] = []
        self.failed = ""
        self._workspace = step.workspace

    def start(self) -> Work:
        return Work(FAULT, self._run, PATIENCE)

    def fail(self) -> Work:
        def say(desk: Desk) -> None:
            raise ValueError(self.failed.rstrip("."))

        return Work(FAULT, say)

    def _run(self, desk: Desk) -> None:
        try:
            with opened_folder(self._workspace) as folder:
                for one in self.wanted:
                    self._one(folder, one, desk)
            desk.check()
        except (filestore.Failed, Stopped) as error:
            for one in self.wanted:
                _discard(one.intent.name)
            if isinstance(error, Stopped):
                raise
            self.failed = str(error)

    def _one(self, folder: int, one: Wanted, desk: Desk) -> None:
        try:
            file = open_within(folder, one.path)
        except Refused as refused:  # it is none any more that is to be read
            self.left_out.append((one.intent.path, str(refused)))
            return
        with os.fdopen(file, "rb") as opened:
            content = Measured(opened, one.intent.size, desk.check)
            try:
                filestore.save(one.intent.name, content)
            except filestore.Unread as error:
                self.left_out.append((one.intent.path, str(error)))
                _discard(one.intent.name)
            else:
                self.done[one.intent.name] = content.done(one.intent.name)


class Measured(File):
    """A file that is read once, from its beginning, at most `limit` bytes of it: what it is becomes known meanwhile."""

    def __init__(self, opened: IO[bytes], limit: int, check: Callable[[], None]) -> None:
        super().__init__(opened, "artifact")
        self._limit = limit
        self._check = check
        self._sha256 = hashlib.sha256()
        self._head = b""
        self._size = 0

    def read(self, count: int = -1) -> bytes:
        try:
            self._check()
        except Stopped:
            raise filestore.Unread("it was stopped") from None  # no fault of the storage; whoever copies asks again
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


def prefix_of(step: Running) -> str:
    """Before each path of a step that works in a folder of its own: others may have files of the same names there."""
    return "" if step.step.workspace == "shared" else f"{step.name.replace('/', '-')}/"


def _discard(name: str) -> None:
    try:
        filestore.delete(name)
    except filestore.Failed as failure:  # its row is left, and so it is deleted later
        logger.warning("action=collect state=left file=%s error=%s", name, failure)
