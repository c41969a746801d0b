"""Search in a build's log as a page of its own: for browsers without JavaScript, and as an address to hand on."""

import time
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from .. import retention, search
from ..access import Caller
from ..models import Step
from ..search import Match
from . import ansi
from .door import for_callers

MOST = 200
"""Lines on one page."""
SECONDS = 1.0
"""A page that has looked for so long says how far it came."""
_WIDTH, _BEFORE = 400, 80


class Found(NamedTuple):
    line: int
    html: SafeString


@dataclass
class Group:
    """Matches of one step that follow each other."""

    step: Step
    lines: list[Found]

    @property
    def number(self) -> int:
        """Of the step, from 1, as it is in addresses."""
        return self.step.position + 1


@require_safe
@for_callers
def page(request: HttpRequest, caller: Caller, build_id: int) -> HttpResponse:
    build = get_object_or_404(caller.builds().select_related("project"), pk=build_id)
    asked = {name: request.GET.get(name, "") for name in ("q", "regex", "case")}
    regex, case = asked["regex"] == "1", asked["case"] == "1"
    context: dict[str, Any] = {"build": build, "project": build.project, "q": asked["q"], "regex": regex, "case": case}
    context |= {"pruned": retention.pruned(build), "most": search.MAX_QUERY, "began": bool(request.GET.get("from"))}
    status = 200
    if asked["q"] and not build.pruned_at:
        try:
            matches, cursor = _look(build_id, search.compile(asked["q"], regex, case), request.GET.get("from"))
            context |= {"groups": _groups(matches, list(build.steps.all())), "count": len(matches), "asked": True}
            if cursor:
                context["on"] = "?" + urlencode({name: text for name, text in asked.items() if text} | {"from": cursor})
        except search.BadQuery as error:
            told = str(error).removeprefix("q: ")
            context["wrong"], status = told[:1].upper() + told[1:], 400
        except search.BadCursor:
            context["wrong"], status = "This address is not complete. Press Search to begin again.", 400
    return render(request, "builds/find.html", context, status=status)


def _look(build_id: int, pattern: search.Pattern, cursor: str | None) -> tuple[list[Match], str | None]:
    """The next matches, and the cursor where there is more; from the beginning, where that of the address is void."""
    until = time.monotonic() + SECONDS
    found: list[Match] = []
    while True:
        one = search.look(build_id, pattern, cursor, MOST - len(found))
        if one.is_void:
            if cursor is None:
                return [], None  # it was deleted, or is being compacted
            found, cursor = [], None
            continue
        found += one.matches
        if not one.more:
            return found + one.unfinished, None
        cursor = one.cursor
        if len(found) >= MOST or time.monotonic() > until:
            return found, cursor


def _groups(matches: list[Match], steps: list[Step]) -> list[Group]:
    groups: list[Group] = []
    for match in matches:
        if not groups or groups[-1].step.position != match.step:
            groups.append(Group(steps[match.step], []))
        groups[-1].lines.append(Found(match.line, excerpt(match)))
    return groups


def excerpt(match: Match) -> SafeString:
    """The line with its matches marked; of a long one the part around the first."""
    units = match.text.encode("utf-16-le", "replace")
    size = len(units) // 2
    begin = max(match.spans[0][0] - _BEFORE, 0) if size > _WIDTH else 0
    begin += _is_second(units, begin)
    end = min(begin + _WIDTH, size)
    end -= _is_second(units, end)
    parts: list[tuple[SafeString, SafeString]] = []
    at = begin
    for first, last in match.spans:
        if first >= end:
            break
        parts.append((_html(units, at, first), format_html("<mark>{}</mark>", _html(units, first, min(last, end)))))
        at = min(last, end)
    line = format_html_join("", "{}{}", parts) + _html(units, at, end)
    return format_html("{}{}{}", "…" if begin else "", line, "…" if end < size else "")


def _is_second(units: bytes, at: int) -> bool:
    """Whether a surrogate pair would be cut in two there."""
    return 0xDC <= int.from_bytes(units[at * 2 + 1 : at * 2 + 2]) <= 0xDF


def _html(units: bytes, begin: int, end: int) -> SafeString:
    return ansi.to_html(units[begin * 2 : end * 2].decode("utf-16-le", "replace"))
