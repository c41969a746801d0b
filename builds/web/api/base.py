"""The API itself. Who asks: an API token, or the session (then a change needs its CSRF token).

Refusals are problem details (`problems.py`). What a caller may not see is a 404, like what does not exist.
"""

import logging
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.urls import URLPattern, re_path
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from buildboard.presence import database

from .. import schemas
from ..door import Door
from ..problems import Problem, expected, joined, problem

logger = logging.getLogger(__name__)

_DETAILS = {"$ref": "#/components/schemas/Details"}
_SHARED = (401, 403, 404, 413, 422, 429, 503)
"""What any operation may refuse with."""


class Api(NinjaAPI):
    """HEAD as GET, OPTIONS, and problem details also for what no operation answers."""

    def get_openapi_schema(self, **options: Any) -> Any:
        """Whatever an operation refuses with, it is problem details, and so are the refusals that all of them share."""
        document = super().get_openapi_schema(**options)
        document["components"]["schemas"].setdefault("Details", schemas.Details.model_json_schema())
        for operations in document["paths"].values():
            for operation in operations.values():
                answers = operation["responses"]
                for status in _SHARED:
                    answers.setdefault(status, {})
                for status, answer in answers.items():
                    if int(status) >= 400:
                        answer["content"] = {"application/problem+json": {"schema": _DETAILS}}
                        answer["description"] = HTTPStatus(int(status)).phrase
        return document

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
        if rate := getattr(request, "rate", None):
            for name, value in rate.headers.items():
                answer[name] = value
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
    return problem(400, "The body is not JSON; expected a JSON object, or nothing.")


@api.exception_handler(ValidationError)
def _on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    wrong = []
    for found in error.errors[:20]:
        where = [str(part)[:80] for part in found["loc"] if part != "body"]
        wrong.append((".".join(where) or "body", expected(found)))
    errors = [{"at": at, "expected": text} for at, text in wrong]
    return problem(422, f"Not as expected: {joined(wrong)}.", errors=errors)


@api.exception_handler(DataError)
def _on_misfit(request: HttpRequest, error: DataError) -> HttpResponse:
    """What no check has named: asked again it would be the same."""
    logger.warning("action=api path=%s error=%r", request.path, error)
    return problem(422, "A value is none that the database keeps; expected text without NUL characters.")


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def _on_outage(request: HttpRequest, error: Exception) -> HttpResponse:
    if not database.is_away:  # that has been said once for all
        logger.error("action=api path=%s error=%r", request.path, error)
    return problem(503, "The database does not answer; try again.", headers={"Retry-After": "5"})
