"""The pages. Each reads its cursor before the state that it shows, outside any transaction: what happens in between
comes again over the stream and changes nothing. Every verb is `lifecycle`'s; who may call it is decided here.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from .. import events, lifecycle, queue, recipe, retention
from ..access import Caller
from ..inputs import text
from ..models import Board, Build, Project, iso
from ..states import BUILD_STATUSES
from . import artifacts, front, landmarks, logtail, numbers, origin, projectpage, steps, testpages, words
from .door import for_callers
from .filters import Filter
from .forms import LoginForm, RetryForm, StartForm, inputs_of
from .insight import Insight
from .rows import Row, rows, waits
from .started import by_what

PAGE = 25
"""Finished builds on one page of a history."""
QUEUED = 100
"""Queued builds on one page."""
MOST_NUMBERS = 1_000
"""So many are looked up one by one; for more, a walk through the builds that a filter asks for is faster."""


@require_safe
@for_callers
def board(request: HttpRequest, caller: Caller) -> HttpResponse:
    live = _live_board()
    asked = front.read(request.GET, caller)
    if asked.leads_to:
        return redirect(asked.leads_to)
    builds = asked.filter.narrow(caller.builds(), timezone.now()).select_related("project").prefetch_related("steps")
    builds = builds.defer("recipe", "project__recipe")  # long texts, and no row shows them
    outlook = queue.outlook()
    # In the order of a build's life: one that goes on meanwhile is read twice, not missed. What is read last is so now.
    waiting = _queue(builds, outlook, _waiting(builds, outlook, asked.filter))
    running = rows(_running(builds) if asked.filter else builds.running())
    history = _history(request, builds, asked.filter.statuses)
    running = _each_once(waiting, running, history)
    is_empty = not (running or waiting["queued"] or history["recent"])
    context = {
        **live,
        **history,
        **waiting,
        "running": running,
        "is_empty": is_empty,
        "outlook": outlook,
        "may_start": caller.may_start(),
        **front.context(caller, asked, outlook, is_empty=is_empty),
    }
    return render(request, "builds/board.html", context)


@require_safe
@for_callers
def project(request: HttpRequest, caller: Caller, slug: str) -> HttpResponse:
    return _project_page(request, caller, _project(caller, slug))


@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def start(request: HttpRequest, caller: Caller, slug: str) -> HttpResponse:
    """A form that was refused stays at this address: whoever asks for it again finds the form."""
    found = _project(caller, slug)
    if request.method != "POST":
        return redirect(found)
    if not caller.may_start():
        raise PermissionDenied("Starting a build needs the permission “Can start and retry builds”.")
    form = StartForm(request.POST, project=found, inputs=inputs_of(found))
    if not form.is_valid():
        return _project_page(request, caller, found, form, status=422)
    try:
        made = lifecycle.enqueue(
            found, by=caller.name, ref=form.cleaned_data["ref"], inputs=form.values(), request_key=form.key()
        )
    except lifecycle.ProjectGone as gone:
        raise Http404(str(gone)) from gone
    except lifecycle.Refused as refused:
        messages.error(request, str(refused))
        return _project_page(request, caller, found, form, status=409)
    return redirect(made)


@require_safe
@for_callers
def build(request: HttpRequest, caller: Caller, build_id: int) -> HttpResponse:
    extent = events.extent(build_id)  # the cursor, before anything else is read
    found = _build(caller, build_id)
    if extent is None:
        raise Http404
    own = list(found.steps.all())
    data = found.data(own)
    sections = [] if found.pruned_at else logtail.sections(found, own, extent.head)
    place = queue.place(found)
    total, missing = sum(section.total for section in sections), sum(section.missing for section in sections)
    context = {
        "build": found,
        "project": found.project,
        "data": data,
        "data_json": events.compact(data),
        "phrase": words.phrase(data),
        "verdict": words.verdict(data),
        "waited": ((found.started_at or found.finished_at or timezone.now()) - found.created_at).total_seconds(),
        "icon": _icon(found.status),
        "icons": [(status, static(_icon(status))) for status in BUILD_STATUSES],
        "sections": sections,
        "total": total,
        "stored": words.stored(total, missing),
        "log_fact": words.log_fact(total, missing, kept=found.kept),
        "worker": words.worker(found.worker, found.status),
        "sandbox": words.sandbox(found.sandbox, found.network),
        "image": words.image_of_all(data["steps"]),
        "axis": steps.axis(found, own),
        "annotations": landmarks.panel(found, own),
        "plain_groups": landmarks.plain_groups(found),
        "artifacts": artifacts.panel(found, [step.name for step in own]),
        "tests": testpages.panel(found),
        "insight": Insight(found, own),
        "place": place,
        "waits": waits(place),
        "by_what": by_what(found),
        "parent": caller.builds().select_related("project").filter(pk=found.parent_id).first()
        if found.parent_id
        else None,
        "retries": found.retries.order_by("id")[:20],
        "inputs": [(name, text(value)) for name, value in found.inputs.items()],
        "origin": origin.of(found),
        "changes": origin.changes(found),
        "retry_form": RetryForm(),
        "may_start": caller.may_start(),
        "may_cancel": caller.may_cancel(),
        "may_keep": caller.may_keep(),
        "pruned": retention.pruned(found),
        "cursor": extent.head,
        "world": Board.get().world,
        "now": iso(timezone.now()),
    }
    return render(request, "builds/build.html", context)


@require_POST
@for_callers
def cancel(request: HttpRequest, caller: Caller, build_id: int) -> HttpResponse:
    found = _build(caller, build_id)
    if not caller.may_cancel():
        raise PermissionDenied("Cancelling a build needs the permission “Can cancel builds”.")
    try:
        lifecycle.cancel(found.pk, by=caller.name)
    except lifecycle.Refused as refused:
        messages.error(request, str(refused))
    return redirect(found)


@require_POST
@for_callers
def retry(request: HttpRequest, caller: Caller, build_id: int) -> HttpResponse:
    found = _build(caller, build_id)
    if not caller.may_start():
        raise PermissionDenied("Retrying a build needs the permission “Can start and retry builds”.")
    form = RetryForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The form was not complete. Load the page again and press the button once more.")
        return redirect(found)
    try:
        return redirect(lifecycle.retry(found, by=caller.name, request_key=form.key()))
    except lifecycle.Refused as refused:
        messages.error(request, str(refused))
        return redirect(found)


@require_POST
@for_callers
def keep(request: HttpRequest, caller: Caller, build_id: int) -> HttpResponse:
    """`kept=1`: its log is never pruned. `kept=0`: it is, when its time comes."""
    found = _build(caller, build_id)
    if not caller.may_keep():
        raise PermissionDenied("Keeping a log needs the permission “Can keep the logs of builds”.")
    wanted = request.POST.get("kept")
    if wanted not in ("0", "1"):
        messages.error(request, "kept: expected 1 (keep the log) or 0. Load the page again and press the button.")
        return redirect(found)
    try:
        lifecycle.keep(found.pk, wanted == "1")
    except lifecycle.Refused as refused:
        messages.error(request, str(refused))
    return redirect(found)


class Login(LoginView):
    """Sign in. Where one is already, go on."""

    authentication_form = LoginForm
    redirect_authenticated_user = True


# --- Inside ---


def _project(caller: Caller, slug: str) -> Project:
    return get_object_or_404(caller.projects(), slug=slug)


def _build(caller: Caller, build_id: int) -> Build:
    return get_object_or_404(caller.builds().select_related("project", "retry_of"), pk=build_id)


def _icon(status: str) -> str:
    return f"builds/icons/{status}.svg"


def _live_board() -> dict[str, Any]:
    """The board's cursor, and what else its stream is opened with."""
    stored = Board.get()
    return {"cursor": stored.revision, "world": stored.world, "now": iso(timezone.now())}


def _project_page(
    request: HttpRequest, caller: Caller, found: Project, form: StartForm | None = None, status: int = 200
) -> HttpResponse:
    live = _live_board()
    builds = found.builds.select_related("project").prefetch_related("steps").defer("recipe", "project__recipe")
    outlook = queue.outlook()
    # In the order of a build's life, as on the board.
    waiting = _queue(builds, outlook, outlook.of(found.pk))
    running = rows(_running(builds))
    history = _history(request, builds)
    running = _each_once(waiting, running, history)
    try:
        plan = recipe.parse(found.known_recipe)
        names, wrong, drawn = [step.name for step in plan.steps], "", projectpage.graph_of(found, plan)
    except recipe.RecipeError as error:  # of a repository the commit may well have another
        names, wrong, drawn = [], "" if found.repository else str(error), None
    lately = projectpage.context(request, found, names)
    context = {
        **live,
        **history,
        "project": found,
        "running": running,
        **waiting,
        **lately,
        "status": projectpage.status(lately["figures"], runs=bool(running), waits=bool(waiting["waiting"])),
        "nobody": outlook.why_stuck(found.runs_on) if found.enabled else "",
        "recipe_error": wrong,
        "repository": origin.repository(found),
        "graph": drawn,
        "form": form or StartForm(inputs=inputs_of(found)),
        "may_start": caller.may_start(),
        "may_write_secrets": caller.may_write_secrets(),
    }
    return render(request, "builds/project.html", context, status=status)


def _each_once(waiting: dict[str, Any], running: list[Row], history: dict[str, Any]) -> list[Row]:
    """Those that run, without what was found over since; so for `waiting`, too, in its place: a build that went on
    between two queries was read twice, and what was read last is so now."""
    over = {row.build.pk for row in history["recent"]}
    still = [row for row in running if row.build.pk not in over]
    over |= {row.build.pk for row in still}
    waiting["queued"] = [row for row in waiting["queued"] if row.build.pk not in over]
    return still


def _running(builds: Any) -> Any:
    """Oldest first. All that run are few, and found at once; asked for those of one project, branch or person alone,
    SQLite reads all builds that it ever had."""
    return builds.filter(pk__in=list(Build.objects.running().values_list("pk", flat=True))).running()


def _history(request: HttpRequest, builds: Any, statuses: Sequence[str] = ()) -> dict[str, Any]:
    """Finished builds, newest first, a page below number `?before=`: by number, so that new builds move no page.

    `statuses`: those that `builds` are narrowed to, if they are."""
    before = numbers.whole(request.GET.get("before"))
    finished = builds.finished()
    if before is not None:
        finished = finished.filter(pk__lt=before)
    if len(statuses) > 1:
        # Each for itself: asked for all at once, SQLite reads every build that has one of them, and sorts those.
        newest = [finished.filter(status=one).values_list("pk", flat=True)[: PAGE + 1] for one in statuses]
        finished = finished.filter(pk__in=sorted(chain.from_iterable(newest), reverse=True)[: PAGE + 1])
    found = list(finished[: PAGE + 1])
    older = found[PAGE - 1].pk if len(found) > PAGE else None
    return {"recent": rows(found[:PAGE]), "older": older, "before": before}


def _waiting(builds: Any, outlook: queue.Outlook, wanted: Filter) -> list[int]:
    """The numbers of those of `builds` that wait. As with those that run: looked for among all that wait."""
    queued = builds.queued()
    if wanted and len(outlook.waiting) <= MOST_NUMBERS:
        known = outlook.of(wanted.project.pk) if wanted.project else [one.build_id for one in outlook.waiting]
        queued = queued.filter(pk__in=known)
    return list(queued.values_list("pk", flat=True))


def _queue(builds: Any, outlook: queue.Outlook, numbers: Iterable[int]) -> dict[str, Any]:
    """Those of `builds` that wait, which have these `numbers`: the first to be taken, in that order; how many more
    there are; and the oldest."""
    places = {pk: outlook.places[pk] for pk in numbers if pk in outlook.places}
    first = sorted(places, key=lambda pk: places[pk].position)[:QUEUED]
    found = {row.build.pk: row for row in rows(builds.queued().filter(pk__in=first), places)}
    oldest = builds.filter(pk=min(places)).values_list("created_at", flat=True).first() if places else None
    return {
        "queued": [found[pk] for pk in first if pk in found],
        "waiting": len(places),
        "unshown": len(places) - len(first),
        "oldest": oldest,
        "oldest_seconds": (timezone.now() - oldest).total_seconds() if oldest else None,
    }
