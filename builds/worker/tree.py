"""The clean working tree of a build: a repository of its own, filled from the mirror. Standard library only.

Nothing is shared with the mirror: what a step does to its repository, the next build does not find.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from ..repository import Address, RepositoryError
from .commits import Found
from .git import Failed, Git, GitError
from .mirror import Mirror


def make(git: Git, mirror: Mirror, work: Path, address: Address, found: Found, depth: int | None) -> None:
    """`work`, an empty folder, becomes a checkout of that commit, with the project's address as its origin."""
    form = "sha256" if len(found.commit) == 64 else "sha1"
    git.ask("init", "--quiet", "--template=", f"--object-format={form}", cwd=work)
    git.ask("remote", "add", "origin", address.text, cwd=work)
    here = f"file://{quote(str(mirror.path))}"
    if depth:
        where = f":refs/remotes/origin/{found.branch}" if found.branch else ""
        wanted = [f"--depth={depth}", here, f"+{found.commit}{where}"]
    else:
        wanted = [here, found.commit, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
    git.show("fetch", "--quiet", "--no-tags", "--update-shallow", *wanted, cwd=work)  # the mirror's fetch told it all
    (work / ".git/FETCH_HEAD").unlink(missing_ok=True)
    if depth and found.tag:
        git.ask("update-ref", f"refs/tags/{found.tag}", found.commit, cwd=work)
    git.show("checkout", "--progress", "--force", "--detach", found.commit, "--", cwd=work)
    if found.branch:
        git.ask("update-ref", f"refs/heads/{found.branch}", found.commit, cwd=work)
        git.ask("symbolic-ref", "HEAD", f"refs/heads/{found.branch}", cwd=work)
        git.ask("config", f"branch.{found.branch}.remote", "origin", cwd=work)
        git.ask("config", f"branch.{found.branch}.merge", f"refs/heads/{found.branch}", cwd=work)


def fetch_lfs(git: Git, mirror: Mirror, work: Path, check: Callable[[str], object]) -> None:
    """What Git LFS keeps of the checkout. What was fetched once is kept beside the mirror. `check` raises
    `RepositoryError` for an address that is not taken."""
    if shutil.which("git-lfs") is None:
        raise GitError("The project wants Git LFS, and this worker has no git-lfs.")
    try:
        told = git.ask("config", "--blob", "HEAD:.lfsconfig", "--null", "--get-regexp", r"(^|\.)(lfs)?url$", cwd=work)
    except Failed:  # there is no such file, or it names no address
        told = ""
    for entry in filter(None, told.split("\0")):
        try:
            check(entry.partition("\n")[2])
        except RepositoryError as error:
            raise GitError(f".lfsconfig names an address that is not taken: {error}.") from None
    mirror.lfs.mkdir(exist_ok=True)
    git.ask("lfs", "install", "--local", "--skip-repo", cwd=work)
    # In the repository's own file: by a variable, the agent for repositories of this machine would look there, too.
    git.ask("config", "lfs.storage", str(mirror.lfs), cwd=work)
    git.show("lfs", "pull", "origin", cwd=work, network=True, env={"GIT_LFS_FORCE_PROGRESS": "1"})
    git.ask("config", "--unset", "lfs.storage", cwd=work)


def has_lfs(git: Git, work: Path) -> bool:
    """Whether the checkout says that Git LFS keeps some of it."""
    return git.tells("grep", "-q", "-e", "filter=lfs", "HEAD", "--", ".gitattributes", cwd=work)
