"""Django's handler for the live wing's requests: the same middleware, none of which goes to a thread and back.

Django takes each step of a synchronous middleware to a thread, and so a request through this board's changes threads
fifteen times; a thousand viewers who come back at once wait for little else. What those steps do is a matter of
microseconds, and none of them asks the database, but for a session that is to be stored: that goes to the thread.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string
from whitenoise.middleware import WhiteNoiseMiddleware

GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class Handler(ASGIHandler):
    chunk_size = 1024 * 1024
    """A part of a log leaves as it was read, and not 64 KiB by 64 KiB."""

    def load_middleware(self, is_async: bool = True) -> None:
        """All of `MIDDLEWARE` but WhiteNoise, which is of files. `ImproperlyConfigured`: one knows only threads."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        handler: Any = convert_exception_to_response(self._get_response_async)  # type: ignore[attr-defined]
        for path in reversed(settings.MIDDLEWARE):
            middleware = import_string(path)
            if middleware is WhiteNoiseMiddleware:
                continue
            if not getattr(middleware, "async_capable", False):  # left out unsaid, it might be what keeps somebody out
                raise ImproperlyConfigured(f"MIDDLEWARE: {path} cannot be passed without a thread (async_capable).")
            try:
                one = middleware(handler)
            except MiddlewareNotUsed:
                continue
            if hasattr(one, "process_view"):
                self._view_middleware.insert(0, _at_once(one.process_view))
            if hasattr(one, "process_exception"):
                self._exception_middleware.append(one.process_exception)
            steps = isinstance(one, MiddlewareMixin) and type(one).__acall__ is MiddlewareMixin.__acall__
            handler = convert_exception_to_response(_through(one, handler) if steps else one)
        self._middleware_chain = handler


def _through(middleware: Any, get_response: GetResponse) -> GetResponse:
    """As `MiddlewareMixin` has it, without its threads."""
    before = getattr(middleware, "process_request", None)
    after = getattr(middleware, "process_response", None)

    async def through(request: HttpRequest) -> HttpResponseBase:
        response = before(request) if before else None
        response = response or await get_response(request)
        if after is None:
            return response
        session = getattr(request, "session", None)
        if session is not None and session.modified:
            return await sync_to_async(after, thread_sensitive=True)(request, response)
        answer: HttpResponseBase = after(request, response)
        return answer

    return through


def _at_once(step: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def at_once(*args: Any) -> Any:
        return step(*args)

    return at_once
