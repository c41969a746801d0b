"""Builds, for programs: looked at, cancelled, kept."""

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from ... import lifecycle, queue
from ...models import Changes
from .. import landmarks, schemas
from ..problems import Problem
from . import asking
from .asking import Number

router = Router()

MAX_PAGE = 100


@router.get("/builds", response={200: schemas.BuildList, 422: schemas.Details}, summary="Builds, newest first")
def builds(
    request: HttpRequest,
    before: Annotated[Number | None, Query(None, description="only builds with a lower number")] = None,
    project: Annotated[schemas.Slug | None, Query(None)] = None,
    status: Annotated[schemas.BuildStatus | None, Query(None)] = None,
    limit: Annotated[int, Query(50, ge=1, le=MAX_PAGE)] = 50,
) -> Any:
    found = asking.caller(request).builds().select_related("project").prefetch_related("steps").order_by("-id")
    if before is not None:
        found = found.filter(pk__lt=before)
    if project is not None:
        # Its key, looked up first: joined with its project, PostgreSQL would read builds of others, too.
        wanted = asking.caller(request).projects().filter(slug=project).values_list("pk", flat=True).first()
        found = found.filter(project=wanted) if wanted is not None else found.none()
    if status is not None:
        found = found.filter(status=status)
    page, older = asking.newest(request, found, limit)
    return asking.answer({"items": asking.told(asking.caller(request), page), "next": older})


@router.get("/builds/{int:build_id}", response={200: schemas.BuildDetail, 404: schemas.Details})
def build(request: HttpRequest, build_id: int) -> Any:
    caller = asking.caller(request)
    found = asking.build(caller, build_id, reading=True)
    place = queue.place(found)
    return asking.answer(
        asking.told(caller, [found])[0] | {"queue": place and {"position": place.position, "reason": place.reason}}
    )


@router.get("/builds/{int:build_id}/annotations", response={200: schemas.AnnotationList, 404: schemas.Details})
def annotations(request: HttpRequest, build_id: int) -> Any:
    """What its steps have said as errors, warnings and notices, in the order in which it was printed."""
    return asking.answer(landmarks.listed(asking.build(asking.caller(request), build_id, reading=True)))


@router.get("/builds/{int:build_id}/changes", response={200: schemas.ChangesItem, 404: schemas.Details})
def changes(request: HttpRequest, build_id: int) -> Any:
    """The commits that it has and the last passed build before it had not, as its checkout found them."""
    found = Changes.objects.filter(build=asking.build(asking.caller(request), build_id, reading=True)).first()
    if found is None:
        raise Problem(
            404, f"Build {build_id} has no changes: nothing of its branch passed before it, or nothing is known."
        )
    return asking.answer(found.data())


@router.post("/builds/{int:build_id}/cancel", response={200: schemas.BuildItem, 409: schemas.Details})
def cancel(request: HttpRequest, build_id: int) -> Any:
    """End a queued build now, or ask the worker of a running one to end it. Asking twice is asking once."""
    caller = asking.caller(request)
    asking.build(caller, build_id)
    asking.require(caller, caller.may_cancel(), "cancel", "cancel builds")
    try:
        lifecycle.cancel(build_id, by=caller.name)
    except lifecycle.Refused as refusal:
        raise Problem(409, str(refusal)) from refusal
    return asking.answer(asking.told(caller, [asking.build(caller, build_id)])[0])


@router.post("/builds/{int:build_id}/keep", response={200: schemas.BuildItem, 409: schemas.Details})
def keep(request: HttpRequest, build_id: int) -> Any:
    """The build's log is never pruned, from now on. Asking twice is asking once."""
    return _keep(request, build_id, True)


@router.delete("/builds/{int:build_id}/keep", response={200: schemas.BuildItem})
def no_longer_keep(request: HttpRequest, build_id: int) -> Any:
    """The build's log is pruned when its time comes."""
    return _keep(request, build_id, False)


def _keep(request: HttpRequest, build_id: int, kept: bool) -> HttpResponse:
    caller = asking.caller(request)
    asking.build(caller, build_id)
    asking.require(caller, caller.may_keep(), "keep", "keep the logs of builds")
    try:
        lifecycle.keep(build_id, kept)
    except lifecycle.Refused as refusal:
        raise Problem(409, str(refusal)) from refusal
    return asking.answer(asking.told(caller, [asking.build(caller, build_id)])[0])
