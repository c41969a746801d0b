"""Submodules of a checkout: each address is looked at before git goes there, however deep. Standard library only."""

from collections.abc import Callable, Iterator
from pathlib import Path

from ..repository import RepositoryError
from .git import Failed, Git, GitError

DEEPEST = 8
"""Submodules of submodules, so many times; a repository that has itself as one has no end."""
_KEY = r"^submodule\..*\.url$"


def check_out(git: Git, work: Path, check: Callable[[str], object], depth: int | None, *, level: int = 1) -> None:
    """All of `work`, and theirs. `check` raises `RepositoryError` for an address that is not taken."""
    if not (work / ".gitmodules").is_file():
        return
    if level > DEEPEST:
        raise GitError(f"Submodules are nested deeper than {DEEPEST} times.")
    git.ask("submodule", "--quiet", "init", cwd=work)
    for name, url in _addresses(git, work):
        try:
            check(url)
        except RepositoryError as error:
            raise GitError(f"The submodule {name} is at an address that is not taken: {error}.") from None
    short = [f"--depth={depth}"] if depth else []
    git.show("submodule", "update", "--progress", *short, cwd=work, network=True)
    for path in _paths(git, work):
        check_out(git, work / path, check, depth, level=level + 1)


def below(git: Git, work: Path) -> Iterator[Path]:
    """Those of `work` that are checked out, each before its own."""
    if not (work / ".gitmodules").is_file():
        return
    for path in _paths(git, work):
        yield work / path
        yield from below(git, work / path)


def _addresses(git: Git, work: Path) -> list[tuple[str, str]]:
    """As git has resolved them: what a repository calls `../other` is beside its own address."""
    try:
        told = git.ask("config", "--local", "--null", "--get-regexp", _KEY, cwd=work)
    except Failed:  # none
        return []
    pairs = (entry.partition("\n") for entry in told.split("\0") if entry)
    return [(key.removeprefix("submodule.").removesuffix(".url"), url) for key, _, url in pairs]


def _paths(git: Git, work: Path) -> list[str]:
    """Of those that are checked out: entries of the index that are commits."""
    entries = git.ask("ls-files", "--stage", "-z", cwd=work).split("\0")
    return [entry.partition("\t")[2] for entry in entries if entry.startswith("160000 ")]
