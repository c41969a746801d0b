"""Files that steps leave behind: what is known of each, from before it is stored until after it is deleted.

The only reader and writer of `Artifact`. A worker announces what it is about to store (`intend`), stores it, and says
that it is there (`settle`), each fenced by its lease. What is announced and never said to be there, what is discarded,
and what a deleted build leaves is deleted by `sweep`: first the file, then its row.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from . import events, filestore
from .events import Fact, Lease
from .models import Artifact, Build, iso
from .models.artifact import GOING, STORED, STORING
from .states import Status

MAX_PATH = 500
"""Characters of a path."""
FORGOTTEN_AFTER = timedelta(hours=1)
"""What is being stored for so long, of a build that does not run, is stored by nobody any more."""
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
HEAD_BYTES = 4096
"""What a file begins with: so much tells its type."""
TEXT = "text/plain; charset=utf-8"
ANY = "application/octet-stream"
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class Intent(NamedTuple):
    """A file that is about to be stored: of the step at `step`, under the name `name`."""

    step: int
    path: str
    size: int
    name: str


class Done(NamedTuple):
    """It is stored, whole: as much as it had when it was read."""

    name: str
    size: int
    sha256: str
    content_type: str


def content_type(head: bytes, *, whole: bool) -> str:
    """Of a file that begins with `head` (`whole`: and ends with it): one of `IMAGES`, `TEXT` or `ANY`.

    Never by its name, and never a type that a browser would run: a page is text here.
    """
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    for cut in range(1 if whole else 4):  # a character may be cut in two
        try:
            text = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return ANY if any(char < " " and char not in "\t\n\r\f\b\x1b" for char in text) else TEXT
    return ANY


# --- By the worker that holds the lease ---


def intend(lease: Lease, intents: Sequence[Intent]) -> None:
    """Announce files, before the first byte of any is stored. `LeaseLost`. May be called again after an error."""
    with transaction.atomic():
        events.hold(lease)
        known = set(Artifact.objects.filter(name__in=[one.name for one in intents]).values_list("name", flat=True))
        Artifact.objects.bulk_create(
            [Artifact(build_id=lease.build_id, **one._asdict()) for one in intents if one.name not in known],
            batch_size=100,
        )


def settle(lease: Lease, done: Sequence[Done]) -> None:
    """They are stored: from now on they are shown, each in the place of an older one of its path. `LeaseLost`.

    One event each. May be called again after an error, with the same.
    """
    with transaction.atomic():
        if not done or not events.reserve(lease, len(done)):
            return
        names = events.step_names(lease.build_id)
        rows = {row.name: row for row in Artifact.objects.filter(name__in=[one.name for one in done])}
        facts = []
        for one in done:
            row = rows[one.name]
            of_path = Artifact.objects.filter(build_id=lease.build_id, path=row.path, state=STORED)
            of_path.update(state=GOING)
            row.size, row.sha256, row.content_type, row.state = one.size, one.sha256, one.content_type, STORED
            row.save(update_fields=["size", "sha256", "content_type", "state"])
            facts.append(data(row, names))
        total = _count(lease.build_id)
        events.put(lease.build_id, lease.head, [Fact("artifact", fact | {"total": total}) for fact in facts])


def forget(names: Sequence[str]) -> None:
    """What was announced is not stored after all."""
    Artifact.objects.filter(name__in=names, state=STORING).update(state=GOING)


def _count(build_id: int) -> dict[str, int]:
    """Onto the build's row, which is locked: how many are there, and their bytes."""
    found = stored(build_id).aggregate(count=Count("pk"), bytes=Sum("size"))
    total = {"count": found["count"], "bytes": found["bytes"] or 0}
    Build.objects.filter(pk=build_id).update(artifact_count=total["count"], artifact_bytes=total["bytes"])
    return total


# --- Read ---


def stored(build_id: int) -> QuerySet[Artifact]:
    """All that are there, by path."""
    return Artifact.objects.filter(build_id=build_id, state=STORED).order_by("path")


def following(build_id: int, after: str, limit: int) -> list[Artifact]:
    """The first `limit` of those whose path is behind `after`."""
    return list(stored(build_id).filter(path__gt=after.replace("\0", ""))[:limit])


def find(build_id: int, path: str) -> Artifact | None:
    return None if "\0" in path else stored(build_id).filter(path=path).first()


def data(artifact: Artifact, names: Sequence[str]) -> dict[str, Any]:
    """What the API gives. Its event has `total` besides: how many there are now, and their bytes. `names`: of the
    build's steps, by position."""
    return {
        "step": names[artifact.step],
        "path": artifact.path,
        "size": artifact.size,
        "sha256": artifact.sha256,
        "content_type": artifact.content_type,
        "created_at": iso(artifact.created_at),
    }


class Used(NamedTuple):
    """Of a project."""

    builds: int
    """So many have some."""
    files: int
    bytes: int


def used(project_id: int) -> Used:
    """What all its builds have stored."""
    having = Build.objects.filter(project_id=project_id, artifact_count__gt=0)
    found = having.aggregate(builds=Count("pk"), count=Sum("artifact_count"), bytes=Sum("artifact_bytes"))
    return Used(found["builds"], found["count"] or 0, found["bytes"] or 0)


# --- Deleted ---


def discard(build_id: int) -> int:
    """Inside a transaction that holds the build's row: all its files are to be deleted. How many."""
    going = Artifact.objects.filter(build_id=build_id).exclude(state=GOING).update(state=GOING)
    Build.objects.filter(pk=build_id).update(artifact_count=0, artifact_bytes=0)
    return going


def expire(build_id: int) -> int:
    """Files of a build that is over, and is not kept, are to be deleted. How many; 0: there are none (any more)."""
    with transaction.atomic():
        build = Build.objects.select_for_update().filter(pk=build_id, kept=False, finished_at__isnull=False).first()
        if build is None or not build.artifact_count:
            return 0
        return discard(build_id)


def unsettled() -> QuerySet[Artifact]:
    """Rows whose file, as far as there is one, is to be deleted."""
    forgotten = Q(state=STORING, created_at__lte=timezone.now() - FORGOTTEN_AFTER) & ~Q(build__status=Status.RUNNING)
    return Artifact.objects.filter(Q(state=GOING) | Q(build__isnull=True) | forgotten).order_by("pk")


def sweep(stopping: Callable[[], bool] = lambda: False) -> int:
    """Delete the files that nobody is to see any more, and then their rows; how many. A storage that fails ends it:
    they are still to be deleted the next time."""
    return filestore.sweep(unsettled(), stopping)
