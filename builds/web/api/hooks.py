"""A project's webhook, for programs: which news it builds, and its secret, which one answer has and no other."""

from datetime import datetime
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Body, Router
from pydantic import ConfigDict, Field

from ... import deliveries
from ...access import Caller
from ...models import Hook, Project, iso, patterns
from .. import schemas
from ..problems import Problem
from . import asking

router = Router()


class HookGiven(schemas.Given):
    """What is left out stays, or is as a new webhook has it."""

    branches: Annotated[list[str], Field(description="patterns: news of these alone; empty: of all")] = []
    tags: Annotated[schemas.Flag, Field(description="pushed tags are built")] = True
    pull_requests: Annotated[schemas.Flag, Field(description="pull requests are built")] = True
    forks: Annotated[
        schemas.Flag, Field(description="also those of forks: whoever may open one runs what they like")
    ] = False
    supersede: Annotated[schemas.Flag, Field(description="a newer push cancels older builds that still wait")] = False


class HookItem(HookGiven):
    model_config = ConfigDict(extra="ignore")
    address: Annotated[str, Field(description="where the forge delivers")]
    made_at: Annotated[datetime, Field(description="of its secret")]
    made_by: str


class HookMade(HookItem):
    secret: Annotated[str, Field(description="shown here, and never again")]


_PATH = "/projects/{slug:slug}/hook"
_REFUSED = {403: schemas.Details, 404: schemas.Details}


@router.get(_PATH, response={200: HookItem, 401: schemas.Details, 404: schemas.Details})
def hook(request: HttpRequest, slug: str) -> Any:
    """404 where it takes no webhooks. 401 for nobody who is known, also of a public board."""
    return asking.answer(_item(request, _found(asking.inside(asking.caller(request), slug)), slug))


@router.put(_PATH, response={200: HookItem, 201: HookMade, 409: schemas.Details, 422: schemas.Details, **_REFUSED})
def put(request: HttpRequest, slug: str, body: Annotated[HookGiven, Body()]) -> Any:
    """Change what it builds; where there is none, make it: 201, with its secret."""
    caller = asking.caller(request)
    project = _changing(caller, slug)
    found = _found(project)
    made = found or Hook(project=project, made_by=caller.name)
    secret = ""
    if found is None:
        secret, made.secret = deliveries.new_secret()
    given = {
        name: " ".join(value) if isinstance(value, list) else value
        for name, value in body.model_dump(exclude_unset=True).items()
    }
    for name, value in given.items():
        setattr(made, name, value)
    try:
        made.full_clean()
    except ValidationError as error:
        wrong = [{"at": at, "expected": text} for at, texts in error.message_dict.items() for text in texts]
        raise Problem(422, f"Not as expected: {'; '.join(error.messages)}", errors=wrong) from error
    try:
        with transaction.atomic():
            if found is None:
                made.save()
            elif given:  # nothing else: a new secret may have been made since
                Hook.objects.filter(pk=found.pk).update(**given)
    except IntegrityError:
        raise Problem(409, "A webhook was made meanwhile; ask again to change it.") from None
    said = _item(request, _found(project), slug)
    return asking.answer(said | {"secret": secret} if secret else said, 201 if secret else 200)


@router.post(_PATH + "/secret", response={200: HookMade, **_REFUSED}, summary="Make a new secret")
def make_secret(request: HttpRequest, slug: str) -> Any:
    """The one before is good for nothing from now on."""
    caller = asking.caller(request)
    project = _changing(caller, slug)
    said = _item(request, _found(project), slug)
    secret = deliveries.make_secret(project, by=caller.name)
    return asking.answer(said | _item(request, _found(project), slug) | {"secret": secret})


@router.delete(_PATH, response={204: None, **_REFUSED})
def delete(request: HttpRequest, slug: str) -> Any:
    """Nothing is taken any more. What was delivered stays listed."""
    if not Hook.objects.filter(project=_changing(asking.caller(request), slug)).delete()[0]:
        raise _none(slug)
    return HttpResponse(status=204)


# --- Inside ---


def _found(project: Project) -> Hook | None:
    return Hook.objects.filter(project=project).first()


def _none(slug: str) -> Problem:
    return Problem(404, f"The project {slug!r} takes no webhooks.")


def _changing(caller: Caller, slug: str) -> Project:
    """Whoever changes what starts builds starts them."""
    found = asking.project(caller, slug)
    may = caller.may_start() and caller.may_change_starts()
    asking.require(caller, may, "start", "change the webhook of projects and start builds")
    return found


def _item(request: HttpRequest, one: Hook | None, slug: str) -> dict[str, Any]:
    if one is None:
        raise _none(slug)
    plain = {name: getattr(one, name) for name in ("tags", "pull_requests", "forks", "supersede", "made_by")}
    address = request.build_absolute_uri(reverse("hook", args=[slug]))
    return {"address": address, "branches": list(patterns(one.branches)), "made_at": iso(one.made_at)} | plain
