"""Who is asking: of the API an operation's caller, by token or session; of a page its reader, by session."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import cache_control
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from .. import access
from ..access import Caller
from . import rates
from .problems import Problem

_SAFE = ("GET", "HEAD", "OPTIONS")

STRANGER = "Sign in, or send Authorization: Bearer TOKEN."

View = Callable[..., HttpResponse]


def for_callers(view: View) -> View:
    """Hand the view its caller; send someone who is not signed in to the sign-in page, unless the board is public."""

    @wraps(view)
    @cache_control(no_store=True, private=True)
    def asked(request: HttpRequest, **path: Any) -> HttpResponse:
        caller = Caller(request.user)
        if not caller.is_known and not (settings.BUILDBOARD_PUBLIC and request.method in ("GET", "HEAD")):
            wanted = request.get_full_path() if request.method == "GET" else reverse("board")
            return redirect_to_login(wanted)
        return view(request, caller, **path)

    return asked


class Door(AuthBase):
    """Who is asking: `request.auth` is the `Caller`. Its scopes and rights are checked by each operation."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, *, reads: bool = True, often: str = "", times: int = 1, raw: bool = False) -> None:
        """`reads`: a GET is for tokens with the scope `read` alone. `often`: what is asked often has a bucket of its
        own, of so many times the usual rate. `raw`: the body is no JSON, and its operation reads and bounds it."""
        super().__init__()
        self._reads = reads
        self._often = often
        self._times = times
        self._raw = raw

    def __call__(self, request: HttpRequest) -> Caller:
        if not self._raw:
            _check_size(request)
        try:
            caller = access.identify(request)
        except access.BadToken as error:
            raise Problem(401, f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
        self._check_rate(request, caller)
        safe = request.method in _SAFE
        if not caller.is_known and not (safe and settings.BUILDBOARD_PUBLIC):
            raise Problem(401, STRANGER)
        if not safe and caller.token is None and check_csrf(request) is not None:
            raise Problem(403, "A change by session needs its CSRF token in the X-CSRFToken header.")
        if safe and self._reads and not caller.may_read():
            raise Problem(403, "This API token has no scope 'read'.")
        return caller

    def _check_rate(self, request: HttpRequest, caller: Caller) -> None:
        who = f"token {caller.token.pk}" if caller.token else f"user {caller.user.pk}"
        if not caller.is_known:
            who = f"at {request.META.get('REMOTE_ADDR', '')}"
        rate = rates.take(f"{self._often} {who}", self._times)
        if rate is None:
            return
        request.rate = rate  # type: ignore[attr-defined]
        if not rate.allowed:
            detail = f"More than {rate.most:,} requests in {rates.WINDOW_SECONDS} s; try again in {rate.after} s."
            raise Problem(429, detail, headers={"Retry-After": str(rate.after)})


def _check_size(request: HttpRequest) -> None:
    most = settings.BUILDBOARD_MAX_BODY_KB * 1024
    too_large = Problem(413, f"The body is larger than {settings.BUILDBOARD_MAX_BODY_KB:,} KiB.")
    length = request.headers.get("Content-Length", "")
    if length.isdigit() and int(length[:20]) > most:
        raise too_large
    try:
        if len(request.body) > most:
            raise too_large
    except RequestDataTooBig as error:
        raise too_large from error
