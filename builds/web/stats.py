"""The figures of a project's page, as the API tells them."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from ninja import Router

from .. import recipe
from ..models import Project, iso
from . import schemas
from .history import Figures, Rate, Run, Spread, figures
from .problems import Problem

router = Router()


@router.get("/projects/{slug:slug}/stats", response={200: schemas.Stats, 404: schemas.Details})
def stats(request: HttpRequest, slug: str) -> Any:
    """How a project's builds went of late: of its newest 50 finished builds, and of the 50 before them."""
    found = request.auth.projects().filter(slug=slug).first()  # type: ignore[attr-defined]
    if found is None:
        raise Problem(404, f"There is no project {slug!r} that you may see.")
    return JsonResponse(data(figures(found, step_names(found))))  # as it is: times as in the data of a build


def step_names(project: Project) -> list[str]:
    """Of its recipe as it is now; none where that is not valid."""
    try:
        return [step.name for step in recipe.parse(project.known_recipe).steps]
    except recipe.RecipeError:
        return []


def data(found: Figures) -> dict[str, Any]:
    return {
        "builds": [_run(run) for run in reversed(found.runs)],
        "results": _rate(found.rate),
        "results_before": _rate(found.rate_before),
        "duration": _spread(found.duration),
        "duration_before": _spread(found.duration_before),
        "waited": _spread(found.waits),
        "steps": [{"name": one.name, "took": _spread(one.took), "failed": one.failed} for one in found.steps],
        "fails_most": found.fails_most and found.fails_most._asdict(),
        "groups": [{"first": one.first, "last": one.last} | (_rate(one.rate) or {}) for one in found.groups],
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.number,
        "status": run.status,
        "ref": run.ref,
        "finished_at": iso(run.finished_at),
        "duration": run.duration,
        "waited": run.waited,
    }


def _rate(rate: Rate | None) -> dict[str, Any] | None:
    return rate and {"passed": rate.passed, "counted": rate.counted, "share": rate.share}


def _spread(found: Spread | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"count": found.count, "median": found.median, "p10": found.low, "p90": found.high, "longest": found.most}
