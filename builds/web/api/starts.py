"""Starting and retrying builds, for programs."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Body, Router

from ... import inputs, lifecycle, recipe
from ...models import Build
from ...source import Source
from .. import schemas
from ..problems import Problem
from . import asking
from .asking import Key

router = Router()

Given = Annotated[schemas.Start | None, Body(None)]


@router.post("/projects/{slug:slug}/builds", response=schemas.STARTING)
def start(request: HttpRequest, slug: str, body: Given = None, key: Key = None) -> Any:
    """Start a build of a project. The body is optional."""
    caller = asking.caller(request)
    found = asking.project(caller, slug)
    asking.require(caller, caller.may_start(), "start", "start builds")
    wanted, once = body or schemas.Start(), asking.request_key(caller, key)
    try:
        build = lifecycle.enqueue(
            found,
            by=caller.name,
            ref=wanted.ref,
            source=Source("api"),
            inputs=wanted.inputs,
            request_key=once,
        )
    except lifecycle.Refused as refusal:
        raise asking.refused(422 if found.enabled else 409, refusal) from refusal
    if once and ((build.ref, build.retry_of_id) != (wanted.ref, None) or not _is_given(build, wanted.inputs)):
        raise Problem(422, f"This Idempotency-Key has started build {build.pk}, and with something else.")
    return asking.started(request, build)


@router.post("/builds/{int:build_id}/retry", response=schemas.STARTING)
def retry(request: HttpRequest, build_id: int, key: Key = None) -> Any:
    """Start a new build that repeats a finished one."""
    caller = asking.caller(request)
    old = asking.build(caller, build_id)
    asking.require(caller, caller.may_start(), "start", "retry builds")
    try:
        new = lifecycle.retry(old, by=caller.name, request_key=asking.request_key(caller, key))
    except lifecycle.Refused as refusal:
        raise asking.refused(409, refusal) from refusal
    if new.retry_of_id != old.pk:
        raise Problem(422, f"This Idempotency-Key has started build {new.pk}, and with something else.")
    return asking.started(request, new)


def _is_given(build: Build, wanted: dict[str, Any]) -> bool:
    """Whether the inputs of `build` are these. Before its checkout it has them as they were given, and then what its
    recipe makes of them."""
    try:
        if build.repository and inputs.untyped(wanted) == build.inputs:
            return True
    except inputs.InputError:
        return False
    return recipe.gives(build.recipe, wanted) == build.inputs
