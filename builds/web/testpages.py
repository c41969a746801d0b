"""The tests of a build: those that failed at the top of its page, and a list of all.

What is said in words has a twin in `static/builds/tests.js`, and a test holds the two together.
"""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from .. import events, testcases
from ..access import Caller
from ..models import Build, TestCase
from ..testcases import BAD, LATELY, Past
from .door import for_callers

SHOWN = 20
"""Failed tests on a build's own page."""
PAGE = 50
FILTERS = {"failed": BAD, "skipped": ("skipped",), "passed": ("passed",)}


def panel(build: Build) -> dict[str, Any]:
    """For `tests-panel.html`: `heading`, the first that failed, and whether there are more. Asks the database nothing
    where no test was reported."""
    told = heading(build.tests_passed, build.tests_failed, build.tests_skipped)
    if not build.tests_failed:
        return {"heading": told, "items": [], "more": 0}
    rows = list(testcases.failed(build.pk)[:SHOWN])
    pasts = testcases.pasts(build)
    names = events.step_names(build.pk)
    several = testcases.is_of_several(build.pk)
    items = [_item(row, names, pasts.get(row.key), several) for row in rows]
    return {"heading": told, "items": items, "more": build.tests_failed - len(rows), "failed": build.tests_failed}


def heading(passed: int, failed: int, skipped: int) -> str:
    """`3 failed, 412 passed, 5 skipped`; empty: there were none."""
    found = [(failed, "failed"), (passed, "passed"), (skipped, "skipped")]
    return ", ".join(f"{count:,} {word}" for count, word in found if count)


@require_safe
@for_callers
def page(request: HttpRequest, caller: Caller, build_id: int) -> HttpResponse:
    """`?status=failed|skipped|passed`, `?flaky=1`, `?q=TEXT` in the name, the class or the file; `?from=N`: further on.
    `?panel=1`: without the list, for a build's own page, which takes the part `#tests` out of it."""
    build = get_object_or_404(caller.builds().select_related("project"), pk=build_id)
    status = request.GET.get("status", "")
    status = status if status in FILTERS else ""
    flaky, q = request.GET.get("flaky") == "1", request.GET.get("q", "").replace("\0", "")[:200]
    start = request.GET.get("from", "")
    first = int(start) if start.isascii() and start.isdigit() and len(start) < 8 else 0
    pasts = testcases.pasts(build)
    rows = testcases.cases(build.pk, FILTERS.get(status, ()))
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(classname__icontains=q) | Q(file__icontains=q))
    if flaky:
        rows = rows.filter(key__in=[key for key, past in pasts.items() if past.flaky])
    found = [] if request.GET.get("panel") == "1" else list(rows[first : first + PAGE + 1])
    names = events.step_names(build.pk)
    several = testcases.is_of_several(build.pk)
    asked = {"status": status, "flaky": "1" if flaky else "", "q": q}
    context = {
        "build": build,
        "project": build.project,
        "tests": panel(build),
        "items": [_item(row, names, pasts.get(row.key), several) for row in found[:PAGE]],
        "status": status,
        "flaky": flaky,
        "q": q,
        "filters": list(FILTERS),
        "on": "?" + urlencode({**{k: v for k, v in asked.items() if v}, "from": first + PAGE})
        if len(found) > PAGE
        else "",
        "lately": LATELY,
    }
    return render(request, "builds/tests.html", context)


def lately(past: Past | None) -> str:
    """`failed in 3 of the last 20`; empty where that says nothing new."""
    if past is None or past.ran < 2 or past.failed == past.ran == 1:
        return ""
    return f"failed in {past.failed} of the last {past.ran}"


def _item(row: TestCase, names: list[str], past: Past | None, several: bool) -> dict[str, Any]:
    """For `test-item.html`. `several`: the tests of the build are of more than one step, and each row says of which."""
    place = f"{row.file}:{row.line}" if row.file and row.line else row.file
    return {
        "row": row,
        "status": "failed" if row.status in BAD else row.status,
        "said": row.status,
        "step": names[row.step],
        "several": several,
        "where": row.classname or row.suite,
        "place": place,
        "lately": lately(past),
        "flaky": bool(past and past.flaky),
        "find": f"{reverse('build', args=[row.build_id])}?{urlencode({'q': row.name})}",
    }
