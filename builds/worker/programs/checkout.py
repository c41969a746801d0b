"""checkout.py ORDER RESULT: fetches a repository and fills a build's workspace with one commit of it.

The first step of a build whose project has a repository, run like any other step; standard library only. ORDER is a
file of JSON in the memory of the worker, since it may hold a secret; RESULT is written: what was checked out, or the
sentence that says why nothing was.
"""

import contextlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from builds.repository import Address, RepositoryError, check_ref, parse
from builds.worker import commits, submodules, tree
from builds.worker.complaints import is_broken
from builds.worker.git import Access, Failed, Git, GitError
from builds.worker.mirror import Mirror


def main() -> int:
    order = json.loads(Path(sys.argv[1]).read_text())
    result: dict[str, Any] = {}
    try:
        check_out(order, result)
    except GitError as error:
        result["error"] = str(error)
    except RepositoryError as error:
        result["error"] = f"{str(error)[0].upper()}{str(error)[1:]}."
    except OSError as error:
        result["error"] = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}."
    if secret := (order["access"] or {}).get("secret"):
        result = {name: value.replace(secret, "***") if name == "error" else value for name, value in result.items()}
    with open(sys.argv[2], "w", encoding="utf-8", opener=_private) as file:
        json.dump(result, file)
    if "error" in result:
        say(f"\033[31m{result['error']}\033[0m")
    return int("error" in result)


def check_out(order: dict[str, Any], result: dict[str, Any]) -> None:
    """Everything, by what `worker/checkout.py` has written down. What becomes known is in `result` at once."""
    address = _address(order["address"], order)
    for name in filter(None, (order["ref"], order["branch"])):
        check_ref(name)
    folder, work = Path(order["mirror"]), Path(order["work"])
    git = Git(
        Path(order["home"]),
        address,
        Access(**order["access"]) if order["access"] else None,
        hosts=folder / "hosts",
        silence=order["silence"],
        deadline=time.monotonic() + order["seconds"],
    )
    say(f"Fetching {address.text}")
    with Mirror(folder, address, git) as mirror:
        try:
            _all(git, mirror, order, address, work, result)
        except Failed as error:
            if not is_broken(error.said):
                raise
            mirror.discard(error)
            _empty(work)
            _all(git, mirror, order, address, work, result)


def _all(git: Git, mirror: Mirror, order: dict[str, Any], address: Address, work: Path, result: dict[str, Any]) -> None:
    name = commits.whole(order["ref"] or order["branch"])
    named = _fetch(mirror, name, order["commit"])
    default = order["branch"] or named
    name = name or default
    if not name and not order["commit"]:
        raise GitError("The repository has no default branch, or no commit yet.")
    found = commits.find(mirror, name, order["commit"])
    facts = commits.describe(git, mirror, found.commit)
    newest = mirror.commit_of(f"refs/heads/{default}") if default else ""
    is_default = found.branch == default and found.commit == newest
    result.update(facts, branch=found.branch, tag=found.tag, default=is_default)
    say(f"Commit {found.commit[:12]}: {facts['title']} ({facts['author']}, {facts['at']})")
    if since := order["since"].get(found.branch) or order["since"].get(""):
        result["changes"] = commits.changes(git, mirror, since, found.commit)
    path = order["recipe_path"]
    result["recipe"] = commits.recipe(git, mirror, found.commit, path, order["most"])
    if order["lfs"]:
        mirror.tidy_lfs()
    mirror.share()
    tree.make(git, mirror, work, address, found, order["depth"])
    if order["submodules"]:
        submodules.check_out(git, work, lambda text: _address(text, order), order["depth"])
    if order["lfs"]:
        for place in (work, *(submodules.below(git, work) if order["submodules"] else ())):
            tree.fetch_lfs(git, mirror, place, lambda text: _address(text, order))
    elif tree.has_lfs(git, work):
        say("Git LFS keeps some of these files, and is switched off for this project: they are pointers")
    if result["recipe"] is None:
        say(f"There is no {path} in this commit: the project's own recipe is used")


def _fetch(mirror: Mirror, name: str, commit: str) -> str:
    """The default branch. A pull request's ref that is gone does no harm where its commit is known."""
    try:
        return mirror.fetch(commits.besides(name))
    except Failed as error:
        if not (commit and "remote ref" in error.said):
            raise
        return mirror.fetch()


def _address(text: str, order: dict[str, Any]) -> Address:
    """As the board's settings allow it; a folder, whatever links lead there."""
    address = parse(text, folders=order["folders"], http_hosts=order["http_hosts"])
    if address.scheme == "file":
        real = os.path.realpath(address.path)
        parse(real, folders=[os.path.realpath(folder) for folder in order["folders"]])
        if f"{real}/".startswith(f"{os.path.realpath(order['data'])}/"):
            raise RepositoryError("the board's own data folder is no repository")
    return address


def _empty(work: Path) -> None:
    for path in work.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
