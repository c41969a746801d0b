"""What a mirror tells of a commit: which one a ref is, who wrote it, what is new in it, and its recipe. Standard
library only: the checkout is a program of its own."""

import re
from dataclasses import dataclass
from typing import Any

from .git import Failed, Git, GitError
from .mirror import Mirror

MOST_CHANGES = 50
"""Commits that are listed; the others are counted."""
_SHORTHAND = re.compile(r"(?:pull|merge-requests)/[0-9]{1,10}/(?:head|merge)\Z")
_NUMBER = re.compile(r"[0-9a-f]{4,64}\Z")
_FORMAT = "--format=%H%x00%s%x00%aN%x00%cI%x1e"


@dataclass(frozen=True)
class Found:
    commit: str
    branch: str = ""
    tag: str = ""


def whole(name: str) -> str:
    """`pull/7/head` is short for `refs/pull/7/head`."""
    return f"refs/{name}" if _SHORTHAND.match(name) else name


def besides(name: str) -> list[str]:
    """What has to be fetched besides branches and tags so that `name`, as `whole` gives it, is there."""
    return [name] if name.startswith("refs/") and not name.startswith(("refs/heads/", "refs/tags/")) else []


def find(mirror: Mirror, name: str, commit: str) -> Found:
    """The commit that is built: `commit`, where that is known, else what `name` is: a branch, a tag, a whole ref, or a
    commit's number. `GitError`: it is not there."""
    found = _resolve(mirror, name)
    if not commit:
        if found is None:
            raise GitError(f"There is no branch, tag or commit {name} in the repository.")
        return found
    if not mirror.commit_of(commit):
        try:
            mirror.fetch_commit(commit)
        except Failed as error:
            raise GitError(
                f"The commit {commit[:12]} is in no branch or tag of the repository, nor to be had by itself. {error}"
            ) from error
    return Found(commit, found.branch if found else "", found.tag if found else "")


def _resolve(mirror: Mirror, name: str) -> Found | None:
    short = name.removeprefix("refs/heads/").removeprefix("refs/tags/")
    if not name.startswith("refs/tags/") and (commit := mirror.commit_of(f"refs/heads/{short}")):
        return Found(commit, branch=short)
    if not name.startswith("refs/heads/") and (commit := mirror.commit_of(f"refs/tags/{short}")):
        return Found(commit, tag=short)
    if (name.startswith("refs/") or _NUMBER.match(name)) and (commit := mirror.commit_of(name)):
        return Found(commit)
    return None


def describe(git: Git, mirror: Mirror, commit: str) -> dict[str, str]:
    """`commit`, `title`, `author` and `at` of it."""
    return _listed(git.ask("log", "-1", _FORMAT, commit, cwd=mirror.path))[0]


def changes(git: Git, mirror: Mirror, since: str, commit: str) -> dict[str, Any] | None:
    """What `commit` has that `since` had not, newest first. None: `since` is not there any more."""
    if not mirror.commit_of(since):
        return None
    new, gone = f"{since}..{commit}", f"{commit}..{since}"
    listed = git.ask("log", f"--max-count={MOST_CHANGES}", _FORMAT, new, cwd=mirror.path)
    return {
        "since": since,
        "count": int(git.ask("rev-list", "--count", new, cwd=mirror.path)),
        "gone": int(git.ask("rev-list", "--count", gone, cwd=mirror.path)),
        "commits": _listed(listed),
    }


def recipe(git: Git, mirror: Mirror, commit: str, path: str, most: int) -> str | None:
    """The text of the file at `path`, of at most so many bytes; None: the commit has none. It is read from the commit
    itself, so no link leads out of it. `GitError`: it is no plain text file."""
    entry = git.ask("ls-tree", "-z", "--full-tree", commit, "--", path, cwd=mirror.path)
    if not entry:
        return None
    mode, _, number = entry.partition("\t")[0].split(" ")
    if mode not in ("100644", "100755"):
        what = {"120000": "a symbolic link", "040000": "a folder", "160000": "a submodule"}.get(mode, "no file")
        raise GitError(f"{path} is {what} in this commit; expected a file.")
    size = int(git.ask("cat-file", "-s", number, cwd=mirror.path))
    if size > most:
        raise GitError(f"{path} has {size:,} bytes in this commit; expected at most {most:,}.")
    text = git.ask_bytes("cat-file", "blob", number, cwd=mirror.path)
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise GitError(f"{path} is not UTF-8 text in this commit: byte {error.start + 1:,} is not.") from None


def _listed(text: str) -> list[dict[str, str]]:
    found = []
    for entry in text.split("\x1e"):
        if entry.strip():
            commit, title, author, at = entry.strip("\n").split("\0")
            found.append({"commit": commit, "title": title[:200], "author": author[:200], "at": at})
    return found
