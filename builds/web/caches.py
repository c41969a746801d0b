"""What the builds of a project keep: its caches, one by one, and how much room they and its artifacts take."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from .. import artifacts, caches
from ..access import Caller
from ..models import Build, Project
from ..retention import size
from . import numbers
from .door import for_callers
from .words import count

PAGE = 100
_MEGABYTE = 1024 * 1024


@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def page(request: HttpRequest, caller: Caller, slug: str) -> HttpResponse:
    """So many on a page, newest first; `?before=ID`: the older ones. POST with `delete`: that one, or `all`."""
    if not caller.is_known:  # as with what starts builds
        return redirect_to_login(request.get_full_path())
    project = get_object_or_404(caller.projects(), slug=slug)
    if request.method != "POST":
        return _page(request, caller, project)
    if not caller.may_change_projects():
        raise PermissionDenied("Deleting a cache needs the permission “Can change project”.")
    which = request.POST.get("delete", "")
    number = None if which == "all" else _number(which)
    gone = caches.remove(project.pk, number)
    if number is not None and not gone:
        raise Http404
    said = f"{count(gone, 'cache')} of {project.name}" if number is None else "The cache"
    messages.success(request, f"{said} {'is' if gone == 1 else 'are'} deleted: builds make it anew where they need it.")
    return redirect("caches", slug=project.slug)


def _page(request: HttpRequest, caller: Caller, project: Project) -> HttpResponse:
    asked = request.GET.get("before")
    rows = list(caches.listed(project.pk, None if asked is None else _number(asked))[: PAGE + 1])
    shown = rows[:PAGE]
    there = set(Build.objects.filter(pk__in={row.build for row in shown}).values_list("pk", flat=True))
    kept, files = caches.used(project.pk), artifacts.used(project.pk)
    context: dict[str, Any] = {
        "project": project,
        "items": [(row, size(row.size), row.build in there) for row in shown],
        "count": kept.archives,
        "room": size(kept.bytes),
        "most": size(settings.BUILDBOARD_MAX_PROJECT_CACHE_MB * _MEGABYTE),
        "artifacts": f"{count(files.files, 'file')}, {size(files.bytes)}, of {count(files.builds, 'build')}"
        if files.files
        else "",
        "before": asked,
        "on": f"?before={shown[-1].pk}" if len(rows) > PAGE else "",
        "may_delete": caller.may_change_projects(),
    }
    return render(request, "builds/caches.html", context)


def _number(text: str) -> int:
    found = numbers.whole(text)
    if found is None:
        raise Http404
    return found
