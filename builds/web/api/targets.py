"""Who outside is told of a project's builds, and the messages to them, for programs. No secret is ever told."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables
from ninja import Body, Query, Router, Schema
from pydantic import ConfigDict, Field

from ... import outbox
from ...models import Outgoing, Project, Target
from ...outbox import targets as rules
from .. import news, schemas
from ..problems import Problem, joined
from . import asking
from .asking import Number, caller, project

MAX_PAGE = 100

router = Router()

Kind = Literal["github", "gitlab", "gitea", "webhook", "mail", "slack", "matrix"]
State = Literal["waiting", "sent", "failed", "skipped"]
Word = Literal["queued", "running", "passed", "failed", "cancelled", "lost", "broken", "fixed"]


class TargetItem(Schema):
    id: int
    kind: Kind
    name: str
    enabled: bool
    address: str
    place: str
    label: str
    tells: Annotated[list[str], Field(description="of a forge empty: it is told each status")]
    branches: Annotated[list[str], Field(description="patterns; empty: any branch")]
    pull_requests: bool
    has_secret: bool
    created_at: datetime


class TargetList(Schema):
    items: list[TargetItem]


class TargetGiven(schemas.Given):
    """What is left out, or null, stays as it was, or is as a new target has it."""

    model_config = ConfigDict(hide_input_in_errors=True)
    name: Annotated[str | None, Field(max_length=100)] = None
    enabled: schemas.Flag | None = None
    address: Annotated[str | None, Field(max_length=500)] = None
    place: Annotated[str | None, Field(max_length=255)] = None
    label: Annotated[str | None, Field(max_length=100)] = None
    tells: list[Word] | None = None
    branches: list[str] | None = None
    pull_requests: schemas.Flag | None = None
    secret: Annotated[str | None, Field(json_schema_extra={"writeOnly": True})] = None


class NewTarget(TargetGiven):
    kind: Kind


class MessageItem(Schema):
    id: int
    key: Annotated[str, Field(description="names it for ever: the webhook-id, the Message-ID of a letter")]
    target: int
    build: Annotated[int | None, Field(description="null: a test")]
    what: Annotated[str, Field(description="the status that the build got, or `test`")]
    state: State
    attempts: int
    next_at: Annotated[datetime | None, Field(description="when it is tried next, while it waits")]
    code: Annotated[int | None, Field(description="HTTP status of the last answer")]
    answer: str
    created_at: datetime
    done_at: datetime | None


class MessageList(Schema):
    items: list[MessageItem]
    next: Annotated[str | None, Field(description="address of the next, older page")]


_TARGETS = "/projects/{slug:slug}/targets"
_TARGET = _TARGETS + "/{int:number}"
_MESSAGES = "/projects/{slug:slug}/messages"
_REFUSED = {403: schemas.Details, 404: schemas.Details}


@router.get(_TARGETS, response={200: TargetList, **_REFUSED}, summary="Who is told of its builds")
def listed(request: HttpRequest, slug: str) -> Any:
    return {"items": [_item(one) for one in _writable(request, slug).targets.all()]}


@router.post(_TARGETS, response={201: TargetItem, 422: schemas.Details, **_REFUSED}, summary="Tell one more")
@sensitive_variables("body")
def make(request: HttpRequest, slug: str, body: Annotated[NewTarget, Body()]) -> Any:
    """The secret is sealed at once, and no answer has it."""
    target = Target(project=_writable(request, slug), kind=body.kind)
    return 201, _saved(target, body)


@router.get(_TARGET, response={200: TargetItem, **_REFUSED}, summary="One of them")
def target(request: HttpRequest, slug: str, number: Number) -> Any:
    return _item(_target(request, slug, number))


@router.patch(_TARGET, response={200: TargetItem, 422: schemas.Details, **_REFUSED}, summary="Change one")
@sensitive_variables("body")
def change(request: HttpRequest, slug: str, number: Number, body: Annotated[TargetGiven, Body()]) -> Any:
    return _saved(_target(request, slug, number), body)


@router.delete(_TARGET, response={204: None, **_REFUSED}, summary="Delete one, and its messages")
def delete(request: HttpRequest, slug: str, number: Number) -> Any:
    _target(request, slug, number).delete()
    return HttpResponse(status=204)


@router.post(_TARGET + "/test", response={202: MessageItem, **_REFUSED}, summary="Send it a test")
def test(request: HttpRequest, slug: str, number: Number) -> Any:
    """What became of it is told by the list of messages."""
    made = outbox.test(_target(request, slug, number))
    return 202, news.item(Outgoing.objects.get(pk=made.pk))


@router.get(_MESSAGES, response={200: MessageList, 422: schemas.Details, **_REFUSED}, summary="Messages, newest first")
def messages(
    request: HttpRequest,
    slug: str,
    target: Annotated[Number | None, Query(None)] = None,
    state: Annotated[State | None, Query(None)] = None,
    before: Annotated[Number | None, Query(None, description="only those with a lower id")] = None,
    limit: Annotated[int, Query(50, ge=1, le=MAX_PAGE)] = 50,
) -> Any:
    found = news.messages(_writable(request, slug), before)
    if target is not None:
        found = found.filter(target=target)
    if state is not None:
        found = found.filter(state=state)
    page, older = asking.newest(request, found, limit)
    return {"items": [news.item(one) for one in page], "next": older}


@router.post(
    _MESSAGES + "/{int:number}/retry",
    response={200: MessageItem, 409: schemas.Details, **_REFUSED},
    summary="Try one again at once",
)
def retry(request: HttpRequest, slug: str, number: Number) -> Any:
    """One that was given up, or that waits for its next attempt."""
    row = Outgoing.objects.filter(target__project=_writable(request, slug), pk=number).first()
    if row is None:
        raise Problem(404, f"The project {slug!r} has no message {number}.")
    if not outbox.retry(row.pk):
        raise Problem(409, "It is on its way, has arrived or was overtaken: there is nothing to try again.")
    row.refresh_from_db()
    return news.item(row)


# --- Inside ---


def _writable(request: HttpRequest, slug: str) -> Project:
    who = caller(request)
    found = project(who, slug)
    asking.require(who, who.may_change_targets(), "targets", "change projects, and so not whom they tell")
    return found


def _target(request: HttpRequest, slug: str, number: int) -> Target:
    found = _writable(request, slug).targets.select_related("project").filter(pk=number).first()
    if found is None:
        raise Problem(404, f"The project {slug!r} has no target {number}.")
    return found


def _saved(target: Target, given: TargetGiven) -> dict[str, Any]:
    for name, value in given.model_dump(exclude_none=True, exclude={"secret", "kind"}).items():
        setattr(target, name, " ".join(value) if isinstance(value, list) else value)
    try:
        rules.save(target, given.secret)
    except rules.BadTarget as refusal:
        errors = [{"at": field, "expected": text} for field, text in refusal.wrong.items()]
        raise Problem(422, f"Not as expected: {joined(refusal.wrong.items())}.", errors=errors) from refusal
    return _item(target)


def _item(target: Target) -> dict[str, Any]:
    plain = ("kind", "name", "enabled", "address", "place", "label", "pull_requests", "created_at")
    return {
        "id": target.pk,
        "tells": target.tells.split(),
        "branches": target.branches.split(),
        "has_secret": target.secret != "",
        **{name: getattr(target, name) for name in plain},
    }
