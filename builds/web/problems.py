"""Refusals for programs: problem details for HTTP APIs (RFC 9457)."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse

_HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "60"},
    503: {"Retry-After": "3"},
}


_WORDS = {
    "extra_forbidden": "there is no such value here",
    "missing": "expected a value: it is needed",
    "string_type": "expected text",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a smaller number",
    "int_from_float": "expected a whole number",
    "list_type": "expected a list",
    "dict_type": "expected an object",
    "model_type": "expected an object",
    "model_attributes_type": "expected an object",
    "string_too_short": "expected at least {min_length} characters",
    "string_too_long": "expected at most {max_length} characters",
    "too_short": "expected at least {min_length} of them",
    "too_long": "expected at most {max_length} of them",
    "greater_than": "expected a number above {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected a number below {lt}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
}
"""Of the kinds of errors that the library of the schemas has."""
_PATTERNS = {
    "^[-a-zA-Z0-9_]{1,100}$": "expected 1 to 100 letters, digits, - and _",
    "^[0-9a-f]{32}$": "expected 32 hexadecimal digits in lower case",
}


def expected(error: Mapping[str, Any]) -> str:
    """One error of the library of the schemas, in the board's words."""
    kind, about = error["type"], error.get("ctx") or {}
    if kind == "string_pattern_mismatch" and about.get("pattern") in _PATTERNS:
        return _PATTERNS[about["pattern"]]
    if kind == "string_too_short" and about.get("min_length") == 1:
        return "expected at least one character"
    if kind in _WORDS:
        return _WORDS[kind].format(**about)
    said = str(error["msg"]).removeprefix("Value error, ")
    return said.replace("Input should be", "expected", 1)[:200]


def joined(wrong: Iterable[tuple[str, str]]) -> str:
    """`slug: expected …; depth: expected …`: as part of a sentence."""
    return "; ".join(f"{at}: {text.removesuffix('.')}" if at else text.removesuffix(".") for at, text in wrong)


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
