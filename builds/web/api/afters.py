"""After which other projects a project is built, for programs."""

from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from ninja import Body, Router, Schema
from pydantic import ConfigDict, Field

from ... import chains
from ...access import Caller
from ...models import After, Project
from .. import schemas
from ..problems import Problem
from . import asking

router = Router()


class AfterGiven(schemas.Given):
    project: Annotated[
        schemas.Slug, Field(description="the other project: when a build of it has passed, one begins here")
    ]
    branches: Annotated[
        str, Field(max_length=500, description="patterns; only its builds of these count. Empty: all")
    ] = ""
    same_ref: Annotated[schemas.Flag, Field(description="of the branch, tag or commit that the other was of")] = False


class AfterItem(AfterGiven):
    model_config = ConfigDict(extra="ignore")
    id: int
    note: Annotated[str, Field(description="why it could not be started last; empty: it could")]


class AfterList(Schema):
    items: list[AfterItem]


_PATH = "/projects/{slug:slug}/after"
_WRONG = {403: schemas.Details, 404: schemas.Details, 409: schemas.Details, 422: schemas.Details}


@router.get(_PATH, response={200: AfterList, 401: schemas.Details, 404: schemas.Details})
def listed(request: HttpRequest, slug: str) -> Any:
    """Those that the caller may see. 401 for nobody who is known."""
    caller = asking.caller(request)
    project = asking.inside(caller, slug)
    found = After.objects.filter(project=project, upstream__in=caller.projects()).select_related("upstream")
    return asking.answer({"items": [_item(one) for one in found]})


@router.post(_PATH, response={201: AfterItem} | _WRONG)
def make(request: HttpRequest, slug: str, body: Annotated[AfterGiven, Body()]) -> Any:
    """409: a circle, or it is there already."""
    caller = asking.caller(request)
    project = _changing(caller, slug)
    made = After(project=project, upstream=asking.project(caller, body.project), made_by=caller.name)
    made.branches, made.same_ref = body.branches, body.same_ref
    if made.upstream == project:
        raise Problem(409, f"{project} cannot be built after itself; expected another project.")
    if After.objects.filter(project=project, upstream=made.upstream).exists():
        raise Problem(409, f"{project} is built after {made.upstream} already.")
    try:
        made.full_clean()
    except ValidationError as error:
        errors = [
            {"at": "project" if field == "upstream" else field, "expected": text}
            for field, texts in error.message_dict.items()
            if field != "__all__"
            for text in texts
        ]
        said = " ".join(error.messages)
        raise (Problem(422, said, errors=errors) if errors else Problem(409, said)) from error
    try:
        chains.save(made)
    except chains.Circle as error:
        raise Problem(409, str(error)) from error
    return asking.answer(_item(made), 201)


@router.delete(_PATH + "/{int:number}", response={204: None, 403: schemas.Details, 404: schemas.Details})
def delete(request: HttpRequest, slug: str, number: int) -> Any:
    caller = asking.caller(request)
    project = _changing(caller, slug)
    seen = After.objects.filter(project=project, upstream__in=Project.objects.visible_to(caller.user))
    if not seen.filter(pk=number).delete()[0]:
        raise Problem(404, f"The project {slug} comes after no other by the number {number}.")
    return HttpResponse(status=204)


def _changing(caller: Caller, slug: str) -> Project:
    found = asking.project(caller, slug)
    may = caller.may_start() and caller.may_change_starts()
    asking.require(caller, may, "start", "change what projects come after, and start builds")
    return found


def _item(one: After) -> dict[str, Any]:
    return {
        "id": one.pk,
        "project": one.upstream.slug,
        "branches": one.branches,
        "same_ref": one.same_ref,
        "note": one.note,
    }
