"""What a build is of, for its page: branch, commit, author, and what is new since the last passed build."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from ..models import Build, Changes, Project
from ..repository import Address, RepositoryError, parse
from . import words

SHOWN = 20
"""Commits on the page; the API has all that are stored."""
SHORT = 9
"""Digits of a commit that people are shown."""


@dataclass(frozen=True)
class Change:
    short: str
    page: str
    title: str
    author: str


@dataclass(frozen=True)
class Origin:
    """Of one build. Empty texts where nothing is known, or where its repository is no forge's."""

    where: str
    short: str
    page: str
    """Of the commit, at the forge."""
    recipe: str


def of(build: Build) -> Origin:
    recipe = words.recipe(build.repository, build.recipe_path, known=build.recipe_known)
    return Origin(_where(build), build.commit[:SHORT], commit_page(build.repository, build.commit), recipe)


def changes(build: Build) -> dict[str, Any] | None:
    """For changes.html. None: nothing to compare with, or not known yet."""
    found = Changes.objects.filter(build=build).first()
    if found is None:
        return None
    listed = [
        Change(
            one["commit"][:SHORT],
            commit_page(build.repository, one["commit"]),
            one["title"] or "(no title)",
            one["author"],
        )
        for one in found.commits[:SHOWN]
    ]
    return {
        "said": _said(found),
        "since_build": found.since_build_id,
        "since": found.since[:SHORT],
        "listed": listed,
        "more": found.count - len(listed),
    }


def repository(project: Project) -> dict[str, str]:
    """Its address, and that of its page where it has one: shown without scheme and `.git`, as people say it."""
    address = _address(project.repository)
    page = address.web if address is not None and address.commit_page("x") else ""
    shown = page.partition("://")[2] or project.repository
    return {"shown": shown, "page": page}


def commit_page(repository: str, commit: str) -> str:
    address = _address(repository) if commit else None
    return address.commit_page(commit) if address is not None else ""


def _address(text: str) -> Address | None:
    """As whoever stored it was allowed to, whatever the settings say by now."""
    hosts = [*settings.BUILDBOARD_HTTP_HOSTS]
    try:
        return parse(text, folders=settings.BUILDBOARD_LOCAL_REPOSITORIES, http_hosts=hosts) if text else None
    except RepositoryError:
        return None


def _where(build: Build) -> str:
    """What it is of, where what started it (`started.by_what`) does not say so."""
    if build.trigger in ("push", "tag", "pull_request") or build.pull_request is not None:
        return ""
    return build.tag or build.branch or build.ref


def _said(found: Changes) -> str:
    if found.count:
        gone = f", {words.count(found.gone, 'commit')} gone" if found.gone else ""
        return f"{words.count(found.count, 'commit')}{gone} since"
    return f"{words.count(found.gone, 'commit')} fewer than" if found.gone else "The same commit as"
