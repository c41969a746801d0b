"""Caches of a project, for programs: which there are; one, or all, deleted."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from ... import caches
from ...models import Cache, Project, iso
from .. import schemas
from ..problems import Problem
from . import asking
from .asking import Number

MAX_PAGE = 200

router = Router()


class CacheItem(Schema):
    id: int
    key: str
    scope: Annotated[str, Field(description="empty: for all its builds; else the pull request that alone finds it")]
    size: Annotated[int, Field(description="of the archive")]
    sha256: str
    build: Annotated[int, Field(description="that made it; it may have been deleted since")]
    created_at: datetime
    used_at: Annotated[datetime, Field(description="when a build found it last")]


class CacheList(Schema):
    items: list[CacheItem]
    next: Annotated[str | None, Field(description="address of the next, older page")]


_PATH = "/projects/{slug:slug}/caches"


@router.get(_PATH, response={200: CacheList, 401: schemas.Details, 404: schemas.Details, 422: schemas.Details})
def listed(
    request: HttpRequest,
    slug: str,
    before: Annotated[Number | None, Query(None, description="only those with a lower id")] = None,
    limit: Annotated[int, Query(100, ge=1, le=MAX_PAGE)] = 100,
) -> Any:
    """What its builds may find, newest first. 401 for nobody who is known."""
    project = asking.inside(asking.caller(request), slug)
    page, older = asking.newest(request, caches.listed(project.pk, before), limit)
    return asking.answer({"items": [_item(row) for row in page], "next": older})


@router.delete(_PATH + "/{int:number}", response={204: None, 403: schemas.Details, 404: schemas.Details})
def delete(request: HttpRequest, slug: str, number: int) -> Any:
    """No build finds it any more."""
    if not caches.remove(_changing(request, slug).pk, number):
        raise Problem(404, f"The project {slug!r} has no cache {number}.")
    return HttpResponse(status=204)


@router.delete(_PATH, response={204: None, 403: schemas.Details, 404: schemas.Details}, summary="Delete all")
def delete_all(request: HttpRequest, slug: str) -> Any:
    """Also where there is none."""
    caches.remove(_changing(request, slug).pk)
    return HttpResponse(status=204)


def _changing(request: HttpRequest, slug: str) -> Project:
    who = asking.caller(request)
    found = asking.project(who, slug)
    asking.require(who, who.may_change_projects(), "projects", "change projects, and so not delete their caches")
    return found


def _item(row: Cache) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in ("key", "scope", "size", "sha256", "build")}
    return {"id": row.pk, **plain, "created_at": iso(row.created_at), "used_at": iso(row.used_at)}
