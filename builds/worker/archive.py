"""Files of a workspace ↔ a compressed archive. Whatever is in either may be of anybody's making.

Packing follows no link and leaves out what is no plain file, folder or link within the workspace. Unpacking writes
through no link: each folder is opened in the one before it, and each file is a new one. Numbers, sizes and depths are
bounded both ways; nothing is owned by another, and no bit of a mode lends rights.
"""

import contextlib
import os
import stat
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from .globs import MAX_DEPTH, Refused, open_within

MAX_FILES = 500_000
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FOLDER = _LOOK | os.O_DIRECTORY
_BITE = 1024 * 1024


class BadArchive(ValueError):
    """Half a sentence that says what is wrong with it."""


class TooMuch(ValueError):
    """The files are more, or larger, than may be packed: half a sentence."""


@dataclass
class Packed:
    files: int = 0
    bytes: int = 0
    """Of their contents."""
    left_out: int = 0
    """Pipes, devices, links that lead out of the workspace, and what could not be read."""


def pack(folder: int, paths: Sequence[str], target: IO[bytes], most: int, check: Callable[[], None]) -> Packed:
    """Write what is at `paths` below the opened `folder` into `target`, at most `most` bytes of contents. `TooMuch`;
    what `check`, which is called often, raises."""
    packing = _Packing(most, check)
    with tarfile.open(fileobj=target, mode="w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as made:
        for path in paths:
            packing.add(made, folder, path)
    return packing.packed


class _Packing:
    def __init__(self, most: int, check: Callable[[], None]) -> None:
        self.packed = Packed()
        self._most = most
        self._check = check
        self._known: set[str] = set()

    def add(self, made: tarfile.TarFile, root: int, path: str) -> None:
        *parents, name = path.split("/")
        with _opened(root, parents) as at:
            if at is None:
                self.packed.left_out += 1
            else:
                self._entry(made, at, name, path)

    def _entry(self, made: tarfile.TarFile, folder: int, name: str, path: str) -> None:
        self._check()
        if path in self._known:
            return
        self._known.add(path)
        if len(self._known) > MAX_FILES:
            raise TooMuch(f"there are more than {MAX_FILES:,} files")
        try:
            looked = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            self.packed.left_out += 1
            return
        entry = tarfile.TarInfo(path)
        entry.mode, entry.mtime = stat.S_IMODE(looked.st_mode) & 0o777, int(looked.st_mtime)
        try:
            if stat.S_ISLNK(looked.st_mode):
                entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(name, dir_fd=folder)
                if stays_within(path, entry.linkname):
                    made.addfile(entry)
                    return
            elif stat.S_ISDIR(looked.st_mode):
                entry.type = tarfile.DIRTYPE
                made.addfile(entry)
                self._folder(made, folder, name, path)
                return
            elif stat.S_ISREG(looked.st_mode):
                self._file(made, folder, name, entry)
                return
        except (OSError, Refused, UnicodeError):
            pass
        self.packed.left_out += 1

    def _folder(self, made: tarfile.TarFile, folder: int, name: str, path: str) -> None:
        if path.count("/") >= MAX_DEPTH:
            raise TooMuch(f"folders are nested deeper than {MAX_DEPTH}")
        below = os.open(name, _FOLDER, dir_fd=folder)
        try:
            for inner in sorted(os.listdir(below)):
                self._entry(made, below, inner, f"{path}/{inner}")
        finally:
            os.close(below)

    def _file(self, made: tarfile.TarFile, folder: int, name: str, entry: tarfile.TarInfo) -> None:
        with os.fdopen(open_within(folder, name), "rb") as opened:
            entry.size = os.fstat(opened.fileno()).st_size
            self.packed.bytes += entry.size
            if self.packed.bytes > self._most:
                raise TooMuch(f"they have more than {self._most // 1024 // 1024:,} MB")
            made.addfile(entry, _Whole(opened, entry.size, self._check))  # type: ignore[arg-type]
        self.packed.files += 1


class _Whole:
    """Exactly so many bytes of a file, however it changes meanwhile: what is missing is zeros."""

    def __init__(self, opened: IO[bytes], size: int, check: Callable[[], None]) -> None:
        self._opened = opened
        self._left = size
        self._check = check

    def read(self, count: int) -> bytes:
        self._check()
        count = min(count, self._left)
        data = self._opened.read(count).ljust(count, b"\0")
        self._left -= count
        return data


def unpack(source: IO[bytes], folder: int, most: int, check: Callable[[], None]) -> Packed:
    """Write what is in the archive below the opened `folder`. `BadArchive`: what was written until then stays."""
    packed = Packed()
    try:
        with tarfile.open(fileobj=source, mode="r|gz") as made:
            for number, entry in enumerate(made):
                check()
                if number >= MAX_FILES:
                    raise BadArchive(f"has more than {MAX_FILES:,} files")
                packed.bytes += entry.size if entry.isreg() else 0
                if packed.bytes > most:
                    raise BadArchive(f"comes to more than {most // 1024 // 1024:,} MB")
                _unpack_one(made, entry, folder, check)
                packed.files += entry.isreg()
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise BadArchive(f"is damaged: {str(error)[:100] or type(error).__name__}") from None
    except OSError as error:
        if error.errno is None:  # of the compression, not of the disk
            raise BadArchive("is damaged") from None
        raise
    return packed


def _unpack_one(made: tarfile.TarFile, entry: tarfile.TarInfo, root: int, check: Callable[[], None]) -> None:
    parts = entry.name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts) or len(parts) > MAX_DEPTH + 1:
        raise BadArchive(f"has a path that leads elsewhere: {ascii(entry.name[:80])}")
    *parents, name = parts
    with _opened(root, parents, make=True) as folder:
        if folder is None:
            raise BadArchive(f"has a file below something that is no folder: {ascii(entry.name[:80])}")
        if entry.isdir():
            _make_folder(folder, name, entry.mode)
        elif entry.issym():
            if not stays_within(entry.name, entry.linkname):
                raise BadArchive(f"has a link that leads elsewhere: {ascii(entry.name[:80])}")
            _remove(folder, name)
            os.symlink(entry.linkname, name, dir_fd=folder)
        elif entry.isreg():
            _write(made, entry, folder, name, check)
        else:
            raise BadArchive(f"has something that is no file, folder or link: {ascii(entry.name[:80])}")


def _write(made: tarfile.TarFile, entry: tarfile.TarInfo, folder: int, name: str, check: Callable[[], None]) -> None:
    content = made.extractfile(entry)
    assert content is not None  # noqa: S101 - of a plain file there is always one
    _remove(folder, name)
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    with open(file, "wb") as out:
        while data := content.read(_BITE):
            check()
            out.write(data)
        out.flush()
        os.fchmod(file, entry.mode & 0o777 | 0o600)
        with contextlib.suppress(OSError, OverflowError):
            os.utime(file, (entry.mtime, entry.mtime))


def _make_folder(folder: int, name: str, mode: int) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            _remove(folder, name)
            os.mkdir(name, 0o700, dir_fd=folder)
    below = os.open(name, _FOLDER, dir_fd=folder)
    try:
        os.fchmod(below, mode & 0o777 | 0o700)
    finally:
        os.close(below)


def _remove(folder: int, name: str) -> None:
    """What is there, if it is no folder."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


@contextlib.contextmanager
def _opened(root: int, parents: Sequence[str], make: bool = False):  # type: ignore[no-untyped-def]
    """The folder at the end of `parents`, opened, without following a link; None: there is no such folder."""
    at = os.dup(root)
    try:
        for parent in parents:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(parent, 0o700, dir_fd=at)
            try:
                below = os.open(parent, _FOLDER, dir_fd=at)
            except OSError:
                yield None
                return
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def stays_within(path: str, target: str) -> bool:
    """Whether a link at `path` leads to a place in the workspace, or may: by its words, step by step."""
    if not target or target.startswith("/") or "\0" in target or len(target) > 4096:
        return False
    depth = path.count("/")
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            return False
    return True
