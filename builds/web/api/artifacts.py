"""Artifacts, for programs: which there are. The files themselves are at each one's `url`."""

from typing import Annotated, Any

from django.http import HttpRequest
from django.urls import reverse
from ninja import Query, Router, Schema
from pydantic import Field

from ... import artifacts, events
from .. import schemas
from . import asking

MAX_PAGE = 200

router = Router()


class ArtifactItem(Schema):
    """But for `url`, also the `data` of an `artifact` event."""

    step: str
    path: Annotated[str, Field(description="within the workspace")]
    size: int
    sha256: str
    content_type: str
    created_at: str
    url: str


class ArtifactList(Schema):
    items: list[ArtifactItem]
    next: Annotated[str | None, Field(description="address of the next page")]


@router.get(
    "/builds/{int:build_id}/artifacts", response={200: ArtifactList, 404: schemas.Details, 422: schemas.Details}
)
def listed(
    request: HttpRequest,
    build_id: int,
    after: Annotated[str, Query("", description="only paths behind this one", max_length=artifacts.MAX_PATH)] = "",
    limit: Annotated[int, Query(100, ge=1, le=MAX_PAGE)] = 100,
) -> Any:
    """The files that its steps have left behind, by path. `url` gives the file itself, by token or session."""
    build = asking.build(asking.caller(request), build_id, reading=True)
    rows = artifacts.following(build.pk, after, limit + 1)
    names = events.step_names(build.pk)
    following = None
    if len(rows) > limit:
        following = asking.following(request, after=rows[limit - 1].path)
    items = [
        artifacts.data(row, names) | {"url": request.build_absolute_uri(reverse("artifact", args=[build.pk, row.path]))}
        for row in rows[:limit]
    ]
    return asking.answer({"items": items, "next": following})
