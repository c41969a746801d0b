"""What a command has left behind: found when it is over, and sent to the board, each file whole or not at all."""

import glob
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .board import Refused
from .looks import plain
from .talk import CouldNot

MOST_FILES = 10_000
"""Looked at: a board takes fewer."""
BATCH = 20
"""Announced at a time."""
RENEW_SECONDS = 5.0
_BITE = 1024 * 1024


class File(NamedTuple):
    path: str
    """Below the folder, with slashes: what it is called on the board."""
    place: Path
    size: int


def check(patterns: Sequence[str]) -> None:
    """`CouldNot` where one leads out of the folder that the command runs in."""
    for pattern in patterns:
        if not pattern.strip() or "\0" in pattern:
            raise CouldNot("--artifact: expected a file, a folder or a pattern such as 'dist/*.whl'.")
        if pattern.startswith(("/", "~")) or ".." in pattern.split("/"):
            raise CouldNot(f"--artifact {plain(pattern)[:80]!r}: expected a path below this folder, without a '..'.")


def find(folder: Path, patterns: Sequence[str], tell: Callable[[str], None]) -> list[File]:
    """The files that they mean, each once, by path; a folder means all that is in it. What is left out is told."""
    found: dict[str, File] = {}
    for pattern in patterns:
        hit = False
        for path in _meant(folder, pattern):
            if path in found:
                hit = True
                continue
            if len(found) == MOST_FILES:
                tell(f"── More than {MOST_FILES:,} files are like what --artifact names: the others are left out.")
                return [found[path] for path in sorted(found)]
            place = folder / path
            try:
                looked = os.lstat(place)
                within = place.resolve().is_relative_to(folder.resolve())
            except OSError as error:
                tell(f"── {plain(path)} is not kept: {error.strerror or error}.")
                continue
            hit = True
            if not stat.S_ISREG(looked.st_mode) or not within:
                tell(f"── {plain(path)} is not kept: it is no file of this folder, but a link or something else.")
                continue
            found[path] = File(path, place, looked.st_size)
        if not hit:
            tell(f"── --artifact {plain(pattern)!r} means no file.")
    return [found[path] for path in sorted(found)]


def send(
    files: Sequence[File],
    ask: Callable[..., Any],
    write: Callable[..., Any],
    hide: Callable[[str], str],
    lease: str,
    build: int,
    tell: Callable[[str], None],
) -> None:
    """`ask`: a request, until it is answered; `write`: one that names the head."""
    kept = 0
    heard_at = time.monotonic()

    def live() -> None:
        """A large file takes its time to be read, and the board would give the build up."""
        nonlocal heard_at
        if time.monotonic() - heard_at >= RENEW_SECONDS:
            ask(f"/api/v1/runs/{build}/renew", {"lease": lease})
            heard_at = time.monotonic()

    for first in range(0, len(files), BATCH):
        batch = []
        for file in files[first : first + BATCH]:
            try:
                batch.append((file, _digest(file, live)))
            except OSError as error:
                tell(f"── {plain(file.path)} is not kept: {error.strerror or error}.")
        if not batch:
            continue
        told = [{"step": 0, "path": hide(file.path), "size": file.size, "sha256": digest} for file, digest in batch]
        where = f"/api/v1/runs/{build}/artifacts"
        try:
            places = ask(where, {"lease": lease, "files": told})
            heard_at = time.monotonic()
        except Refused as error:
            tell(f"── Nothing of --artifact is kept: {error}")
            return
        for (file, _), place in zip(batch, places["files"], strict=True):
            why = place["refused"] or _sent(file, place, int(places["piece_bytes"]), where, ask, write, lease)
            if why:
                tell(f"── {plain(file.path)} is not kept: {plain(why)}")
            else:
                kept += 1
    if kept:
        tell(f"── {kept:,} {'artifact is' if kept == 1 else 'artifacts are'} kept on the board.")


def _sent(
    file: File,
    place: Mapping[str, Any],
    piece: int,
    where: str,
    ask: Callable[..., Any],
    write: Callable[..., Any],
    lease: str,
) -> str:
    """Why it is not there; empty: it is."""
    if place["number"] is None:
        return ""
    have = int(place["have"])
    try:
        with open(file.place, "rb", buffering=0) as opened:
            while have < file.size:
                opened.seek(have)
                data = opened.read(min(piece, file.size - have))
                if len(data) < min(piece, file.size - have):
                    return "it became shorter while it was sent."
                path = f"{where}/{place['number']}?offset={have}"
                have = int(ask(path, raw=data, method="PUT", headers={"Buildboard-Lease": lease})["have"])
        write(f"artifacts/{place['number']}/complete")
    except OSError as error:
        return f"{error.strerror or error}."
    except Refused as error:
        return str(error)
    return ""


def _meant(folder: Path, pattern: str) -> Iterator[str]:
    for path in sorted(glob.iglob(pattern, root_dir=folder, recursive=True)):
        path = path.rstrip("/")
        if (folder / path).is_dir() and not (folder / path).is_symlink():
            for below in sorted(glob.iglob(f"{glob.escape(path)}/**", root_dir=folder, recursive=True)):
                if not (folder / below).is_dir():
                    yield os.path.normpath(below)
        else:
            yield os.path.normpath(path)


def _digest(file: File, live: Callable[[], None]) -> str:
    """Of as much as it had when it was found. `live` is called often. `OSError`."""
    found, left = hashlib.sha256(), file.size
    with open(file.place, "rb") as opened:
        while left and (data := opened.read(min(_BITE, left))):
            live()
            found.update(data)
            left -= len(data)
    return found.hexdigest()
