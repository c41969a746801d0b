"""The JSON API below `/api/v1/`. Who: an API token, or the session (then a change needs its CSRF token).

Refusals are problem details (`problems.py`). What a caller may not see is a 404, like what does not exist.
"""

import hashlib
import logging
from functools import wraps
from typing import Annotated, Any

from django.db import Error as DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.urls import URLPattern, re_path, reverse
from ninja import Body, Header, NinjaAPI, Query
from ninja.errors import HttpError, ValidationError
from pydantic import Field

from buildboard.presence import database

from .. import lifecycle, queue, recipe
from ..access import Caller
from ..models import Build, Project
from ..source import Source
from . import findings, landmarks, schemas, stats
from .door import Door
from .items import project_items
from .problems import Problem, problem

logger = logging.getLogger(__name__)

MAX_PAGE = 100
_KEY_NOTE = "One-time key, 1 to 255 printable characters: asked again with it, the same build is answered."


class Api(NinjaAPI):
    """HEAD as GET, OPTIONS, and problem details also for what no operation answers."""

    @property
    def urls(self) -> tuple[list[Any], str, str]:
        patterns, app_name, namespace = super().urls
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = _polite(pattern.callback)
        return [*patterns, re_path("", _nothing_here)], app_name, namespace


def _for_readers(view: Any) -> Any:
    """The OpenAPI document is for whoever may read the board."""

    @wraps(view, assigned=())
    def checked(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            Door()(request)
        except Problem as refusal:
            return refusal.response()
        return view(request, **kwargs)

    return checked


api = Api(
    title="Buildboard",
    version="1",
    description="Start builds, look at them, cancel, retry and keep them. Live output: a build's `events_url`.",
    docs_url=None,  # its page needs scripts from elsewhere, which the Content-Security-Policy forbids
    docs_decorator=_for_readers,
    urls_namespace="api",
    auth=Door(),
)

api.add_router("", findings.router)

Key = Annotated[str | None, Header(None, alias="Idempotency-Key", description=_KEY_NOTE)]
Given = Annotated[schemas.Start | None, Body(None)]
Number = Annotated[int, Field(ge=1, lt=2**63)]


# --- Projects ---


@api.get("/projects", response=schemas.ProjectList, summary="All projects that you may see")
def projects(request: HttpRequest) -> Any:
    return {"items": project_items(request, request.auth.projects())}


@api.get("/projects/{slug:slug}", response={200: schemas.ProjectItem, 404: schemas.Details})
def project(request: HttpRequest, slug: str) -> Any:
    found = project_items(request, request.auth.projects().filter(slug=slug))
    if not found:
        raise Problem(404, f"There is no project {slug!r} that you may see.")
    return found[0]


api.add_router("", stats.router)


@api.post("/projects/{slug:slug}/builds", response=schemas.STARTING)
def start(request: HttpRequest, slug: str, body: Given = None, key: Key = None) -> Any:
    """Start a build of a project. The body is optional."""
    caller: Caller = request.auth
    found = Project.objects.visible_to(caller.user).filter(slug=slug).first()
    if found is None:
        raise Problem(404, f"There is no project {slug!r} that you may see.")
    _require(caller, caller.may_start(), "start", "start builds")
    wanted, once = body or schemas.Start(), _request_key(caller, key)
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
        raise _refused(422 if found.enabled else 409, refusal) from refusal
    if (build.ref, build.retry_of_id) != (wanted.ref, None) or recipe.gives(
        build.recipe, wanted.inputs
    ) != build.inputs:
        raise Problem(422, f"This Idempotency-Key has started build {build.pk}, and with something else.")
    return _started(request, build)


# --- Builds ---


@api.get("/builds", response={200: schemas.BuildList, 422: schemas.Details}, summary="Builds, newest first")
def builds(
    request: HttpRequest,
    before: Annotated[Number | None, Query(None, description="only builds with a lower number")] = None,
    project: Annotated[schemas.Slug | None, Query(None)] = None,
    status: Annotated[schemas.BuildStatus | None, Query(None)] = None,
    limit: Annotated[int, Query(50, ge=1, le=MAX_PAGE)] = 50,
) -> Any:
    found = request.auth.builds().select_related("project").prefetch_related("steps").order_by("-id")
    if before is not None:
        found = found.filter(pk__lt=before)
    if project is not None:
        found = found.filter(project__slug=project)
    if status is not None:
        found = found.filter(status=status)
    page = list(found[: limit + 1])
    following = None
    if len(page) > limit:
        query = request.GET.copy()
        query["before"] = str(page[limit - 1].pk)
        following = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
    return _json(request, {"items": [build.data(list(build.steps.all())) for build in page[:limit]], "next": following})


@api.get("/builds/{int:build_id}", response={200: schemas.BuildDetail, 404: schemas.Details})
def build(request: HttpRequest, build_id: int) -> Any:
    found = _build(request.auth, build_id, reading=True)
    place = queue.place(found)
    return _json(request, found.data() | {"queue": place and {"position": place.position, "reason": place.reason}})


@api.get("/builds/{int:build_id}/annotations", response={200: schemas.AnnotationList, 404: schemas.Details})
def annotations(request: HttpRequest, build_id: int) -> Any:
    """What its steps have said as errors, warnings and notices, in the order in which it was printed."""
    return _json(request, landmarks.listed(_build(request.auth, build_id, reading=True)))


@api.post("/builds/{int:build_id}/cancel", response={200: schemas.BuildItem, 409: schemas.Details})
def cancel(request: HttpRequest, build_id: int) -> Any:
    """End a queued build now, or ask the worker of a running one to end it. Asking twice is asking once."""
    caller: Caller = request.auth
    _build(caller, build_id)
    _require(caller, caller.may_cancel(), "cancel", "cancel builds")
    try:
        lifecycle.cancel(build_id, by=caller.name)
    except lifecycle.Refused as refusal:
        raise Problem(409, str(refusal)) from refusal
    return _json(request, _build(caller, build_id).data())


@api.post("/builds/{int:build_id}/retry", response=schemas.STARTING)
def retry(request: HttpRequest, build_id: int, key: Key = None) -> Any:
    """Start a new build that repeats a finished one."""
    caller: Caller = request.auth
    old = _build(caller, build_id)
    _require(caller, caller.may_start(), "start", "retry builds")
    try:
        new = lifecycle.retry(old, by=caller.name, request_key=_request_key(caller, key))
    except lifecycle.Refused as refusal:
        raise _refused(409, refusal) from refusal
    if new.retry_of_id != old.pk:
        raise Problem(422, f"This Idempotency-Key has started build {new.pk}, and with something else.")
    return _started(request, new)


@api.post("/builds/{int:build_id}/keep", response={200: schemas.BuildItem, 409: schemas.Details})
def keep(request: HttpRequest, build_id: int) -> Any:
    """The build's log is never pruned, from now on. Asking twice is asking once."""
    return _keep(request, build_id, True)


@api.delete("/builds/{int:build_id}/keep", response={200: schemas.BuildItem})
def no_longer_keep(request: HttpRequest, build_id: int) -> Any:
    """The build's log is pruned when its time comes."""
    return _keep(request, build_id, False)


# --- Inside ---


def _keep(request: HttpRequest, build_id: int, kept: bool) -> HttpResponse:
    caller: Caller = request.auth
    _build(caller, build_id)
    _require(caller, caller.may_keep(), "keep", "keep the logs of builds")
    try:
        lifecycle.keep(build_id, kept)
    except lifecycle.Refused as refusal:
        raise Problem(409, str(refusal)) from refusal
    return _json(request, _build(caller, build_id).data())


def _build(caller: Caller, build_id: int, *, reading: bool = False) -> Build:
    """A token that may only cancel or start has to find the build too, without reading it."""
    visible = caller.builds() if reading else Build.objects.visible_to(caller.user)
    found = visible.select_related("project").filter(pk=build_id).first()
    if found is None:
        raise Problem(404, f"There is no build {build_id} that you may see.")
    return found


def _require(caller: Caller, allowed: bool, scope: str, what: str) -> None:
    if allowed:
        return
    if caller.token is not None and scope not in caller.token.scopes.split():
        raise Problem(403, f"This API token has no scope {scope!r}.")
    raise Problem(403, f"{caller.user.get_username()} may not {what}.")


def _refused(status: int, refusal: lifecycle.Refused) -> Problem:
    return Problem(429 if isinstance(refusal, lifecycle.QueueFull) else status, str(refusal))


def _request_key(caller: Caller, key: str | None) -> str | None:
    """Keys of different users are different keys: nobody is answered another's build."""
    if key is None:
        return None
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise Problem(422, "Idempotency-Key: expected 1 to 255 printable ASCII characters.")
    return hashlib.sha256(f"{caller.user.pk}:{key}".encode()).hexdigest()


def _started(request: HttpRequest, build: Build) -> HttpResponse:
    url = request.build_absolute_uri(build.get_absolute_url())
    events_url = request.build_absolute_uri(reverse("build-events", args=[build.pk]))
    answer = _json(request, {"id": build.pk, "status": str(build.status), "url": url, "events_url": events_url}, 201)
    answer["Location"] = request.build_absolute_uri(reverse("api:build", args=[build.pk]))
    return answer


def _json(request: HttpRequest, data: Any, status: int = 200) -> HttpResponse:
    """As it is: a field that is added to the data of a build is in the answer, too."""
    return api.create_response(request, data, status=status)


def _polite(view: Any) -> Any:
    @wraps(view)
    def polite(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        asked = request.method
        if asked == "HEAD":
            request.method = "GET"  # the server leaves the body out
        try:
            answer = view(request, *args, **kwargs)
        except Http404:  # the root of the API
            return _nothing_here(request)
        if answer.status_code == 405:
            allowed = _allowed(answer)
            if asked == "OPTIONS":
                return HttpResponse(status=204, headers={"Allow": allowed})
            detail = f"{asked} is not possible here; expected {allowed}."
            return problem(405, detail, headers={"Allow": allowed})
        answer.setdefault("Cache-Control", "no-store")
        return answer

    polite.csrf_exempt = True  # the door checks it, for callers by session
    return polite


def _allowed(answer: HttpResponse) -> str:
    methods = {method.strip() for method in answer["Allow"].split(",")}
    return ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


def _nothing_here(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    return problem(404, "There is nothing at this address; /api/v1/openapi.json lists what there is.")


_nothing_here.csrf_exempt = True


@api.exception_handler(Problem)
def _on_problem(request: HttpRequest, error: Problem) -> HttpResponse:
    return error.response()


@api.exception_handler(HttpError)
@api.exception_handler(RawPostDataException)
def _on_bad_body(request: HttpRequest, error: Exception) -> HttpResponse:
    """The framework raises it for one thing alone: a body that it cannot parse."""
    return problem(400, 'The body is not JSON; expected an object such as {"ref": "main"}, or nothing.')


@api.exception_handler(ValidationError)
def _on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = []
    for found in error.errors:
        where = [str(part)[:80] for part in found["loc"] if part != "body" or len(found["loc"]) == 1]
        errors.append({"at": ".".join(where), "expected": str(found["msg"])[:200]})
    detail = "; ".join(f"{each['at']}: {each['expected']}" for each in errors[:3])
    return problem(422, f"Not as expected: {detail}.", errors=errors[:20])


@api.exception_handler(DatabaseError)
def _on_database_error(request: HttpRequest, error: DatabaseError) -> HttpResponse:
    if not database.is_away:  # that has been said once for all
        logger.error("action=api path=%s error=%r", request.path, error)
    return problem(503, "The database does not answer; try again.", headers={"Retry-After": "5"})
