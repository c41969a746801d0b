"""The secrets of a project, for those who may change it: names and rules are shown, values go in and never come out."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from .. import recipe, safe
from ..access import Caller
from ..models import Project
from .door import for_callers
from .forms import SecretForm


@sensitive_post_parameters("value")
@sensitive_variables("form", "given")
@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def page(request: HttpRequest, caller: Caller, slug: str) -> HttpResponse:
    """`?name=`: the form is filled in with the rules of that one."""
    if not caller.is_known:
        return redirect_to_login(request.get_full_path())
    found = _writable(caller, slug)
    kept = safe.listed(found)
    if request.method != "POST":
        wanted = request.GET.get("name", "")
        rules = next((secret for secret in kept if secret.name == wanted), None)
        known = {"name": wanted[:100]} | (
            {"for_forks": rules.for_forks, "branches": rules.branches.replace(" ", ", ")} if rules else {}
        )
        return _page(request, found, kept, SecretForm(initial=known, replacing=rules is not None))
    form = SecretForm(request.POST, replacing=request.POST.get("name", "") in {secret.name for secret in kept})
    if form.is_valid():
        given = form.cleaned_data
        try:
            new = safe.put(
                found,
                given["name"],
                given["value"] or None,
                by=caller.name,
                for_forks=given["for_forks"],
                branches=given["branches"],
            )
        except safe.BadSecret as refusal:
            form.add_error(None, str(refusal))
        else:
            what = "is kept" if new else "has a new value" if given["value"] else "has new rules, and the value it had"
            messages.success(request, f"{given['name']} {what}.")
            return redirect("secrets", slug=found.slug)
    return _page(request, found, kept, form, status=422)


@require_POST
@for_callers
def delete(request: HttpRequest, caller: Caller, slug: str, name: str) -> HttpResponse:
    found = _writable(caller, slug)
    if not safe.remove(found, name):
        raise Http404
    messages.success(request, f"{name} is deleted.")
    return redirect("secrets", slug=found.slug)


def _page(request: HttpRequest, project: Project, kept: list[Any], form: SecretForm, status: int = 200) -> HttpResponse:
    users = _users(project)
    known = {secret.name for secret in kept}
    context = {
        "project": project,
        "secrets": [(secret, users.get(secret.name, [])) for secret in kept],
        "unknown": [(name, steps) for name, steps in users.items() if name not in known],
        "form": form,
        "least": safe.LEAST,
    }
    return render(request, "builds/secrets.html", context, status=status)


def _users(project: Project) -> dict[str, list[str]]:
    """Of each secret that the recipe of its next build names, the steps that do; none where that is not known."""
    found: dict[str, list[str]] = {}
    try:
        steps = recipe.parse(project.known_recipe).steps
    except recipe.RecipeError:
        return {}
    for step in steps:
        for name in dict.fromkeys(step.secrets.values()):
            found.setdefault(name, []).append(step.name)
    return found


def _writable(caller: Caller, slug: str) -> Project:
    found = get_object_or_404(caller.projects(), slug=slug)
    if not caller.may_write_secrets():
        raise PermissionDenied("Secrets of a project need the permission “Can change project”.")
    return found
