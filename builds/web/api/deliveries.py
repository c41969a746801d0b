"""What webhooks have delivered, for programs."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from ... import deliveries, hooks
from ...models import Delivery, iso
from .. import schemas
from . import asking

MAX_PAGE = 100

router = Router()


class DeliveryItem(Schema):
    id: int
    forge: Annotated[str, Field(description=f"one of {', '.join(hooks.FORGES)}")]
    delivery: Annotated[str, Field(description="the forge's number for it: the same when it is sent again")]
    event: str
    received_at: datetime
    outcome: Annotated[str, Field(description="started, ignored, refused or repeated")]
    why: Annotated[str, Field(description="empty where it has started a build")]
    build: int | None
    ref: str
    commit: str
    sender: str


class DeliveryList(Schema):
    items: list[DeliveryItem]
    next: Annotated[str | None, Field(description="address of the next, older page")]


@router.get(
    "/projects/{slug:slug}/deliveries",
    response={200: DeliveryList, 401: schemas.Details, 404: schemas.Details, 422: schemas.Details},
)
def listed(
    request: HttpRequest,
    slug: str,
    before: Annotated[asking.Number | None, Query(None, description="only those with a lower id")] = None,
    limit: Annotated[int, Query(50, ge=1, le=MAX_PAGE)] = 50,
) -> Any:
    """What webhooks have delivered to a project, newest first, and what became of it. 401 for nobody who is known."""
    project = asking.inside(asking.caller(request), slug)
    page, older = asking.newest(request, deliveries.newest(project, before), limit)
    return asking.answer({"items": [_item(one) for one in page], "next": older})


def _item(one: Delivery) -> dict[str, Any]:
    fields = ("forge", "delivery", "event", "outcome", "why", "ref", "commit", "sender")
    return {
        "id": one.pk,
        "received_at": iso(one.received_at),
        "build": one.build_id,
        **{name: getattr(one, name) for name in fields},
    }
