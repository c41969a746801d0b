"""A page or an answer that needs the database while that is away: 503, in the form that was asked for."""

import logging
import random
import sys

from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.utils.cache import add_never_cache_headers
from django.utils.deprecation import MiddlewareMixin
from django.views import defaults

from buildboard.presence import AWAY, database

from .problems import problem

logger = logging.getLogger(__name__)

AGAIN_SECONDS = (4, 9)
"""A page loads itself again after this: not all who look at one at once."""
DETAIL = "The board cannot reach its database just now; try again."
MISTAKE = "Something failed here: it was this board's mistake. The log of its web process says what it was."
_KEY = "request_key"
_MOST_FIELDS = 20
_MOST_TEXT = 10_000


class Outage(MiddlewareMixin):
    """Answers for every view that a database that is away has stopped."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return unavailable(request) if _is_outage(error) else None


def server_error(request: HttpRequest) -> HttpResponse:
    """The 500 page, or this one where it is the database that is away: for what fails outside of a view."""
    if _is_outage(sys.exc_info()[1]):
        return unavailable(request)
    if _is_for_programs(request):
        return problem(500, MISTAKE)
    return defaults.server_error(request)


def unavailable(request: HttpRequest) -> HttpResponse:
    after = random.randint(*AGAIN_SECONDS)  # noqa: S311 - a spread, not a secret
    if _is_for_programs(request):
        return problem(503, DETAIL, headers={"Retry-After": str(after)})
    is_form = request.method not in ("GET", "HEAD")
    context = {"after": None if is_form else after, "is_form": is_form, "again": _fields(request) if is_form else []}
    answer = HttpResponse(loader.get_template("503.html").render(context), status=503)  # no context: it asks nothing
    add_never_cache_headers(answer)
    answer["Retry-After"] = str(after)
    return answer


def _is_outage(error: BaseException | None) -> bool:
    if not isinstance(error, AWAY):
        return False
    if getattr(error.__cause__, "sqlite_errorname", "") == "SQLITE_ERROR":  # no such table, and the like
        return False
    if not database.is_away:  # that has been said once for all
        logger.warning("action=outage error=%r", error)
    return True


def _is_for_programs(request: HttpRequest) -> bool:
    accepted = request.headers.get("Accept", "")
    asks_json = "json" in accepted and "text/html" not in accepted
    return request.path.startswith("/api/") or request.path.endswith(".json") or asks_json


def _fields(request: HttpRequest) -> list[tuple[str, str]]:
    """What was sent, to be sent once more: only with a one-time key, by which pressing twice is pressing once."""
    if not request.POST.get(_KEY):
        return []
    found = [(name, value) for name, values in request.POST.lists() for value in values]
    fits = len(found) <= _MOST_FIELDS and sum(len(value) for _, value in found) <= _MOST_TEXT
    return [(str(name), str(value)) for name, value in found] if fits else []
