"""Artifacts of builds that run outside: announced, sent in pieces, and stored whole.

A piece that has come is a file of its own in the storage until all are there: any process of the board may answer for
it, and what a restart cuts off is one piece. Each file has a row as long as it is there, so that none is forgotten: a
row for what was announced, with the size and the SHA-256 that it is to have, and one for each attempt at a piece, whose
name is that of the former and, behind dots, where it begins and a word of its own. It has a SHA-256 once it is whole;
an attempt never touches what another one has stored.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Count, DateTimeField, ExpressionWrapper, F, QuerySet, Sum
from django.db.models.functions import Now

from buildboard.bodies import PIECE_BYTES

from . import artifacts, events, filestore, lifecycle
from .artifacts import HEAD_BYTES, MAX_PATH, Done, Intent
from .events import Lease, LeaseLost
from .models import Artifact, Build
from .models.artifact import GOING, STORED, STORING
from .retention.words import size as said
from .runs import OutOfStep

MOST_ANNOUNCED = 50
"""At a time."""
_MEGABYTE = 1024 * 1024
_RENEW_SECONDS = 5.0
_AT_IT = timedelta(seconds=30)
"""Whoever puts a file together has said so within this, by the database's clock; else it is taken for dead."""
_ANEW = 5
"""Times as much as a build may have is there at most, with what is on its way: its pieces, and it put together."""
_WRONG = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\]")


class Announced(NamedTuple):
    step: int
    path: str
    size: int
    sha256: str


class Place(NamedTuple):
    """What is to become of one that was announced."""

    path: str
    number: int | None = None
    """By which its pieces are sent; None: none are wanted."""
    have: int = 0
    """From here on they are."""
    refused: str = ""
    """Why it is not stored, in a sentence; empty: it is, or will be."""


def announce(build_id: int, token: str, files: Sequence[Announced]) -> list[Place]:
    """In their order. Asked again, the same is answered, with what has come meanwhile. `LeaseLost`."""
    with transaction.atomic():
        _hold(build_id, token)
        steps = Build.objects.get(pk=build_id).steps.count()
        return [_place(build_id, one, steps) for one in files]


def receive(build_id: int, token: str, number: int, offset: int, data: bytes) -> int:
    """A piece. From where on the next one is wanted. `OutOfStep`, `LeaseLost`, `filestore.Failed`."""
    whole = _announced(build_id, number)
    expected = min(PIECE_BYTES, whole.size - offset)
    if offset % PIECE_BYTES or not 0 <= offset < whole.size:
        raise OutOfStep(f"offset: expected a multiple of {PIECE_BYTES:,} below {whole.size:,}, not {offset:,}.")
    if len(data) != expected:
        raise OutOfStep(f"Expected {expected:,} bytes from byte {offset:,} on, not {len(data):,}.")
    with transaction.atomic():
        _hold(build_id, token)
        if offset in _there(whole):
            return _have(whole)
        name = f"{whole.name}.{offset}.{secrets.token_hex(8)}"
        piece = Artifact.objects.create(build_id=build_id, name=name, step=whole.step, path=whole.path, size=len(data))
    try:
        filestore.save(name, ContentFile(data))
    except Exception:
        Artifact.objects.filter(pk=piece.pk).update(state=GOING)
        raise
    is_awaited = Artifact.objects.filter(pk=piece.pk, state=STORING)
    if not is_awaited.update(sha256=hashlib.sha256(data).hexdigest()):
        filestore.delete(name)  # given up, and perhaps swept before it was there
    return _have(whole)


def complete(lease: Lease, number: int) -> None:
    """All pieces have come: from now on it is shown. `OutOfStep`: they have not, or are not what was announced.
    `filestore.Failed`: also where some process of the board is at it already. Whoever was not answered in time asks
    again, and a large file that is put together several times at once takes so many times as long, and as much room."""
    whole = _announced(lease.build_id, number)
    have = _have(whole)
    if have < whole.size:
        raise OutOfStep(f"From byte {have:,} on it has not come.")
    name = _begin(lease, whole)
    content = _Whole(whole, lease, name)
    try:
        filestore.save(name, content)
        if content.sha256 != whole.sha256:
            _forget(whole)
            raise OutOfStep("What came is not what was announced: its SHA-256 is another.")
        with transaction.atomic():
            artifacts.settle(lease, [Done(name, whole.size, content.sha256, content.kind)])
            _forget(whole)
    finally:
        artifacts.forget([name])  # but where it is stored
    filestore.sweep(_pieces(whole).filter(state=GOING), lambda: False)


# --- Inside ---


def _hold(build_id: int, token: str) -> None:
    """Inside a transaction: the build's row is locked, and the lease renewed. `LeaseLost`."""
    mine = Build.objects.filter(pk=build_id, lease_token=token, outside=True)
    if not mine.update(renewal=F("renewal") + 1):
        raise LeaseLost(build_id)


def _begin(lease: Lease, whole: Artifact) -> str:
    """The name of an attempt to put it together, which has a row from now on: the only one that has neither a SHA-256
    nor a dot in its name. `filestore.Failed`: there is one already; `OutOfStep`: it is put together already."""
    name = filestore.new_name()  # of this attempt alone: another may have been cut off, or still be on its way
    with transaction.atomic():
        events.hold(lease)  # the build's row is locked: of two who begin at once one finds the other's
        _announced(lease.build_id, whole.pk)
        since = ExpressionWrapper(Now() - _AT_IT, output_field=DateTimeField())
        attempts = Artifact.objects.filter(build_id=lease.build_id, path=whole.path, state=STORING, sha256="")
        if attempts.exclude(name__contains=".").filter(created_at__gt=since).exists():
            raise filestore.Failed("It is being put together; ask again in a while.")
        artifacts.intend(lease, [Intent(whole.step, whole.path, whole.size, name)])
        _say_at_it(name)
    return name


def _say_at_it(name: str) -> None:
    Artifact.objects.filter(name=name).update(created_at=Now())


def _place(build_id: int, one: Announced, steps: int) -> Place:
    if why := _why_not_there(one, steps):
        return Place(one.path, refused=why)
    known = Artifact.objects.filter(build_id=build_id, path=one.path).exclude(state=GOING).exclude(name__contains=".")
    for row in known:
        if (row.size, row.sha256, row.step) == (one.size, one.sha256, one.step):
            return Place(one.path, None, row.size) if row.state == STORED else Place(one.path, row.pk, _have(row))
    for row in known.filter(state=STORING):  # announced with other bytes than it has now
        _forget(row)
    if why := _too_much(build_id, one):
        return Place(one.path, refused=why)
    made = Artifact.objects.create(build_id=build_id, name=filestore.new_name(), **one._asdict())
    return Place(one.path, made.pk)


def _why_not_there(one: Announced, steps: int) -> str:
    """A database may not even be asked for a path with a NUL in it."""
    parts = one.path.split("/")
    if len(one.path) > MAX_PATH or _WRONG.search(one.path) or any(part in ("", ".", "..") for part in parts):
        return f"Expected a path within a folder, of up to {MAX_PATH} characters, with / between its names."
    if one.step >= steps:
        return f"The build has no step {one.step}."
    return ""


def _too_much(build_id: int, one: Announced) -> str:
    if one.size > settings.BUILDBOARD_MAX_ARTIFACT_MB * _MEGABYTE:
        return f"It has {said(one.size)}; an artifact has {settings.BUILDBOARD_MAX_ARTIFACT_MB:,} MB at most."
    taken = Artifact.objects.filter(build_id=build_id).exclude(state=GOING).exclude(name__contains=".")
    there = taken.exclude(path=one.path).aggregate(count=Count("pk"), bytes=Sum("size"))
    most, room = settings.BUILDBOARD_MAX_ARTIFACTS, settings.BUILDBOARD_MAX_BUILD_ARTIFACTS_MB
    if there["count"] >= most or (there["bytes"] or 0) + one.size > room * _MEGABYTE:
        return f"A build has {most:,} artifacts and {room:,} MB at most."
    # What was given up is there until it is swept: whoever announces anew again and again fills a disk with it.
    ever = Artifact.objects.filter(build_id=build_id)
    if (ever.aggregate(bytes=Sum("size"))["bytes"] or 0) > _ANEW * room * _MEGABYTE:
        return "So much of this build was sent and given up that no more is taken."
    if ever.exclude(name__contains=".").count() > _ANEW * most:
        return "So many files of this build were announced anew that no more are taken."
    return ""


def _announced(build_id: int, number: int) -> Artifact:
    """`OutOfStep`."""
    found = Artifact.objects.filter(build_id=build_id, pk=number, state=STORING).exclude(name__contains=".").first()
    if found is None or not found.sha256:
        raise OutOfStep(f"Build {build_id} awaits no file {number}: announce it.")
    return found


def _pieces(whole: Artifact) -> QuerySet[Artifact]:
    of_path = Artifact.objects.filter(build=whole.build, path=whole.path)  # which an index finds
    return of_path.filter(name__startswith=f"{whole.name}.")


def _there(whole: Artifact) -> dict[int, str]:
    """Where the pieces begin that have come, and the names of their files."""
    came = _pieces(whole).filter(state=STORING).exclude(sha256="").order_by("-pk").values_list("name", flat=True)
    return {int(name.split(".")[1]): name for name in came}  # of two attempts the first, as it was read before


def _have(whole: Artifact) -> int:
    """How many bytes have come, without a gap."""
    there = _there(whole)
    have = 0
    while have < whole.size and have in there:
        have += PIECE_BYTES
    return min(have, whole.size)


def _forget(whole: Artifact) -> None:
    """It, and its pieces, are to be deleted."""
    Artifact.objects.filter(pk=whole.pk).update(state=GOING)
    _pieces(whole).update(state=GOING)


class _Whole(File):
    """The pieces, one after the other, read once; what they are together becomes known meanwhile. The lease is renewed
    while that lasts."""

    def __init__(self, whole: Artifact, lease: Lease, name: str) -> None:
        """`name`: of the attempt, which is said to go on meanwhile."""
        super().__init__(None, "artifact")
        self._parts = self._read(whole)
        self._lease = lease
        self._attempt = name
        self._renew_at = time.monotonic() + _RENEW_SECONDS
        self._digest = hashlib.sha256()
        self._head = b""
        self._size = whole.size
        self._left = b""

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def kind(self) -> str:
        return artifacts.content_type(self._head, whole=self._size <= HEAD_BYTES)

    def _read(self, whole: Artifact) -> Iterator[bytes]:
        there = _there(whole)
        for offset in range(0, whole.size, PIECE_BYTES):
            yield from filestore.read(there[offset], 0, min(PIECE_BYTES, whole.size - offset))

    def read(self, count: int = -1) -> bytes:
        """So many bytes, but at the end: an S3 client takes fewer for the end."""
        found = bytearray()
        while count < 0 or len(found) < count:
            if not self._left and not self._take():
                break
            missing = len(self._left) if count < 0 else count - len(found)
            found += self._left[:missing]
            self._left = self._left[missing:]
        return bytes(found)

    def _take(self) -> bool:
        """The next bytes; False: there are none."""
        if time.monotonic() >= self._renew_at:
            lifecycle.renew(self._lease)
            _say_at_it(self._attempt)
            self._renew_at = time.monotonic() + _RENEW_SECONDS
        self._left = next(self._parts, b"")
        self._digest.update(self._left)
        self._head += self._left[: HEAD_BYTES - len(self._head)]
        return bool(self._left)

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        while part := self.read(chunk_size or filestore.CHUNK_BYTES):
            yield part

    def seekable(self) -> bool:
        return False
