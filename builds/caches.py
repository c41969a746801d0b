"""Files that builds leave for later ones of their project: what is known of each archive, from before it is stored
until after it is deleted. The only reader and writer of `Cache`.

A build of a pull request from a fork finds what the project's own builds have left, and leaves what only the builds of
that pull request find: whoever wrote it may be anybody, and the project's own builds run what they find.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from . import events, filestore
from .events import Lease
from .models import Build, Cache, Project
from .models.artifact import GOING, STORED, STORING
from .safe import of_fork

MAX_KEY = 500
FORGOTTEN_AFTER = timedelta(hours=6)
"""What is being stored for so long is stored by nobody any more."""
_MEGABYTE = 1024 * 1024


class Hit(NamedTuple):
    key: str
    name: str
    """Of the file in the storage."""
    size: int
    sha256: str


class Used(NamedTuple):
    archives: int
    bytes: int


def scope_of(build: Build) -> str | None:
    """Where what it leaves belongs; None: nowhere."""
    if not of_fork(build):
        return ""
    return f"pull request {build.pull_request}" if build.pull_request else None


# --- By the worker that holds the lease ---


def find(build: Build, key: str, restore_keys: Sequence[str]) -> Hit | None:
    """What was left under `key`, else the newest under a key that begins with one of `restore_keys`, in their order;
    each first among what its own pull request left, then among the project's. It counts as used now."""
    own = scope_of(build)
    scopes = [scope for scope in dict.fromkeys((own, "")) if scope is not None]
    stored = Cache.objects.filter(project_id=build.project_id, state=STORED).order_by("-created_at", "-pk")
    for beginning in ("", *restore_keys):
        which = Q(key__startswith=beginning) if beginning else Q(key=key)
        for scope in scopes:
            # SQLite takes capitals for small letters here.
            fits = (one for one in stored.filter(which, scope=scope)[:100] if one.key.startswith(beginning or key))
            row = next(fits, None)
            if row is not None:
                Cache.objects.filter(pk=row.pk).update(used_at=timezone.now())
                return Hit(row.key, row.name, row.size, row.sha256)
    return None


def intend(lease: Lease, build: Build, key: str, name: str, size: int) -> bool:
    """Announce an archive, before its first byte is stored. False: there is one of that key already. `LeaseLost`."""
    with transaction.atomic():
        events.hold(lease)
        scope = scope_of(build)
        if scope is None or _of(build, scope, key).exists():
            return False
        if not Cache.objects.filter(name=name).exists():
            Cache.objects.create(
                project_id=build.project_id, scope=scope, key=key, name=name, size=size, build=build.pk
            )
        return True


def settle(build: Build, name: str, sha256: str) -> bool:
    """It is stored. What has not been used for longest goes, until the project has no more than it may. False: another
    build was quicker."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=build.project_id)
        row = Cache.objects.get(name=name)
        if row.state == STORED:
            return True
        if _of(build, row.scope, row.key).exists():
            forget(name)
            return False
        Cache.objects.filter(pk=row.pk).update(state=STORED, sha256=sha256, used_at=timezone.now())
        _evict(build.project_id)
        return True


def forget(name: str) -> None:
    """It is not stored after all, or cannot be read."""
    Cache.objects.filter(name=name).update(state=GOING)


def _of(build: Build, scope: str, key: str) -> QuerySet[Cache]:
    return Cache.objects.filter(project_id=build.project_id, scope=scope, key=key, state=STORED)


def _evict(project_id: int) -> None:
    stored = Cache.objects.filter(project_id=project_id, state=STORED)
    total = stored.aggregate(total=Sum("size"))["total"] or 0
    most = settings.BUILDBOARD_MAX_PROJECT_CACHE_MB * _MEGABYTE
    for pk, size in stored.order_by("used_at", "pk").values_list("pk", "size"):
        if total <= most:
            return
        Cache.objects.filter(pk=pk).update(state=GOING)
        total -= size


# --- By people ---


def listed(project_id: int, before: int | None = None) -> QuerySet[Cache]:
    """What builds may find, newest first. `before`: only those with a lower id."""
    found = Cache.objects.filter(project_id=project_id, state=STORED).order_by("-pk")
    return found.filter(pk__lt=before) if before is not None else found


def used(project_id: int) -> Used:
    """How many there are, and their bytes."""
    found = Cache.objects.filter(project_id=project_id, state=STORED).aggregate(count=Count("pk"), bytes=Sum("size"))
    return Used(found["count"], found["bytes"] or 0)


def remove(project_id: int, number: int | None = None) -> int:
    """No build is to find that one any more, or any where `number` is None; how many. Their files go at the next sweep:
    a build that has found one just now still reads it, or does without."""
    found = Cache.objects.filter(project_id=project_id, state=STORED)
    return (found if number is None else found.filter(pk=number)).update(state=GOING)


# --- Deleted ---


def sweep(stopping: Callable[[], bool] = lambda: False) -> int:
    """Delete the archives that nobody is to find any more, and then their rows; how many."""
    forgotten = Q(state=STORING, created_at__lte=timezone.now() - FORGOTTEN_AFTER)
    unsettled = Cache.objects.filter(Q(state=GOING) | Q(project__isnull=True) | forgotten).order_by("pk")
    return filestore.sweep(unsettled, stopping)
