"""Why a build failed, as a page and in the API: its first error, and where it first differs from when it passed."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe
from ninja import Router

from ..access import Caller
from ..models import Build
from . import schemas
from .comparison import Comparison, Spot
from .door import for_callers
from .insight import Insight
from .once import Busy
from .problems import Problem

router = Router()

AGAIN_SECONDS = 3


@require_safe
@for_callers
def page(request: HttpRequest, caller: Caller, build_id: int) -> HttpResponse:
    """For browsers. A build's page takes the part `#failure` out of it, once the build has failed.

    503 while others have theirs compared: it loads itself again.
    """
    build = get_object_or_404(caller.builds().select_related("project"), pk=build_id)
    context: dict[str, Any] = {"build": build, "project": build.project}
    try:
        insight, comparison = _look(build)
    except Busy:
        answer = render(request, "builds/difference.html", context | {"again": AGAIN_SECONDS}, status=503)
        answer["Retry-After"] = str(AGAIN_SECONDS)
        return answer
    return render(request, "builds/difference.html", context | {"insight": insight, "comparison": comparison})


@router.get(
    "/builds/{int:build_id}/difference", response={200: schemas.Failure, 404: schemas.Details, 503: schemas.Details}
)
def answer(request: HttpRequest, build_id: int) -> Any:
    """Of a build that failed: its first error, and where its output first differs from the last passed build's."""
    found = request.auth.builds().select_related("project").filter(pk=build_id).first()  # type: ignore[attr-defined]
    if found is None:
        raise Problem(404, f"There is no build {build_id} that you may see.")
    try:
        insight, comparison = _look(found)
    except Busy:
        raise Problem(503, "Other builds are being compared just now; try again.") from None
    spot = insight.first_error
    return {
        "first_error": spot and _error(insight, spot),
        "difference": comparison and comparison.json,
    }


def _look(build: Build) -> tuple[Insight, Comparison | None]:
    """`Busy`."""
    insight = Insight(build, list(build.steps.all()))
    if insight.is_busy:
        raise Busy
    return insight, insight.compare()


def _error(insight: Insight, spot: Spot) -> dict[str, Any]:
    return {"step": insight.first_error_step, "line": spot.line, "text": insight.first_error_text}
