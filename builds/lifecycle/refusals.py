"""Why a verb was not carried out, and what is checked before a build starts."""

from django.conf import settings
from django.db import connection

from .. import models
from ..models import Build, Project
from ..repository import RepositoryError, check_ref


class Refused(Exception):
    """The verb was not carried out and nothing was changed. The text says why, for people."""


class BadRef(Refused):
    """As `ref: expected …`: no branch, tag or commit can have this name."""


class AlreadyFinished(Refused):
    pass


class ProjectGone(Refused):
    """The project was deleted meanwhile."""


class QueueFull(Refused):
    """So many builds wait already that no other may: try again later."""


def check_start(project: Project, ref: str, request_key: str | None = None) -> None:
    """`Refused`: what can be told before anything is read from anywhere."""
    check_asked(project, ref, request_key)
    if project.repository:
        _check_repository(project)
        check_name(project, ref)


def hold(project: Project) -> None:
    """`ProjectGone`, or it stays until the transaction ends: what is stored of it can be committed. Before any other
    lock is taken. Those who hold one project are not in each other's way."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM builds_project WHERE id = %s FOR KEY SHARE", [project.pk])
            is_there = cursor.fetchone() is not None
    else:  # whoever writes is alone
        is_there = Project.objects.filter(pk=project.pk).exists()
    if not is_there:
        raise ProjectGone(f"There is no project {project.slug} any more: it was deleted.")


def check_asked(project: Project, ref: str, request_key: str | None = None) -> None:
    """`Refused`: what can be told of every start, also of one elsewhere."""
    if not project.enabled:
        raise Refused(f"The project {project.slug} is disabled; it starts no builds.")
    _check_plain(ref)
    if request_key is not None and not (request_key.isascii() and 1 <= len(request_key) <= 64):
        raise Refused("request_key: expected 1 to 64 ASCII characters.")


def check_name(project: Project, ref: str) -> None:
    """`BadRef`: no branch, tag or commit of that project can have this name. Empty is its own branch."""
    _check_plain(ref)
    try:
        if ref and project.repository:
            check_ref(ref)
    except RepositoryError as error:
        raise BadRef(f"ref: {error}.") from error


def _check_plain(ref: str) -> None:
    if len(ref) > 200 or not ref.isprintable() or ref.startswith("-") or ref != ref.strip():
        raise BadRef("ref: expected a branch, tag or commit: up to 200 printable characters, not beginning with '-'.")


def _check_repository(project: Project) -> None:
    try:
        models.address(project.repository)
    except RepositoryError as error:
        raise Refused(f"The repository of {project.slug} cannot be fetched from: {error}.") from error


def check_queue(*, room: int) -> int:
    """How many builds wait. `QueueFull` where there is no room for so many more."""
    most = settings.BUILDBOARD_MAX_QUEUED
    waiting = Build.objects.queued().count()
    if waiting + room > most:
        raise QueueFull(f"The queue is full ({most:,} builds at most). Try again when some of them have started.")
    return waiting
