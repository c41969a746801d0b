"""The first step of a build whose project has a repository: what its program (programs/checkout.py) is told, and what
it has found."""

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Max, Q

from ..models import Build, Credential, address
from ..repository import RepositoryError, covers
from ..source import Commit
from ..states import Status
from ..vault import Unreadable
from .process import Process
from .workspace import Workspace

MAX_RESULT = 16 * 1024 * 1024
"""Bytes. A recipe and the list of changes have bounds of their own, far below."""
MOST_BRANCHES = 200
"""Of a repository whose default branch is not known yet, it is taken to be among so many that passed last."""
_PROGRAM = str(Path(__file__).with_name("programs") / "checkout.py")
_NOTHING = "The checkout ended without a word about what it found."


def mirrors() -> Path:
    """Where this machine's copies of repositories are, one folder a project."""
    return settings.BUILDBOARD_DATA / "mirrors"


class Refused(Exception):
    """Why it cannot even begin: a sentence."""


class Checkout:
    """Of one build: `prepare`, `start`, and once that is over, `found`."""

    def __init__(self, build: Build, workspace: Workspace) -> None:
        self._build = build
        self._workspace = workspace
        self._result = workspace.path.parent / "checkout.json"
        self._order: dict[str, Any] = {}
        self._since: dict[str, Build] = {}
        self._refused = ""

    def prepare(self) -> None:
        """Ask the database for what the program has to know."""
        self._since = last_passed(self._build)
        try:
            self._order = order(self._build, self._workspace.path, self._since)
        except Refused as refusal:
            self._refused = str(refusal)

    @property
    def secrets(self) -> list[str]:
        """That the program is given: a server that repeats them is not to have them shown."""
        access = self._order.get("access")
        return [access["secret"]] if access else []

    def start(self, env: Mapping[str, str], *, grace: float) -> "Program":
        """`OSError`."""
        if self._refused:
            raise OSError(self._refused)
        return Program(self._order, self._result, self._workspace, env, grace=grace)

    def found(self) -> "Found":
        return Found(read(self._result), self._order.get("recipe_path", ""), self._since)


class Program(Process):
    """The checkout as it runs."""

    def __init__(
        self, order: dict[str, Any], result: Path, workspace: Workspace, env: Mapping[str, str], *, grace: float
    ) -> None:
        self._result = result
        self._order = held(order)
        try:
            super().__init__(command(self._order, result), env=env, cwd=workspace.path, grace=grace)
        except BaseException:
            os.close(self._order)
            raise

    def hear(self) -> None:
        super().hear()
        if self.exit_code == 1 and not self.fault:
            self.fault = read(self._result).get("error") or _NOTHING

    def close(self) -> None:
        super().close()
        if self._order >= 0:
            os.close(self._order)
            self._order = -1


class Found:
    """What a checkout tells."""

    def __init__(self, result: dict[str, Any], path: str, since: Mapping[str, Build]) -> None:
        self._result = result
        self.recipe: str | None = result.get("recipe")
        """Of the commit; None: it has none."""
        self.recipe_path = path if self.recipe is not None else ""
        self.is_default: bool = result.get("default", False)
        """It is the default branch that was checked out."""
        told = result.get("changes")
        compared = told and (since.get(result["branch"]) or since.get(""))
        self.changes: dict[str, Any] | None = told and {**told, "since_build": compared.pk if compared else None}

    @property
    def commit(self) -> Commit | None:
        """None: it came not so far."""
        told = self._result
        if "commit" not in told:
            return None
        return Commit(told["commit"], told["title"], told["author"], _moment(told["at"]), told["branch"], told["tag"])


def last_passed(build: Build) -> dict[str, Build]:
    """The build that is compared with: the newest before it that passed, of the same branch or ref, however that was
    named; of a pull request, else that of the branch it would be merged into. At "", or where only the checkout finds
    what the repository's default branch is, for each branch that it may be."""
    passed = Build.objects.filter(
        project_id=build.project_id, repository=build.repository, status=Status.PASSED, pk__lt=build.pk
    ).exclude(commit="")
    named = (build.branch or build.ref or build.project.branch).removeprefix("refs/heads/")
    if not named:
        newest = passed.filter(pull_request=None).exclude(branch="").order_by().values("branch")
        newest = newest.annotate(newest=Max("pk")).order_by("-newest")[:MOST_BRANCHES]
        return {each.branch: each for each in Build.objects.filter(pk__in=[one["newest"] for one in newest])}
    # Without a ref a build is of the project's branch of its day, which was another one once; or of a tag.
    tag = Q(ref="", branch="", tag=named)
    same = Q(ref=build.ref, pull_request=build.pull_request) if build.ref else tag
    of_branch = Q(branch=named, pull_request=None)
    wanted = (same, of_branch) if build.pull_request is not None else (same | of_branch,)
    for each in wanted:
        if found := passed.filter(each).order_by("-pk").first():
            return {"": found}
    return {}


def held(order: dict[str, Any]) -> int:
    """An open file of it in memory, without a name: it may have a secret in it. The program reads it while this process
    lives."""
    file = os.memfd_create("checkout", os.MFD_CLOEXEC)
    os.fchmod(file, 0o600)
    os.write(file, json.dumps(order).encode())
    return file


def command(order: int, result: Path) -> list[str]:
    return [sys.executable, "-I", "-S", _PROGRAM, f"/proc/{os.getpid()}/fd/{order}", str(result)]


def read(result: Path) -> dict[str, Any]:
    """Empty: it told nothing."""
    try:
        size = result.stat().st_size
        return json.loads(result.read_text(encoding="utf-8")) if size <= MAX_RESULT else {}
    except (OSError, ValueError):
        return {}


def order(build: Build, work: Path, since: Mapping[str, Build]) -> dict[str, Any]:
    """What the program is told, to check `build` out into `work`. `Refused`."""
    project = build.project
    return {
        "address": build.repository,
        "folders": settings.BUILDBOARD_LOCAL_REPOSITORIES,
        "http_hosts": settings.BUILDBOARD_HTTP_HOSTS,
        "data": str(settings.BUILDBOARD_DATA),
        "mirror": str(mirrors() / str(project.pk)),
        "work": str(work),
        "home": str(work.parent / "git"),
        "access": _access(build.repository, project.credential),
        "ref": build.ref,
        "branch": project.branch,
        "commit": build.commit,
        "since": {branch: each.commit for branch, each in since.items()},
        "recipe_path": project.recipe_path,
        "most": settings.BUILDBOARD_MAX_RECIPE_KB * 1024,
        "submodules": project.submodules,
        "lfs": project.lfs,
        "depth": project.depth,
        "silence": settings.BUILDBOARD_CHECKOUT_SILENCE_SECONDS,
        "seconds": settings.BUILDBOARD_CHECKOUT_SECONDS,
    }


def _access(repository: str, credential: Credential | None) -> dict[str, str] | None:
    if credential is None:
        return None
    try:
        fits = covers(credential.scope, address(repository))
    except RepositoryError as error:
        raise Refused(f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    if not fits:
        raise Refused(
            f"The project's credential {credential} is for addresses below {credential.scope}, and this build's "
            "repository is elsewhere."
        )
    try:
        secret = credential.secret()
    except Unreadable as error:
        raise Refused(str(error)) from None
    return {
        "kind": credential.kind,
        "scope": credential.scope,
        "secret": secret,
        "username": credential.username,
        "known_hosts": credential.known_hosts,
    }


def _moment(text: str) -> datetime | None:
    """git takes dates that no clock has."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
