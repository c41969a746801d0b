"""Artifacts as they are: one of them, or all of a build as one archive.

A file is what a step has made of it, and so is never shown on the board's own origin: it is a download, of a type that
no browser runs, under a policy that lets it do nothing. Reading the storage takes threads of its own, few of them, and
no connection to the database.
"""

import asyncio
import re
import time
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header, parse_etags

from .. import artifacts, filestore
from . import opening
from .logs import CutShort
from .opening import refuse
from .reading import read_file, read_in_bulk

FIRST_SECONDS = 2.0
"""A storage that fails within so long is told by the answer's status; later, the answer is broken off."""
_RANGE = re.compile(r"bytes=(?!-\Z)(\d{0,18})-(\d{0,18})\Z")
_NOTHING = "default-src 'none'; sandbox"


class Stored(NamedTuple):
    """What is asked of an artifact, without its row: no connection stays open for it."""

    path: str
    name: str
    size: int
    sha256: str
    content_type: str
    created: float
    """Seconds since the epoch."""


@opening.answered
async def artifact(request: HttpRequest, build_id: int, path: str) -> HttpResponseBase:
    """A download, whole or a range of it."""
    opening.can_stream(request)
    await opening.open_build(request, build_id)
    found = await read_in_bulk(_stored, build_id, path)
    if not found:
        raise refuse(404, f"Build {build_id} has no artifact {path[:200]!r}, or it is deleted.")
    return await _answer(request, found[0])


@opening.answered
async def archive(request: HttpRequest, build_id: int) -> HttpResponseBase:
    """All artifacts of the build as a ZIP archive, written while it is sent."""
    opening.can_stream(request)
    await opening.open_build(request, build_id)
    found = await read_in_bulk(_stored, build_id)
    if not found:
        raise refuse(404, f"Build {build_id} has no artifacts.")
    body = opening.nothing() if request.method == "HEAD" else _sent(zipped(found))
    return StreamingHttpResponse(body, headers=_headers("application/zip", f"build-{build_id}-artifacts.zip"))


def _stored(build_id: int, path: str | None = None) -> list[Stored]:
    one = artifacts.find(build_id, path) if path else None
    rows = artifacts.stored(build_id) if path is None else [one] if one else []
    return [
        Stored(row.path, row.name, row.size, row.sha256, row.content_type, row.created_at.timestamp()) for row in rows
    ]


async def _answer(request: HttpRequest, one: Stored) -> HttpResponseBase:
    tag = f'"{one.sha256}"'
    headers = _headers(one.content_type, one.path.rpartition("/")[2])
    headers |= {"ETag": tag, "Accept-Ranges": "bytes"}
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if "*" in known or tag in [each.removeprefix("W/") for each in known]:
        return HttpResponse(status=304, headers=headers)
    span = _range(request, one.size, tag)
    if span is None:
        return HttpResponse(status=416, headers=headers | {"Content-Range": f"bytes */{one.size}"})
    start, end = span
    headers["Content-Length"] = str(end - start)
    status = 200
    if (start, end) != (0, one.size) or _asks_for_range(request, tag):
        status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{one.size}"
    if request.method == "HEAD":
        return StreamingHttpResponse(opening.nothing(), status=status, headers=headers)
    parts = filestore.read(one.name, start, end - start)
    first = asyncio.ensure_future(read_file(lambda: next(parts, None)))
    await asyncio.wait({first}, timeout=FIRST_SECONDS)
    if first.done() and (error := first.exception()) is not None:
        if not isinstance(error, filestore.Failed):
            raise error
        raise refuse(410 if isinstance(error, filestore.Missing) else 503, str(error))
    return StreamingHttpResponse(_sent(parts, first), status=status, headers=headers)


def _headers(content_type: str, name: str) -> dict[str, str]:
    return {
        "Content-Type": content_type,
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": _NOTHING,
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-cache, no-transform",
        "X-Accel-Buffering": "no",
        "Content-Encoding": "identity",
    }


def _asks_for_range(request: HttpRequest, tag: str) -> bool:
    """Only of the very file that they have a part of."""
    return bool(_RANGE.match(request.headers.get("Range", ""))) and request.headers.get("If-Range", tag) == tag


def _range(request: HttpRequest, size: int, tag: str) -> tuple[int, int] | None:
    """The first byte that is asked for and the one behind the last; None: there is no such stretch. What is no range,
    or several of them, is not looked at: the answer is the whole file."""
    found = _RANGE.match(request.headers.get("Range", ""))
    if not found or not _asks_for_range(request, tag):
        return 0, size
    first, last = found.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
    return (start, end) if start < end else None


async def _sent(parts: Iterator[bytes], first: "asyncio.Future[bytes | None] | None" = None) -> AsyncIterator[bytes]:
    """`CutShort` where the storage fails: whoever has got so far has to know that it is not all."""
    coming = first or read_file(lambda: next(parts, None))
    while True:
        try:
            part = await coming
        except filestore.Failed as failure:
            raise CutShort(str(failure)) from failure
        if part is None:
            return
        yield part
        coming = read_file(lambda: next(parts, None))


class _Kept:
    """What an archive has written and nobody has taken yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def zipped(found: Sequence[Stored]) -> Iterator[bytes]:
    """A ZIP archive in parts, each file as it is: most artifacts are compressed already. `filestore.Failed`."""
    kept = _Kept()
    with zipfile.ZipFile(kept, "w") as made:  # type: ignore[call-overload]
        for one in found:
            entry = zipfile.ZipInfo(one.path.replace("\\", "_"), time.gmtime(max(one.created, 315_532_800))[:6])
            entry.external_attr = 0o644 << 16
            with made.open(entry, "w", force_zip64=one.size > zipfile.ZIP64_LIMIT // 2) as into:
                for part in filestore.read(one.name, 0, one.size):
                    into.write(part)
                    yield kept.take()
    yield kept.take()
