"""After which other projects a project is built, and which come after it; set by who may change the project."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from .. import chains
from ..access import Caller
from ..models import After, Project
from . import numbers
from .door import for_callers


class AfterForm(forms.ModelForm):
    class Meta:
        model = After
        fields = ("upstream", "branches", "same_ref")

    def __init__(self, *args: Any, caller: Caller, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.project = project
        taken = After.objects.filter(project=project).values("upstream")
        others = caller.projects().exclude(pk=project.pk).exclude(pk__in=taken)
        field = self.fields["upstream"]
        field.queryset, field.empty_label = others, "choose …"  # type: ignore[attr-defined]

    def store(self) -> bool:
        """False: it would be a circle, which is said at its field."""
        try:
            chains.save(self.instance)
        except chains.Circle as error:
            self.add_error("upstream", str(error))
            return False
        return True


@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def page(request: HttpRequest, caller: Caller, slug: str) -> HttpResponse:
    """POST: one more, or with `delete` one less."""
    if not caller.is_known:
        return redirect_to_login(request.get_full_path())
    project = get_object_or_404(caller.projects(), slug=slug)
    if request.method != "POST":
        return _page(request, caller, project, AfterForm(caller=caller, project=project))
    if not caller.may_change_starts():
        raise PermissionDenied("Changing what comes after what needs the permission “Can change project”.")
    if request.POST.get("delete"):
        one = _seen(caller, project).filter(pk=numbers.whole(request.POST["delete"]) or 0).first()
        if one is not None:
            one.delete()
            messages.success(request, f"{project.name} is not built after {one.upstream.name} any more.")
        return redirect("afters", slug)
    form = AfterForm(request.POST, instance=After(made_by=caller.name), caller=caller, project=project)
    if form.is_valid() and form.store():
        return redirect("afters", slug)
    return _page(request, caller, project, form, status=422)


def _page(
    request: HttpRequest, caller: Caller, project: Project, form: AfterForm, *, status: int = 200
) -> HttpResponse:
    context = {
        "project": project,
        "here": "afters",
        "afters": _seen(caller, project),
        "followers": After.objects.filter(upstream=project, project__in=caller.projects()).select_related("project"),
        "form": form,
        "may_change": caller.may_change_starts(),
    }
    return render(request, "builds/afters.html", context, status=status)


def _seen(caller: Caller, project: Project) -> QuerySet[After]:
    """What `project` is built after; of projects that the caller may not see, not even that they are there."""
    return After.objects.filter(project=project, upstream__in=caller.projects()).select_related("upstream")
