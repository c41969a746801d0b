"""What a project's page shows of its figures: numbers from `history`, drawings from `plots`, all in words, too."""

from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import reverse

from ..models import Project, Step
from ..recipe import Recipe
from ..states import Status
from . import badge, plots, words
from .graph import Graph, draw
from .history import Figures, StepFigures, figures
from .marks import MARKS

STEPS = 12
"""Steps on the page, the slowest ones; the API has all."""


class StepRow(NamedTuple):
    figures: StepFigures
    share: float
    """Percent of the slowest one."""


def context(request: HttpRequest, project: Project, names: list[str]) -> dict[str, Any]:
    """For project.html. `names`: the steps of its recipe."""
    found = figures(project, names)
    newest = found.runs[-1].number if found.runs else None
    groups = found.groups
    return {
        "figures": found,
        "heading": _heading(len(found.runs)),
        "outside": words.count(found.outside, "run") + " outside" if found.outside else "",
        "usual": plots.between(found.duration) if found.duration else "",
        "longer": plots.longer(found),
        "durations": plots.draw_durations(found),
        "newest": newest,
        "rate_percent": words.percent(found.rate.share),
        "counted": plots.counted(found),
        "more": plots.more(found),
        "rates": plots.draw_rates(groups),
        "newest_counted": groups[-1].last if groups else None,
        "marks": [(status.value, path) for status, path in MARKS.items()],
        "step_rows": _step_rows(found),
        "more_steps": max(len(found.steps) - STEPS, 0),
        **_badge(request, project),
    }


def graph_of(project: Project, plan: Recipe) -> Graph:
    """Its recipe, with what became of the steps in the newest build that has begun."""
    newest = project.builds.filter(started_at__isnull=False).order_by("-id").values_list("pk", flat=True)[:1]
    return draw(plan, dict(Step.objects.filter(build__in=list(newest)).values_list("name", "status")))


def _heading(count: int) -> str:
    if count < 2:
        return "The last build" if count else "The last builds"
    return f"The last {count} builds"


def _step_rows(found: Figures) -> list[StepRow]:
    longest = max((step.took.median for step in found.steps if step.took), default=0.0) or 1.0
    shown = found.steps[:STEPS]
    return [StepRow(step, round(100 * step.took.median / longest, 2) if step.took else 0.0) for step in shown]


def _badge(request: HttpRequest, project: Project) -> dict[str, Any]:
    path = reverse("badge", args=[project.slug])
    return {
        "badge": badge.draw(badge.plain(project.name), badge.newest(project)),
        "badge_path": path,
        "snippets": badge.snippets(request, project, path),
        "badge_is_public": badge.is_public(project),
    }


def status(found: Figures, *, runs: bool, waits: bool) -> str:
    """The mark at the page's head: what runs comes before what waits, and that before what was."""
    if runs or waits:
        return Status.RUNNING if runs else Status.QUEUED
    return found.newest or Status.PENDING
