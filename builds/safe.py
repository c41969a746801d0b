"""The secrets of projects: put in, listed by name, taken out, and handed to the steps that may have them.

Whoever may change a project may write its secrets, and nobody may read them: a value leaves the safe for the
environment of a step that names it, and for the masks of its build's log.
"""

import re
from collections.abc import Iterable, Mapping

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Length
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from buildboard.terminal.forms import LEAST, patterns

from . import vault
from .models import Build, Project, Secret
from .recipe.globs import any_of
from .source import is_anybodys

NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,99}\Z")
MAX_SECRETS = 100
"""Of one project."""
MAX_BYTES = 32 * 1024
"""Of one value …"""
MAX_LINES = 500
"""… and lines of it."""
MAX_SEALED = 512 * 1024
"""Of all values of a project, sealed: a third more than they are."""

_OWN = "BUILDBOARD_"
_GLOB = re.compile(r"[^\s,\x00-\x1f\x7f]{1,200}\Z")


class BadSecret(ValueError):
    """It cannot be kept: a sentence that says why, never with the value. `at`: what of it is not as expected: `name`,
    `value` or `branches`; empty: nothing of it by itself."""

    def __init__(self, said: str, at: str = "") -> None:
        super().__init__(said)
        self.at = at


class Withheld(Exception):
    """A step is not given what it names: "needs the secret A, which …"."""


@sensitive_variables()
def put(
    project: Project,
    name: str,
    value: str | None,
    *,
    by: str,
    for_forks: bool | None = None,
    branches: str | None = None,
) -> bool:
    """Keep `value` under that name, in place of what was there. Whether it is new. `BadSecret`.

    None stays as it was: a value, which then has to be there, or a rule. Of a new one: no forks, all branches.
    """
    check(project, name, value, branches or "")
    fields: dict[str, object] = {"updated_at": timezone.now(), "updated_by": by[:150]}
    if for_forks is not None:
        fields["for_forks"] = for_forks
    if branches is not None:
        fields["branches"] = " ".join(globs(branches))
    if value is not None:
        fields["value"] = vault.seal(checked(value))
    own = Secret.objects.filter(project=project, name=name)
    with transaction.atomic():
        Project.objects.select_for_update().filter(pk=project.pk).first()  # bounds are for all writers together
        if value is not None:
            _check_room(project, name, value)
        if own.update(**fields):
            return False
        if value is None:
            raise _no_value(name)
        Secret.objects.create(project=project, name=name, created_by=by[:150], **fields)
    return True


def remove(project: Project, name: str) -> bool:
    """Whether there was one."""
    return bool(NAME.match(name)) and Secret.objects.filter(project=project, name=name).delete()[0] > 0


def listed(project: Project) -> list[Secret]:
    """By name, and without what is sealed."""
    return list(Secret.objects.filter(project=project).defer("value").order_by("name"))


# --- What may be kept ---


@sensitive_variables("value")
def check(project: Project, name: str, value: str | None, branches: str = "") -> None:
    """`BadSecret` where `put` would refuse it."""
    check_name(name)
    globs(branches)
    if value is not None:
        _check_room(project, name, checked(value))
    elif not Secret.objects.filter(project=project, name=name).exists():
        raise _no_value(name)


def check_name(name: str) -> None:
    """`BadSecret` where it is none."""
    if not NAME.match(name):
        raise BadSecret(
            "The name of a secret: expected up to 100 capital letters, digits and _, not beginning with a digit, "
            "such as DEPLOY_TOKEN.",
            "name",
        )
    if name.startswith(_OWN):
        raise BadSecret(f"The name of a secret: names that begin with {_OWN} are the board's own.", "name")


@sensitive_variables()
def checked(value: str) -> str:
    """`value` with line feeds at the ends of its lines, or `BadSecret`."""
    value = value.replace("\r\n", "\n")
    size = len(value.encode(errors="replace"))
    if not value.strip():
        raise BadSecret("The value is empty: expected the secret.", "value")
    if size > MAX_BYTES:
        raise BadSecret(f"The value: expected at most {MAX_BYTES:,} bytes, not {size:,}.", "value")
    if value.count("\n") >= MAX_LINES:
        raise BadSecret(f"The value: expected at most {MAX_LINES} lines.", "value")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise BadSecret(
            "The value: expected text, without NUL characters: a variable of the environment has none.", "value"
        )
    if not patterns(value):
        raise BadSecret(
            f"The value: expected a line of {LEAST} bytes or more. What is shorter could not be kept out of logs "
            "without spoiling them.",
            "value",
        )
    return value


def globs(text: str) -> list[str]:
    """Of branches, as they are typed: separated by spaces, commas or line feeds. `BadSecret`."""
    found = list(dict.fromkeys(re.split(r"[\s,]+", text.strip()))) if text.strip(" \t\r\n,") else []
    found = [glob for glob in found if glob]
    for glob in found:
        if not _GLOB.match(glob) or not glob.isprintable():
            said = f"Branches: expected names or patterns such as main or release/*, not {glob[:40]!r}."
            raise BadSecret(said, "branches")
    if len(" ".join(found)) > 500:
        raise BadSecret("Branches: expected at most 500 characters.", "branches")
    if found and all(glob.startswith("!") for glob in found):
        raise BadSecret(
            f"Branches: {found[0][:40]} takes back, and nothing is taken; begin with ** to mean all others.",
            "branches",
        )
    return found


def _no_value(name: str) -> BadSecret:
    return BadSecret(f"The secret {name} has no value yet: expected one.", "value")


@sensitive_variables("value")
def _check_room(project: Project, name: str, value: str) -> None:
    others = Secret.objects.filter(project=project).exclude(name=name)
    if others.count() >= MAX_SECRETS:
        raise BadSecret(f"A project has up to {MAX_SECRETS} secrets. Delete one that is not needed any more.")
    used = others.aggregate(size=Sum(Length("value")))["size"] or 0
    if used + len(value.encode()) * 4 // 3 > MAX_SEALED:
        raise BadSecret(f"All secrets of a project: expected about {MAX_SEALED * 3 // 4 // 1024} KiB together.")


# --- What is given ---


@sensitive_variables("found")
def given(build_id: int, wanted: Mapping[str, str]) -> dict[str, str]:
    """`wanted`: variable → name. Each variable with its value, as they are now. `Withheld` where one is not given."""
    if not wanted:
        return {}
    build = Build.objects.only("project_id", "ref", "branch", "pull_request", "fork").get(pk=build_id)
    kept = _kept(build.project_id, wanted.values())
    found = {}
    for variable, name in wanted.items():
        why = _why_not(build, kept.get(name))
        if why:
            raise Withheld(f"needs the secret {name}, {why}")
        try:
            found[variable] = vault.unseal(kept[name].value)
        except vault.Unreadable:
            raise Withheld(
                f"needs the secret {name}, which none of this board's keys opens: write it anew, or give the board "
                "its former key"
            ) from None
    return found


def to_mask(build_id: int, names: Iterable[str]) -> list[str]:
    """The values of those that a build's steps name, whether it is given them or not: the log of none has one."""
    found = []
    for secret in _kept(Build.objects.only("project_id").get(pk=build_id).project_id, names).values():
        try:
            found.append(vault.unseal(secret.value))
        except vault.Unreadable:
            continue  # no step is given it either
    return found


def of_fork(build: Build) -> bool:
    """Whether anybody may have written what it runs. The ref is asked, too: builds that were started before refs were
    looked at may still wait."""
    return build.fork or is_anybodys(build.ref, build.pull_request)


def _kept(project_id: int, names: Iterable[str]) -> dict[str, Secret]:
    return {secret.name: secret for secret in Secret.objects.filter(project_id=project_id, name__in=set(names))}


def _why_not(build: Build, secret: Secret | None) -> str:
    if secret is None:
        return "which this project does not have"
    if of_fork(build) and not secret.for_forks:
        return "which is not given to builds of pull requests from forks"
    if not secret.branches:
        return ""
    only = f"which is given to builds of {' and '.join(secret.branches.split())} alone"
    if build.pull_request is not None or of_fork(build):
        return f"{only}, not to those of pull requests"
    if not build.branch:
        return f"{only}, and of this one no branch is known"
    if not any_of(secret.branches.split(), build.branch):
        return f"{only}, not of {build.branch}"
    return ""
