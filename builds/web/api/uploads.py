"""Artifacts of builds that run outside, for the program that runs them: announce, send in pieces, complete.

The lease is named in each request, and a request whose answer was lost is sent again without harm.
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from django.http import HttpRequest
from ninja import Header, Query, Router, Schema
from pydantic import Field

from buildboard.bodies import PIECE_BYTES

from ... import filestore, runs, uploads
from ...artifacts import MAX_PATH
from ...events import LeaseLost
from .. import schemas
from ..door import Door
from ..problems import Problem
from . import runs as told

T = TypeVar("T")

router = Router(auth=Door(often="runs", times=10))

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="of the whole file, in hexadecimal")]


class Announced(schemas.Given):
    step: told.Position
    path: Annotated[str, Field(min_length=1, max_length=2 * MAX_PATH, description="with / between its names")]
    size: Annotated[int, Field(ge=0, lt=2**62)]
    sha256: Digest


class Announcement(schemas.Given):
    lease: told.Token
    files: Annotated[list[Announced], Field(min_length=1, max_length=uploads.MOST_ANNOUNCED)]


class Place(Schema):
    path: str
    number: Annotated[int | None, Field(description="by which its pieces are sent; null: none are wanted")]
    have: Annotated[int, Field(description="from this byte on they are")]
    refused: Annotated[str, Field(description="why it is not stored; empty: it is, or will be")]


class Places(Schema):
    files: Annotated[list[Place], Field(description="as they were announced")]
    piece_bytes: Annotated[int, Field(description="of each piece but the last of a file")]


class Had(Schema):
    have: Annotated[int, Field(description="from this byte on the next piece is wanted")]


_PATH = "/runs/{int:build_id}/artifacts"
_REFUSED = {409: schemas.Details, 503: schemas.Details}


@router.post(_PATH, response={200: Places, 409: schemas.Details})
def announce(request: HttpRequest, build_id: int, body: Announcement) -> Any:
    """Which files are to come. Asked again, the same is answered, with what has come meanwhile."""
    told.find(request, build_id)
    files = [uploads.Announced(**one.model_dump()) for one in body.files]
    places = _taken(build_id, lambda: uploads.announce(build_id, body.lease, files))
    return {"files": [place._asdict() for place in places], "piece_bytes": PIECE_BYTES}


@router.put(
    _PATH + "/{int:number}",
    auth=Door(often="runs", times=10, raw=True),
    response={200: Had, **_REFUSED},
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {}}}}},
)
def send(
    request: HttpRequest,
    build_id: int,
    number: int,
    lease: Annotated[told.Token, Header(..., alias="Buildboard-Lease")],
    offset: Annotated[int, Query(..., ge=0, lt=2**62, description="where it begins")],
) -> Any:
    """A piece: the bytes themselves."""
    told.find(request, build_id)
    data = request.read(PIECE_BYTES + 1)
    if len(data) > PIECE_BYTES:
        raise Problem(413, f"The body is larger than {PIECE_BYTES:,} bytes.")
    return {"have": _taken(build_id, lambda: uploads.receive(build_id, lease, number, offset, data))}


@router.post(_PATH + "/{int:number}/complete", response={200: told.Stands, **_REFUSED})
def complete(request: HttpRequest, build_id: int, number: int, body: told.Write) -> Any:
    """All of it has come: it is compared with its SHA-256, and shown from now on."""
    told.find(request, build_id)
    stands = _taken(
        build_id,
        lambda: runs.carry_out(build_id, body.lease, body.head, lambda lease: uploads.complete(lease, number)),
    )
    return stands._asdict()


def _taken(build_id: int, verb: Callable[[], T]) -> T:
    try:
        return verb()
    except LeaseLost:
        raise told.lost(build_id) from None
    except runs.OutOfStep as refusal:
        raise Problem(409, str(refusal)) from refusal
    except filestore.Failed as failure:
        raise Problem(503, str(failure)) from failure
