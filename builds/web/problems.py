"""Refusals for programs: problem details for HTTP APIs (RFC 9457)."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse

_HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "60"},
    503: {"Retry-After": "3"},
}


class Problem(Exception):
    """Ends a request with this status and text."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.more = more

    def response(self) -> HttpResponse:
        return problem(self.status, self.detail, headers=self.headers or _HEADERS.get(self.status), **self.more)


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> HttpResponse:
    """The answer: `{"type", "title", "status", "detail"}` and `more`; `detail` is a sentence for people."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    answer = HttpResponse(json.dumps(body), status=status, content_type="application/problem+json", headers=headers)
    answer["Cache-Control"] = "no-store"
    return answer
