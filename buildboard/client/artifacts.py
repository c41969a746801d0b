"""`artifacts`: what a build has kept, listed; and downloaded, each file whole and right or not at all."""

import fnmatch
import hashlib
import os
import time
from argparse import Namespace
from pathlib import Path, PurePosixPath
from typing import Any

from . import looks
from .board import Board, Refused, Unreachable
from .commands import open_board
from .looks import plain
from .talk import COULD_NOT, PASSED, CouldNot, tell

ATTEMPTS = 8
"""Of one file: each goes on where the one before was cut off."""
_BITE = 256 * 1024
_PART = ".part"


def artifacts(options: Namespace) -> int:
    with open_board(options) as board:
        return _artifacts(board, options)


def matches(path: str, glob: str) -> bool:
    """`*` and `?` as shells have them, over folders as well: `*.whl` finds `dist/a.whl`."""
    return fnmatch.fnmatchcase(path, glob) or fnmatch.fnmatchcase(PurePosixPath(path).name, glob)


def place(folder: Path, path: str) -> Path:
    """Where an artifact is kept below `folder`. `CouldNot` where its path would lead elsewhere: nobody's word on where
    to write is taken."""
    parts = path.split("/")
    if not path or "\\" in path or any(part in ("", ".", "..") or ":" in part or "\0" in part for part in parts):
        raise CouldNot(f"The artifact {plain(path)[:200]!r} has a path that leads elsewhere; nothing is written.")
    if any(part.rstrip(". ").lower() in (".git", "git~1") for part in parts):  # what is in it, git runs
        raise CouldNot(f"The artifact {plain(path)[:200]!r} is of a repository's own folder; nothing is written.")
    found = folder.joinpath(*parts)
    if not found.parent.resolve().is_relative_to(folder.resolve()):
        raise CouldNot(f"{found} leads out of {folder} by a link; nothing is written.")
    return found


def fetch(board: Board, artifact: dict[str, Any], path: Path) -> bool:
    """Download it, going on with what an earlier attempt has left. False: the file is there, and the same.

    `Refused`, `Unreachable`; `CouldNot` where it is not what the board says it is.
    """
    size, digest = int(artifact["size"]), str(artifact["sha256"])
    if path.is_file() and path.stat().st_size == size and _digest(path) == digest:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + _PART)
    was_there = part.exists()
    _bring(board, artifact, part)
    if was_there and _digest(part) != digest:  # it was left of another build's
        part.unlink()
        _bring(board, artifact, part)
    if part.stat().st_size != size or _digest(part) != digest:
        part.unlink()
        raise CouldNot(f"{plain(artifact['path'])}: what came is not what was kept (its SHA-256 is another).")
    os.replace(part, path)
    return True


def _bring(board: Board, artifact: dict[str, Any], part: Path) -> None:
    """As much as there is to come, in as many attempts as it takes. `Refused`, `Unreachable`."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _go_on(board, str(artifact["url"]), part, int(artifact["size"]))
            return
        except Unreachable as error:
            if attempt == ATTEMPTS:
                raise
            time.sleep(min(max(error.after or 0.0, 0.25 * 2**attempt), 10.0))


def _artifacts(board: Board, options: Namespace) -> int:
    found = _listed(board, options.build)
    if options.download is None:
        if options.json:
            looks.as_json(found)
        elif found:
            rows = [(one["path"], looks.size(one["size"]), one["content_type"], one["sha256"][:12]) for one in found]
            looks.table(("PATH", "SIZE", "TYPE", "SHA-256"), rows)
        else:
            tell(f"Build {options.build} has no artifacts.")
        return PASSED
    wanted = [one for one in found if matches(one["path"], options.download)]
    if not wanted:
        raise CouldNot(f"No artifact of build {options.build} is like {options.download!r}; it has {len(found):,}.")
    folder = Path(options.to)
    kept: list[dict[str, Any]] = []
    for one in wanted:
        path = place(folder, one["path"])
        try:
            if fetch(board, one, path):
                tell(f"{plain(one['path'])}  {looks.size(one['size'])}")
            else:
                tell(f"{plain(one['path'])}  is there already")
            kept.append(one | {"file": str(path)})
        except (Refused, Unreachable) as error:
            tell(f"{plain(one['path'])}  could not be fetched: {error}")
    if options.json:
        looks.as_json(kept)
    return PASSED if len(kept) == len(wanted) else COULD_NOT


def _go_on(board: Board, url: str, part: Path, size: int) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    if have == size and part.exists():
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    with board.stream(url, headers=headers) as stream:
        goes_on = stream.status == 206 and stream.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if not goes_on:
            have = 0
        with open(part, "ab" if goes_on else "wb") as out:
            while data := stream.read(_BITE):
                have += len(data)
                if have > size:
                    raise CouldNot(f"{plain(part.name)}: more came than the {size:,} bytes that were kept.")
                out.write(data)
    if have < size:
        raise Unreachable("The transfer was cut short.")


def _listed(board: Board, build: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    path = f"/api/v1/builds/{build}/artifacts"
    while path:
        page = board.ask("GET", path)
        found += page["items"]
        path = page.get("next") or ""
    return found


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
