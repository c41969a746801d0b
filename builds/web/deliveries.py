"""A project's webhook: what it has delivered, which news it builds, and its secret, which is shown once."""

from django import forms
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from .. import deliveries, hooks
from ..access import Caller
from ..models import Hook, Project
from . import numbers
from .door import for_callers

PAGE = 50


class HookForm(forms.ModelForm):
    """Which news start a build."""

    class Meta:
        model = Hook
        fields = ("branches", "tags", "pull_requests", "forks", "supersede")


@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def page(request: HttpRequest, caller: Caller, slug: str) -> HttpResponse:
    """POST: which news are built."""
    if not caller.is_known:  # who pushes, and what was wrong, is nothing for everybody
        return redirect_to_login(request.get_full_path())
    project = get_object_or_404(caller.projects(), slug=slug)
    hook = Hook.objects.filter(project=project).first()
    if request.method != "POST":
        return _page(request, caller, project, hook, HookForm(instance=hook) if hook else None)
    _require_change(caller)
    if hook is None:
        return redirect("deliveries", slug)
    form = HookForm(request.POST, instance=hook)
    if not form.is_valid():
        return _page(request, caller, project, hook, form, status=422)
    Hook.objects.filter(pk=hook.pk).update(**form.cleaned_data)  # nothing else: a new secret may have been made since
    return redirect("deliveries", slug)


@require_POST
@for_callers
def make_secret(request: HttpRequest, caller: Caller, slug: str) -> HttpResponse:
    """A new secret, shown on this answer and never again; the one before is good for nothing from now on."""
    project = get_object_or_404(caller.projects(), slug=slug)
    _require_change(caller)
    replaced = Hook.objects.filter(project=project).exists()
    made = deliveries.make_secret(project, by=caller.name)
    hook = Hook.objects.get(project=project)
    return _page(request, caller, project, hook, HookForm(instance=hook), made=made, replaced=replaced)


def _require_change(caller: Caller) -> None:
    if not caller.may_change_starts():
        raise PermissionDenied("Changing a webhook needs the permission “Can change project”.")


def _page(
    request: HttpRequest,
    caller: Caller,
    project: Project,
    hook: Hook | None,
    form: HookForm | None,
    *,
    made: str = "",
    replaced: bool = False,
    status: int = 200,
) -> HttpResponse:
    before = numbers.whole(request.GET.get("before"))
    found = list(deliveries.newest(project, before)[: PAGE + 1])
    context = {
        "project": project,
        "here": "webhook",
        "hook": hook,
        "form": form,
        "made": made,
        "replaced": replaced,
        "may_change": caller.may_change_starts(),
        "address": request.build_absolute_uri(reverse("hook", args=[project.slug])),
        "deliveries": found[:PAGE],
        "before": before,
        "older": found[PAGE - 1].pk if len(found) > PAGE else None,
        "names": hooks.NAMES,
    }
    return render(request, "builds/deliveries.html", context, status=status)
