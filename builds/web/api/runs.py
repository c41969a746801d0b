"""Builds that run outside, for the program that runs them: begin, what was printed, how steps and build end.

Who begins one makes its lease: a token that is named in every request, with the head that is expected. So an answer
that was lost is asked for again without harm, and whoever has lost the lease writes nothing more.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from ... import lifecycle, runs
from ...events import MAX_CHUNK_LINES, Chunk, Lease, LeaseLost
from ...recipe import MAX_NAME
from ...source import Source, is_commit
from ...states import Status
from .. import schemas
from ..door import Door
from ..problems import Problem
from . import asking

router = Router(auth=Door(often="runs", times=10))
"""A run tells of itself some times a second, and so do several with one token."""

Token = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="the lease: 32 hexadecimal digits of randomness")]
StepName = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Position = Annotated[int, Field(ge=0, lt=1_000, description="of a step, from 0")]


class Run(schemas.Given):
    """What runs, and where."""

    lease: Token
    steps: Annotated[list[StepName], Field(min_length=1, max_length=100)]
    where: Annotated[Text, Field(min_length=1, max_length=80, description="the name of the machine")]
    ref: Text = ""
    branch: Text = ""
    commit: Annotated[str, Field(description="whole, or empty")] = ""
    commit_title: Text = ""
    commit_author: Text = ""


class Begun(schemas.Started):
    head: int
    lease_seconds: Annotated[int, Field(description="without a request for so long, the build is lost")]
    most_bytes: Annotated[int, Field(description="of a request's body")]


class Write(schemas.Given):
    lease: Token
    head: Annotated[int, Field(ge=0, lt=2**62, description="as the last answer had it")]


class Printed(schemas.Given):
    step: Position
    line: Annotated[int, Field(ge=1, lt=2**31, description="the number of the first of these lines, from 1")]
    lines: Annotated[list[str], Field(min_length=1, max_length=MAX_CHUNK_LINES)]
    open: Annotated[schemas.Flag, Field(description="the last line is unfinished, and comes again")] = False


class Log(Write):
    chunks: Annotated[list[Printed], Field(max_length=200)] = []
    over: Annotated[list[Position], Field(max_length=100, description="steps that print no more")] = []


class Begin(Write):
    step: Position


class End(Begin):
    status: Literal["passed", "failed", "cancelled"]
    exit_code: Annotated[int | None, Field(ge=-(2**31), lt=2**31)] = None
    reason: Annotated[str, Field(max_length=300)] = ""


class Finish(Write):
    status: Literal["passed", "failed", "cancelled"]
    reason: Annotated[str, Field(max_length=500)] = ""


class Renewal(schemas.Given):
    lease: Token


class Stands(Schema):
    head: int
    cancel_requested: Annotated[bool, Field(description="somebody has cancelled the build: stop it")]
    status: schemas.BuildStatus


_ANSWERS = {200: Stands, 409: schemas.Details}


@router.post("/projects/{slug:slug}/runs", response={201: Begun, 409: schemas.Details})
def begin(request: HttpRequest, slug: str, body: Run) -> Any:
    """A build begins that runs elsewhere. Asked again with the same lease, the same build is answered."""
    caller = asking.caller(request)
    project = asking.project(caller, slug)
    asking.require(caller, caller.may_start(), "start", "start builds")
    if body.commit and not is_commit(body.commit):
        raise Problem(422, "commit: expected 40 or 64 hexadecimal digits, or nothing.")
    if len(set(body.steps)) < len(body.steps):
        raise Problem(422, "steps: expected a name of its own for each.")
    source = Source(
        "command", branch=body.branch, commit=body.commit, title=body.commit_title, author=body.commit_author
    )
    try:
        lease = lifecycle.begin_outside(
            project,
            by=caller.name,
            worker=body.where,
            token=body.lease,
            steps=body.steps,
            ref=body.ref,
            source=source,
        )
    except lifecycle.Refused as refusal:
        raise asking.refused(422 if project.enabled else 409, refusal) from refusal
    build = asking.build(caller, lease.build_id)
    if build.project_id != project.pk:
        raise Problem(409, "This lease is another build's.")
    return asking.started(
        request,
        build,
        head=lease.head,
        lease_seconds=max(settings.BUILDBOARD_OUTSIDE_LEASE_SECONDS, settings.BUILDBOARD_LEASE_SECONDS),
        most_bytes=settings.BUILDBOARD_MAX_BODY_KB * 1024,
    )


@router.post("/runs/{int:build_id}/step", response=_ANSWERS)
def step(request: HttpRequest, build_id: int, body: Begin) -> Any:
    """A step begins."""
    return _carried_out(request, build_id, body, lambda lease: lifecycle.begin_step(lease, body.step))


@router.post("/runs/{int:build_id}/log", response=_ANSWERS)
def log(request: HttpRequest, build_id: int, body: Log) -> Any:
    """What steps have printed since. Lines are numbered within their step, without gaps."""
    chunks = [Chunk(one.step, one.line, one.lines, one.open) for one in body.chunks]
    return _carried_out(request, build_id, body, lambda lease: runs.append(lease, chunks, body.over))


@router.post("/runs/{int:build_id}/stopping", response=_ANSWERS)
def stopping(request: HttpRequest, build_id: int, body: Write) -> Any:
    """The cancel was heard, and what runs is being stopped: those who watch are told."""
    return _carried_out(request, build_id, body, lifecycle.confirm_cancel)


@router.post("/runs/{int:build_id}/end", response=_ANSWERS)
def end(request: HttpRequest, build_id: int, body: End) -> Any:
    """A step is over. All that it printed was told before."""
    status = Status(body.status)
    if status == Status.PASSED and body.exit_code != 0:
        raise Problem(422, "exit_code: expected 0 of a step that passed.")
    return _carried_out(
        request,
        build_id,
        body,
        lambda lease: lifecycle.end_step(lease, body.step, status, exit_code=body.exit_code, reason=body.reason),
    )


@router.post("/runs/{int:build_id}/renew", response=_ANSWERS)
def renew(request: HttpRequest, build_id: int, body: Renewal) -> Any:
    """A sign of life, while nothing is printed; brings back whether somebody has cancelled the build."""
    find(request, build_id)
    try:
        return runs.renewed(build_id, body.lease)._asdict()
    except LeaseLost:
        raise lost(build_id) from None


@router.post("/runs/{int:build_id}/finish", response=_ANSWERS)
def finish(request: HttpRequest, build_id: int, body: Finish) -> Any:
    """The build is over. Of two ends a cancel that was asked for before wins; `status` is what was stored."""
    found = find(request, build_id)
    if not found.outside:
        raise lost(build_id)
    try:
        status = runs.finish(build_id, body.lease, body.head, Status(body.status), body.reason)
    except LeaseLost:
        raise lost(build_id) from None
    return {"head": body.head + 1, "cancel_requested": status == Status.CANCELLED, "status": status}


def _carried_out(request: HttpRequest, build_id: int, body: Write, verb: Callable[[Lease], object]) -> Any:
    find(request, build_id)
    try:
        return runs.carry_out(build_id, body.lease, body.head, verb)._asdict()
    except LeaseLost:
        raise lost(build_id) from None
    except (runs.OutOfStep, lifecycle.Refused) as refusal:
        raise Problem(409, str(refusal)) from refusal


def find(request: HttpRequest, build_id: int) -> Any:
    """The build that a program tells of. `Problem` 403, 404."""
    caller = asking.caller(request)
    found = asking.build(caller, build_id)
    asking.require(caller, caller.may_start(), "start", "report builds that run outside")
    return found


def lost(build_id: int) -> Problem:
    """`lost`: nothing more of it will be taken."""
    return Problem(409, f"Build {build_id} is not this lease's any more; nothing more of it is taken.", lost=True)
