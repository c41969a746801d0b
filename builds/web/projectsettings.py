"""A project's settings as programs give them: all that is wrong is told at once, and who changed what is remembered."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from ..access import Caller
from ..models import Credential, Project
from .problems import joined

PLAIN = (
    *("slug", "name", "description", "repository", "branch", "recipe_path", "submodules", "lfs", "depth", "recipe"),
    *("enabled", "runs_on", "max_running", "auto_retries", "network", "keep_days", "keep_builds"),
)

_NOBODYS = re.compile(r"[\x00\ud800-\udfff]")
"""No name has these, and no database can be asked for one that has."""

_WORDS = {
    "slug": "Expected letters, digits, - and _ alone.",
    "min_value": "Expected at least {limit_value}.",
    "max_value": "Expected at most {limit_value}.",
    "max_length": "Expected at most {limit_value} characters, not {show_value}.",
}
"""By the framework's code of an error."""


class Unfit(ValueError):
    """`wrong`: (field, what was expected), for each value that is not as expected."""

    def __init__(self, wrong: list[tuple[str, str]]) -> None:
        super().__init__(f"{joined(wrong)}.")
        self.wrong = wrong


class HasBuilds(Exception):
    """It cannot be deleted."""


def of(project: Project) -> dict[str, Any]:
    return {name: getattr(project, name) for name in PLAIN} | {
        "credential": project.credential.name if project.credential else None,
        "groups": sorted(group.name for group in project.groups.all()),
    }


def store(project: Project, given: Mapping[str, Any], by: Caller, unfit: Sequence[tuple[str, str]] = ()) -> None:
    """Make or change it: `given` are the fields that are to be as they are there; `unfit` is told with what else is
    wrong, of values that `given` therefore has not. `Unfit`; `Project.DoesNotExist`: it was deleted meanwhile."""
    wrong = list(unfit)
    for name in PLAIN:
        if name in given:
            setattr(project, name, _text(name, given[name], wrong))
    if "credential" in given:
        project.credential = _credential(given["credential"], wrong)
    groups = _groups(given["groups"], wrong) if "groups" in given else None
    try:
        project.full_clean(exclude=[field for field, _ in wrong])
    except ValidationError as error:
        told = {
            field.split(".")[0] for field, _ in unfit
        }  # such as a recipe that is a number: there is none for another reason
        wrong += [
            ("project" if field == "__all__" else field, _said(field, one))
            for field, refused in error.error_dict.items()
            for one in refused
            if field not in told
        ]
    if wrong:
        raise Unfit(wrong)
    new = project.pk is None
    try:
        with transaction.atomic():
            if not new:
                Project.objects.select_for_update().get(pk=project.pk)
            # Of one that is there only what is given: another may be changing the rest.
            project.save(update_fields=None if new else [name for name in (*PLAIN, "credential") if name in given])
            if groups is not None:
                project.groups.set(groups)
            _remember(project, ADDITION if new else CHANGE, sorted(given), by)
    except IntegrityError as error:
        raise Unfit([("slug", Project.taken)]) from error


def delete(project: Project, by: Caller) -> None:
    """With all that belongs to it; also where another has done it meanwhile. `HasBuilds`."""
    with transaction.atomic():
        found = Project.objects.select_for_update().filter(pk=project.pk).first()
        if found is None:
            return
        if found.builds.exists():
            raise HasBuilds
        _remember(found, DELETION, [], by)
        found.delete()


# --- Inside ---


def _said(field: str, error: ValidationError) -> str:
    """In the board's words, where the framework has some of its own."""
    code = "slug" if field == "slug" and error.code == "invalid" else error.code or ""
    return _WORDS[code].format(**error.params or {}) if code in _WORDS else error.messages[0]


def _text(name: str, value: Any, wrong: list[tuple[str, str]]) -> Any:
    if not isinstance(value, str):
        return value
    if name == "recipe":
        if "\0" in value:
            wrong.append((name, "Expected text, without NUL characters."))
        return value
    value = value.strip()
    if not value.isprintable():
        wrong.append((name, "Expected printable characters on one line."))
    return value


def _credential(name: str | None, wrong: list[tuple[str, str]]) -> Credential | None:
    found = Credential.objects.filter(name=name).first() if name and not _NOBODYS.search(name) else None
    if name and found is None:
        wrong.append(("credential", f"There is no credential {name[:100]!r}."))
    return found


def _groups(names: list[str], wrong: list[tuple[str, str]]) -> list[Group]:
    found = {
        group.name: group for group in Group.objects.filter(name__in=[one for one in names if not _NOBODYS.search(one)])
    }
    wrong += [("groups", f"There is no group {name[:100]!r}.") for name in names if name not in found]
    return list(found.values())


def _remember(project: Project, what: int, fields: list[str], by: Caller) -> None:
    """In the log of admin actions, where changes by people are."""
    said = f"By the API, {by.name}" + (f": {', '.join(fields)}" if fields else "")
    LogEntry.objects.log_actions(by.user.pk or 0, [project], what, said[:1000], single_object=True)
