"""Which files of a workspace a pattern means, and how such a file is opened: never one outside of it.

A pattern is a path with slashes, within the workspace: `*` and `?` stand for characters of one name, `[a-z]` and `[!a]`
for one of those or none of them, `**` for any number of folders. A pattern that means a folder means all files below
it. Names that begin with a dot are meant only by a pattern that has the dot.

What the steps left running may change the workspace at any moment: each folder is opened in the one before it, links
are not followed, and what is opened is looked at before a byte is read. A link may be exchanged for a folder at any
time, and still leads nowhere.
"""

import contextlib
import errno
import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_PATTERN = 500
"""Characters of a pattern."""
MAX_DEPTH = 100
"""Folders in folders."""
MAX_LOOKED_AT = 500_000
"""Names in a workspace: more are not looked at."""
MAX_TOLD = 20
"""Of what is refused so many are named."""
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class BadPattern(ValueError):
    """Half a sentence that says what is wrong with it."""


class Refused(Exception):
    """A file that is not to be read: half a sentence that says why."""


class Match(NamedTuple):
    path: str
    """Within the workspace, with slashes."""
    size: int
    written: int
    """When its content last changed, in nanoseconds."""


@dataclass
class Found:
    files: list[Match] = field(default_factory=list)
    """In the order of their paths, each once."""
    refused: list[str] = field(default_factory=list)
    """What the patterns mean and what is not read, each as `path: why`; the first of them."""
    more_refused: int = 0
    unmatched: list[str] = field(default_factory=list)
    """Patterns that mean no file."""
    cut: bool = False
    """There are more names than are looked at."""

    def refuse(self, path: str, why: str) -> None:
        if len(self.refused) < MAX_TOLD:
            self.refused.append(f"{shown(path)}: {why}")
        else:
            self.more_refused += 1


def shown(path: str) -> str:
    """A path as a line of a log can have it."""
    return path if path.isprintable() else ascii(path)[1:-1]


class Pattern:
    """`BadPattern` where `text` is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_PATTERN:
            raise BadPattern(f"is longer than {MAX_PATTERN} characters")
        if "\0" in text:
            raise BadPattern("has a NUL in it")
        if text.startswith(("/", "~")):
            raise BadPattern("is not within the workspace: expected a path without a / at its beginning")
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise BadPattern("is not within the workspace: expected no ..")
        if not parts and text.strip("./") != "":
            raise BadPattern("is empty")
        if not text.strip():
            raise BadPattern("is empty")
        if len(parts) > MAX_DEPTH:
            raise BadPattern(f"has more than {MAX_DEPTH} folders")
        self._parts: list[_Part | None] = []
        """One for each name of a path; None: any number of them."""
        for part in parts:
            if part != "**":
                self._parts.append(_Part(part))
            elif not self._parts or self._parts[-1] is not None:
                self._parts.append(None)

    def begin(self) -> frozenset[int]:
        """Where a walk stands at the workspace itself: which parts may come next."""
        return self._with_rest({0})

    def step(self, at: frozenset[int], name: str) -> frozenset[int]:
        """Where it stands one name further down."""
        following = set()
        for place in at:
            if place == len(self._parts):  # a folder is meant: all that is in it is
                if not name.startswith("."):
                    following.add(place)
                continue
            part = self._parts[place]
            if part is None:
                if not name.startswith("."):
                    following.add(place)
            elif part.fits(name):
                following.add(place + 1)
        return self._with_rest(following)

    def means(self, at: frozenset[int]) -> bool:
        return len(self._parts) in at

    def fits(self, path: str) -> bool:
        """Whether it means the file at `path`."""
        at = self.begin()
        for name in path.split("/"):
            at = self.step(at, name)
        return self.means(at)

    def _with_rest(self, places: set[int]) -> frozenset[int]:
        for place in sorted(places):
            while place < len(self._parts) and self._parts[place] is None:
                place += 1
                places.add(place)
        return frozenset(places)


class _Part:
    def __init__(self, text: str) -> None:
        self._dotted = text.startswith(".")
        self._match = re.compile(fnmatch.translate(text)).match

    def fits(self, name: str) -> bool:
        return (self._dotted or not name.startswith(".")) and self._match(name) is not None


def find(workspace: str | os.PathLike, patterns: Sequence[Pattern], check: Callable[[], None]) -> Found:
    """The files of the folder `workspace` that `patterns` mean. `check` is called often, and may raise.

    `OSError` where the workspace itself cannot be read.
    """
    found = Found()
    walk = _Walk(found, patterns, check)
    with opened_folder(workspace) as folder:
        walk.folder(folder, "", [pattern.begin() for pattern in patterns])
    found.files.sort()
    found.unmatched = [pattern.text for pattern, hit in zip(patterns, walk.hit, strict=True) if not hit]
    return found


class _Walk:
    def __init__(self, found: Found, patterns: Sequence[Pattern], check: Callable[[], None]) -> None:
        self._found = found
        self._patterns = patterns
        self._check = check
        self._looked_at = 0
        self.hit = [False] * len(patterns)

    def folder(self, file: int, path: str, at: list[frozenset[int]], depth: int = 0) -> None:
        if self._found.cut:
            return
        self._check()
        try:
            with os.scandir(file) as entries:
                names = []
                for entry in entries:
                    self._looked_at += 1
                    if self._looked_at > MAX_LOOKED_AT:
                        self._found.cut = True
                        break
                    names.append(entry.name)
        except OSError as error:
            self._found.refuse(path, _why(error))
            return
        for name in sorted(names):
            following = [pattern.step(places, name) for pattern, places in zip(self._patterns, at, strict=True)]
            if any(following):
                self._entry(file, name, f"{path}/{name}" if path else name, following, depth)

    def _entry(self, folder: int, name: str, path: str, at: list[frozenset[int]], depth: int) -> None:
        hits = [pattern.means(places) for pattern, places in zip(self._patterns, at, strict=True)]
        try:
            looked = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return  # it is gone
        if stat.S_ISDIR(looked.st_mode):
            self._below(folder, name, path, at, depth)
            return
        if not any(hits):
            return
        self.hit = [before or now for before, now in zip(self.hit, hits, strict=True)]
        try:
            check(path, looked.st_mode)
        except Refused as refused:
            self._found.refuse(path, str(refused))
        else:
            self._found.files.append(Match(path, looked.st_size, looked.st_mtime_ns))

    def _below(self, folder: int, name: str, path: str, at: list[frozenset[int]], depth: int) -> None:
        if depth >= MAX_DEPTH:
            self._found.refuse(path, f"more than {MAX_DEPTH} folders deep")
            return
        try:
            file = os.open(name, _LOOK | os.O_DIRECTORY, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):  # gone, or something else by now
                self._found.refuse(path, _why(error))
            return
        try:
            self.folder(file, path, at, depth + 1)
        finally:
            os.close(file)


def check(path: str, mode: int) -> None:
    """`Refused` unless it is a plain file with a name that can be shown."""
    if stat.S_ISLNK(mode):
        raise Refused("a symbolic link is not followed")
    if not stat.S_ISREG(mode):
        raise Refused("not a plain file")
    if not path.isprintable():
        raise Refused("its name has characters that cannot be shown")


@contextlib.contextmanager
def opened_folder(path: str | os.PathLike) -> Iterator[int]:
    file = os.open(path, _LOOK | os.O_DIRECTORY)
    try:
        yield file
    finally:
        os.close(file)


def open_within(folder: int, path: str) -> int:
    """A descriptor of the plain file at `path` below the opened `folder`, for the caller to close. `Refused`."""
    *parents, name = path.split("/")
    at = folder
    try:
        for parent in parents:
            below = os.open(parent, _LOOK | os.O_DIRECTORY, dir_fd=at)
            if at != folder:
                os.close(at)
            at = below
        file = os.open(name, _LOOK, dir_fd=at)
    except OSError as error:
        raise Refused(_why(error)) from error
    finally:
        if at != folder:
            os.close(at)
    try:
        check(path, os.fstat(file).st_mode)
    except BaseException:
        os.close(file)
        raise
    return file


def _why(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "a symbolic link is not followed"
    return "it is gone" if error.errno == errno.ENOENT else (error.strerror or "it cannot be read").lower()
