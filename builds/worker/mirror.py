"""The worker's own copy of a project's repository: fetched into before each build, so that only what is new crosses the
network. Standard library only: the checkout is a program of its own.

A mirror is a folder: `git/`, bare; `lfs/`, what Git LFS keeps; `hosts`, ssh's host keys that were believed. It may be
removed at any time, and is when it is damaged, when the project's address is another one, or when the project is gone.
"""

import contextlib
import fcntl
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

from ..repository import Address
from .complaints import is_broken
from .git import Failed, Git

GC_OBJECTS = 6_700
"""With about so many loose objects, or 50 packs, a mirror is packed anew: git's own measure."""
LFS_SECONDS = 14 * 86_400.0
"""What Git LFS has fetched so long ago is removed, and fetched again where it is still needed."""
_WAIT_SECONDS = 0.1
_FETCH = ("fetch", "--quiet", "--progress", "--no-tags", "--no-write-fetch-head", "--update-shallow")
_EVERYTHING = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


class Mirror:
    """`with` it: alone at first, until `share`. What is asked of it raises `GitError`."""

    def __init__(self, folder: Path, address: Address, git: Git) -> None:
        self.path = folder / "git"
        self.lfs = folder / "lfs"
        self._folder = folder
        self._address = address
        self._git = git
        self._lock = -1

    def __enter__(self) -> "Mirror":
        """Wait until nobody else on this machine has it. A process that is killed has it as long as its git lives."""
        self._lock = _open_lock(self._folder)
        waits = False
        while not _take(self._lock, fcntl.LOCK_EX):
            if not waits:
                _say("Waiting for another build of this project, which fetches just now")
            waits = True
            self._git.remaining()
            time.sleep(_WAIT_SECONDS)
        self._git.held = (self._lock,)
        return self

    def share(self) -> None:
        """Nothing is changed any more; others may read it as well."""
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def __exit__(self, *error: object) -> None:
        self._git.held = ()
        os.close(self._lock)

    def fetch(self, refs: Collection[str] = ()) -> str:
        """Bring it up to date: branches, tags, and `refs` by their whole names. Returns the default branch, as the
        server has it; empty: it names none."""
        self._own()
        head = self._git.ask("ls-remote", "--symref", "--", self._address.text, "HEAD", cwd=self._folder, network=True)
        digits = head.rpartition("\n")[2].partition("\t")[0]
        self._prepare("sha256" if len(digits) == 64 else "sha1")
        try:
            self._fetch(refs)
        except Failed as error:
            if not is_broken(error.said):
                raise
            self.discard(error)
            self._prepare("sha256" if len(digits) == 64 else "sha1")
            self._fetch(refs)
        with contextlib.suppress(Failed):  # it is as good as before then
            self._git.ask("-c", f"gc.auto={GC_OBJECTS}", "gc", "--auto", "--quiet", cwd=self.path)
        found = re.match(r"ref: refs/heads/(\S+)\tHEAD$", head, re.MULTILINE)
        return found[1] if found else ""

    def fetch_commit(self, commit: str) -> None:
        """One that no branch or tag leads to, where the server gives it by its number."""
        self._git.show(*_FETCH, "--", self._address.text, commit, cwd=self.path, network=True)

    def discard(self, why: Exception) -> None:
        _say(f"This worker's copy of the repository is damaged ({str(why).rstrip('.')}): it is fetched anew")
        shutil.rmtree(self.path)

    def commit_of(self, name: str) -> str:
        """The commit that `name` is, a whole ref or a commit's number or its beginning; empty: there is none."""
        try:
            wanted = f"{name}^{{commit}}"
            return self._git.ask("rev-parse", "--verify", "--quiet", "--end-of-options", wanted, cwd=self.path)
        except Failed:
            return ""

    def tidy_lfs(self) -> None:
        """What was fetched long ago may be used no more."""
        old = time.time() - LFS_SECONDS
        for path in self.lfs.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and path.stat().st_mtime < old:
                    path.unlink()

    # --- Inside ---

    def _own(self) -> None:
        """A folder that is of this address, without what a killed git has left in it."""
        of = self._folder / "address"
        if of.exists() and of.read_text() != self._address.spelled:
            shutil.rmtree(self._folder)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        of.write_text(self._address.spelled)
        # Nobody else writes here now: these are of a git that was killed, and would stop the next one.
        for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*", "objects/info/**/*.lock"):
            for left in self.path.glob(pattern):
                left.unlink(missing_ok=True)

    def _prepare(self, form: str) -> None:
        if (self.path / "HEAD").exists():
            return
        made = self._folder / "making"
        for folder in (self.path, made):
            shutil.rmtree(folder, ignore_errors=True)
        self._git.ask(
            "init", "--quiet", "--bare", "--template=", f"--object-format={form}", str(made), cwd=self._folder
        )
        made.rename(self.path)

    def _fetch(self, refs: Collection[str]) -> None:
        wanted = [*_EVERYTHING, *(f"+{ref}:{ref}" for ref in refs)]
        self._git.show(*_FETCH, "--prune", "--", self._address.text, *wanted, cwd=self.path, network=True)


def stale(folder: Path, known: Callable[[], Collection[int]]) -> list[Path]:
    """The mirrors in `folder` of projects that are gone. `known` is asked after looking: a project is older than its
    mirror."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.name.isdigit()]
    except OSError:
        return []
    projects = {str(number) for number in known()} if names else set()
    return [folder / name for name in names if name not in projects]


def remove(folder: Path) -> bool:
    """Of a project that is gone. False: a build still has it."""
    lock = _open_lock(folder)
    try:
        if not _take(lock, fcntl.LOCK_EX):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}.lock").unlink(missing_ok=True)
        return True
    finally:
        os.close(lock)


def _open_lock(folder: Path) -> int:
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT, 0o600)


def _take(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
