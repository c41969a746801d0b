"""Who outside is told of a project's builds, and what became of each message: for those who may change the project."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from .. import outbox
from ..access import Caller
from ..models import TARGET_KINDS, Outgoing, Project, Target
from ..outbox import targets
from . import news, numbers
from .door import for_callers
from .targetforms import TargetForm

PAGE = 50
WATCHED_SECONDS = 60
"""So long after a test was asked for, its page loads itself again until something has become of it."""
_AGAIN_SECONDS = 2


@require_safe
@for_callers
def page(request: HttpRequest, caller: Caller, slug: str) -> HttpResponse:
    """All targets, and the newest messages. `?message=`: one of them, looked at; `?before=`: older ones."""
    if not caller.is_known:
        return redirect_to_login(request.get_full_path())
    project = _writable(caller, slug)
    before = numbers.whole(request.GET.get("before"))
    shown = news.messages(project, before)
    found = list(shown[: PAGE + 1])
    watched = news.messages(project).filter(pk=numbers.whole(request.GET.get("message")) or 0).first()
    context = {
        "project": project,
        "targets": news.targets(project),
        "kinds": [(kind, targets.NAMES[kind], news.ABOUT[kind]) for kind in TARGET_KINDS],
        "messages_of": found[:PAGE],
        "before": before,
        "older": found[PAGE - 1].pk if len(found) > PAGE else None,
        "watched": watched,
        "again": _AGAIN_SECONDS if watched is not None and _is_awaited(watched) else None,
        "hints": news.hints(project),
    }
    return render(request, "builds/notifications.html", context)


@sensitive_post_parameters("secret")
@sensitive_variables("form")
@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def new(request: HttpRequest, caller: Caller, slug: str, kind: str) -> HttpResponse:
    if not caller.is_known:
        return redirect_to_login(request.get_full_path())
    project = _writable(caller, slug)
    if kind not in TARGET_KINDS:
        raise Http404
    return _form(request, project, Target(project=project, kind=kind))


@sensitive_post_parameters("secret")
@sensitive_variables("form")
@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def change(request: HttpRequest, caller: Caller, slug: str, number: int) -> HttpResponse:
    if not caller.is_known:
        return redirect_to_login(request.get_full_path())
    project = _writable(caller, slug)
    return _form(request, project, _target(project, number))


@require_POST
@for_callers
def delete(request: HttpRequest, caller: Caller, slug: str, number: int) -> HttpResponse:
    project = _writable(caller, slug)
    target = _target(project, number)
    target.delete()
    messages.success(request, f"{target.name} is told nothing any more; its messages are gone.")
    return redirect("notifications", project.slug)


@require_POST
@for_callers
def test(request: HttpRequest, caller: Caller, slug: str, number: int) -> HttpResponse:
    project = _writable(caller, slug)
    row = outbox.test(_target(project, number))
    return redirect(f"{reverse('notifications', args=[project.slug])}?message={row.pk}#message")


@require_POST
@for_callers
def retry(request: HttpRequest, caller: Caller, slug: str, number: int) -> HttpResponse:
    project = _writable(caller, slug)
    row = get_object_or_404(Outgoing, target__project=project, pk=number)
    if not outbox.retry(row.pk):
        messages.error(request, "It is on its way, or has arrived: there is nothing to try again.")
    return redirect(f"{reverse('notifications', args=[project.slug])}?message={row.pk}#message")


# --- Inside ---


def _form(request: HttpRequest, project: Project, target: Target) -> HttpResponse:
    form = TargetForm(request.POST or None, instance=target)
    if request.method == "POST" and form.is_valid() and form.store():
        messages.success(request, f"{target.name} is kept. Send it a test to see whether messages arrive.")
        return redirect("notifications", project.slug)
    context: dict[str, Any] = {
        "project": project,
        "target": target,
        "form": form,
        "kind": targets.NAMES[target.kind],
        "about": news.ABOUT[target.kind],
    }
    return render(request, "builds/target.html", context, status=422 if request.method == "POST" else 200)


def _writable(caller: Caller, slug: str) -> Project:
    found = get_object_or_404(caller.projects(), slug=slug)
    if not caller.may_change_targets():
        raise PermissionDenied("Notifications of a project need the permission “Can change project”.")
    return found


def _target(project: Project, number: int) -> Target:
    return get_object_or_404(project.targets.select_related("project"), pk=number)


def _is_awaited(row: Outgoing) -> bool:
    asked = (timezone.now() - row.created_at).total_seconds() < WATCHED_SECONDS
    return row.state == "waiting" and (row.attempts == 0 or row.claim != "") and asked
