"""Secrets of projects, for programs: written here, and never told."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables
from ninja import Body, Router, Schema
from pydantic import ConfigDict, Field

from ... import safe
from ...models import Project, Secret
from .. import schemas
from ..problems import Problem
from . import asking
from .asking import caller, project

router = Router()


class SecretItem(Schema):
    """What may be known of a secret."""

    name: str
    for_forks: Annotated[bool, Field(description="also given to builds of pull requests from forks")]
    branches: Annotated[list[str], Field(description="patterns: to builds of these alone; empty: to any")]
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class SecretList(Schema):
    items: list[SecretItem]


class SecretGiven(schemas.Given):
    """What is left out, or null, stays as it was."""

    model_config = ConfigDict(hide_input_in_errors=True)
    value: Annotated[str | None, Field(json_schema_extra={"writeOnly": True})] = None
    for_forks: schemas.Flag | None = None
    branches: Annotated[list[str] | None, Field(description="patterns such as main or release/*")] = None


_PATH = "/projects/{slug:slug}/secrets"


@router.get(_PATH, response={200: SecretList, 404: schemas.Details}, summary="Names and rules, no values")
def secrets(request: HttpRequest, slug: str) -> Any:
    return {"items": [_item(secret) for secret in safe.listed(_writable(request, slug))]}


@router.put(_PATH + "/{name}", response={200: SecretItem, 201: SecretItem, 422: schemas.Details}, summary="Write one")
@sensitive_variables("body")
def put(request: HttpRequest, slug: str, name: str, body: Annotated[SecretGiven, Body()]) -> Any:
    """The value is sealed at once, and no answer has it. Without `value` only its rules change."""
    found = _writable(request, slug)
    branches = None if body.branches is None else " ".join(body.branches)
    by = caller(request).name
    try:
        new = safe.put(found, name, body.value, by=by, for_forks=body.for_forks, branches=branches)
    except safe.BadSecret as refusal:
        wrong = {"errors": [{"at": refusal.at, "expected": str(refusal)}]} if refusal.at else {}
        raise Problem(422, str(refusal), **wrong) from refusal
    return (201 if new else 200), _item(Secret.objects.defer("value").get(project=found, name=name))


@router.delete(_PATH + "/{name}", response={204: None, 404: schemas.Details}, summary="Delete one")
def delete(request: HttpRequest, slug: str, name: str) -> Any:
    if not safe.remove(_writable(request, slug), name):
        raise Problem(404, f"The project {slug!r} has no secret {name[:100]!r}.")
    return HttpResponse(status=204)


def _writable(request: HttpRequest, slug: str) -> Project:
    who = caller(request)
    found = project(who, slug)
    asking.require(who, who.may_write_secrets(), "secrets", "change projects, and so not write their secrets")
    return found


def _item(secret: Secret) -> dict[str, Any]:
    branches = secret.branches.split()
    return {name: getattr(secret, name) for name in SecretItem.model_fields if name != "branches"} | {
        "branches": branches
    }
