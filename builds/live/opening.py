"""A request → who is it, may they see this, and from which cursor on. One answer for streams, long polls and logs."""

import asyncio
import re
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from buildboard.presence import AWAY

from .. import events
from ..access import BadToken, Caller, Standing, identify, standing, visible_projects
from ..events import Extent
from ..models import Board
from . import reading
from .door import Door
from .sources import BoardSource, BuildSource, Source, is_void

_MOST = 2**63 - 1
"""No build has a higher number, and no database takes one."""
_doors: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Door[Any, Opening]]]" = (
    weakref.WeakKeyDictionary()
)

P = ParamSpec("P")
Q = TypeVar("Q")
R = TypeVar("R")
View = Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, HttpResponseBase]]
_NUMBER = re.compile(r"[0-9]{1,18}\Z")
"""What a cursor looks like: nothing that is longer ever was a seq or a revision."""


class Refusal(Exception):
    """The answer is `response`, and no stream."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response.status_code)
        self.response = response


class Asked(NamedTuple):
    request: HttpRequest
    build_id: int


Credential = tuple[str, str, int]
_OWN_MIDDLEWARE = frozenset(
    {
        "django.middleware.security.SecurityMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "csp.middleware.CSPMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "axes.middleware.AxesMiddleware",
        "builds.web.outage.Outage",
    }
)
"""With these, people are known by their session's cookie or by a token, and by nothing else."""


class Away(Exception):
    """The database could not be asked."""


@dataclass
class Opening:
    standing: Standing
    source: Source
    extent: Extent
    cursor: int | None
    """What the caller has; None: that cursor is void here, and they have to load the page again."""
    visible: frozenset[int]
    """The board: ids of the projects whose builds they may see."""

    @property
    def is_over(self) -> bool:
        """The build is final, and they have everything."""
        return self.extent.final and self.cursor == self.extent.head


def refuse(status: int, detail: str, **more: str) -> Refusal:
    """Problem details (RFC 9457), as the API answers them."""
    said = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    response = JsonResponse(said | more, status=status, headers={"Cache-Control": "no-store"})
    response["Content-Type"] = "application/problem+json"
    if status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="Buildboard"'
    return Refusal(response)


AWAY_DETAIL = {"detail": "The database cannot be reached just now.", "cause": "database"}


def away() -> HttpResponse:
    """503, for whoever cannot be told by a stream."""
    refusal = refuse(503, **AWAY_DETAIL)
    refusal.response["Retry-After"] = "5"
    return refusal.response


def full() -> Refusal:
    """429, for whoever cannot be told by a stream."""
    refusal = refuse(429, "There are too many streams open; try again later.")
    refusal.response["Retry-After"] = "30"
    return refusal


def answered(view: View[P]) -> View[P]:
    """A view that only reads and may raise `Refusal`, `Away` and what the database raises: each has its answer here."""

    @csrf_exempt  # a POST is to be answered with 405
    @wraps(view)
    async def answer(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            only_reads(request)
            return await view(request, *args, **kwargs)
        except Refusal as refusal:
            return refusal.response
        except (Away, DatabaseError):
            return away()

    return answer


async def nothing() -> AsyncIterator[bytes]:
    """The body of an answer to HEAD."""
    parts: tuple[bytes, ...] = ()
    for part in parts:
        yield part


def only_reads(request: HttpRequest) -> None:
    """`Refusal` with 405 for anything but GET and HEAD."""
    if request.method not in ("GET", "HEAD"):
        refusal = refuse(405, f"{request.method} is not possible here; expected GET or HEAD.")
        refusal.response["Allow"] = "GET, HEAD"
        raise refusal


def can_stream(request: HttpRequest) -> None:
    """`Refusal` with 501 under a server that cannot."""
    if not isinstance(request, ASGIRequest):
        raise refuse(501, "This server cannot stream: Buildboard has to run under an ASGI server, such as daphne.")


def flag(request: HttpRequest, name: str, default: str = "0") -> bool:
    """`Refusal` with 400 for anything but 0 and 1."""
    value = request.GET.get(name, default)
    if value not in ("0", "1"):
        raise refuse(400, f"{name}: expected 0 or 1, not {value[:40]!r}.")
    return value == "1"


async def open_build(request: HttpRequest, build_id: int) -> Opening:
    """`Refusal`: 401, 404. `Away`."""
    return await _answer(_door("build", _builds).ask(Asked(request, build_id)))


async def open_board(request: HttpRequest) -> Opening:
    """`Refusal`: 401, 403. `Away`."""
    return await _answer(_door("board", _boards).ask(request))


def _door(kind: str, answer: Callable[[Sequence[Q]], Sequence[Opening | Exception]]) -> "Door[Q, Opening]":
    doors = _doors.setdefault(asyncio.get_running_loop(), {})
    return doors.setdefault(kind, Door(answer))


def known_caller(request: HttpRequest) -> Caller:
    """Who asks, or `Refusal` with 401. Asks the database."""
    try:
        caller = identify(request)
        if caller.is_known or settings.BUILDBOARD_PUBLIC:
            return caller
    except BadToken as error:
        raise refuse(401, str(error)) from error
    raise refuse(401, "Sign in, or send Authorization: Bearer TOKEN.")


def no_build(build_id: int) -> Refusal:
    return refuse(404, f"There is no build {build_id} that you may see.")


async def ask(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What a plain function reads from the database, however long the line is, as long as it moves. `Away`."""
    return await _answer(asyncio.ensure_future(reading.read_later(function, *args, **kwargs)))


async def _answer(asked: "asyncio.Future[R]") -> R:
    try:
        if reading.is_away():
            raise Away
        while not (await asyncio.wait({asked}, timeout=1.0))[0]:
            if reading.is_away():
                raise Away
        return asked.result()
    except DatabaseError as error:
        raise Away from error
    finally:
        asked.cancel()


def _builds(asked: Sequence[Asked]) -> list[Opening | Exception]:
    """Of those who come with the same session or token it is asked once who that is, and once what they may see: by
    the code that answers one alone."""
    known, refused = _identified([request for request, _ in asked])
    wanted: dict[Credential, set[int]] = {}
    for place, (request, build_id) in enumerate(asked):
        if place not in refused:
            wanted.setdefault(_credential(request), set()).add(build_id)
    seen: dict[tuple[Credential, int], int] = {}
    for credential, build_ids in wanted.items():
        caller = known[credential][0]
        rows = caller.builds().filter(pk__in=[one for one in build_ids if one <= _MOST]).values_list("pk", "project_id")
        seen |= {(credential, build_id): project for build_id, project in rows}
    extents = events.heads({build_id for _, build_id in seen})
    readable = (request for place, (request, _) in enumerate(asked) if place not in refused)
    world = Board.get().world if any("world" in request.GET for request in readable) else ""
    found: list[Opening | Exception] = []
    for place, (request, build_id) in enumerate(asked):
        credential = _credential(request)
        project, extent = seen.get((credential, build_id)), extents.get(build_id)
        if place in refused:
            found.append(refused[place])
        elif project is None or extent is None:
            found.append(no_build(build_id))
        else:
            source, cursor = BuildSource(build_id, project), _cursor(request, extent, world)
            found.append(Opening(known[credential][1], source, extent, cursor, frozenset({project})))
    return found


def _credential(request: HttpRequest) -> Credential:
    """All by which `identify` tells who it is. Where a middleware is installed that is not the board's, as one that
    believes a proxy's header, it may be anything: then no two requests are known to be of the same."""
    alone = 0 if _OWN_MIDDLEWARE.issuperset(settings.MIDDLEWARE) else id(request)
    return request.headers.get("Authorization", ""), request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""), alone


def _identified(
    requests: Sequence[HttpRequest],
) -> tuple[dict[Credential, tuple[Caller, Standing]], dict[int, Exception]]:
    """Who they are; and by their places those of whom it cannot be told. One who is refused is asked for again where
    the same comes once more: the answer is its own."""
    known: dict[Credential, tuple[Caller, Standing]] = {}
    refused: dict[int, Exception] = {}
    for place, request in enumerate(requests):
        credential = _credential(request)
        try:
            if credential not in known:
                caller = known_caller(request)
                known[credential] = caller, standing(request, caller)
            _ = request.GET  # read here: where it cannot be, that is said to this one alone
        except AWAY:
            raise
        except Exception as error:
            refused[place] = error
    return known, refused


def _boards(requests: Sequence[HttpRequest]) -> list[Opening | Exception]:
    """The board's, in the same way."""
    known, refused = _identified(requests)
    source = BoardSource()
    extent = source.extent()
    visible = visible_projects({stands for _, stands in known.values()})
    readable = (request for place, request in enumerate(requests) if place not in refused)
    world = Board.get().world if any("world" in request.GET for request in readable) else ""
    found: list[Opening | Exception] = []
    for place, request in enumerate(requests):
        if place in refused:
            found.append(refused[place])
            continue
        caller, stands = known[_credential(request)]
        if caller.may_read():
            seen = visible.get(stands, frozenset())
            found.append(Opening(stands, source, extent, _cursor(request, extent, world), seen))
        else:
            found.append(refuse(403, "This API token is not good for reading."))
    return found


def _cursor(request: HttpRequest, extent: Extent, world: str) -> int | None:
    """By the `Last-Event-ID` header, else `?after=`; without either, the one before all that is stored. None where it
    is void. `world`: this database's, where the request names one."""
    if request.GET.get("world", world) != world:
        return None
    text = request.headers.get("Last-Event-ID") or request.GET.get("after")
    if text is None:
        return max(extent.horizon - 1, 0)
    if not _NUMBER.match(text):
        return None
    cursor = int(text)
    return None if is_void(cursor, extent) else cursor
