"""A project's schedules: what each starts and when, what was missed; made and changed by who may change the project."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from .. import cron, schedules
from ..access import Caller
from ..models import Project, Schedule
from .door import for_callers
from .forms import input_field, inputs_of

RUNS = 5
"""So many of its next times are shown."""


class ScheduleForm(forms.ModelForm):
    class Meta:
        model = Schedule
        fields = ("name", "cron", "zone", "ref", "enabled")

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        """The inputs of the project's recipe, as far as it is known, become fields."""
        super().__init__(*args, **kwargs)
        self.instance.project = project
        self.fields["zone"].widget.attrs["list"] = "zones"
        self._inputs = {f"input-{one.name}": one for one in inputs_of(project)}
        for key, one in self._inputs.items():
            self.fields[key] = input_field(one)
            if one.name in self.instance.inputs:
                self.initial[key] = self.instance.inputs[one.name]

    @property
    def own(self) -> list[forms.BoundField]:
        return [self[name] for name in self._meta.fields]

    @property
    def parameters(self) -> list[forms.BoundField]:
        return [self[key] for key in self._inputs]

    def clean(self) -> dict[str, Any]:
        super().clean()
        found = self.cleaned_data
        # Defaults are the recipe's of the day: it may have others by then, or have no such input.
        self.instance.inputs = {
            one.name: found[key] for key, one in self._inputs.items() if key in found and found[key] != one.default
        }
        taken = Schedule.objects.filter(project=self.instance.project, name=found.get("name", ""))
        if taken.exclude(pk=self.instance.pk).exists():
            self.add_error("name", "This project has a schedule of that name.")
        return found

    def save(self, commit: bool = True) -> Schedule:
        schedules.save(self.instance)
        return self.instance


@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def page(request: HttpRequest, caller: Caller, slug: str) -> HttpResponse:
    """All of them, and a form for one more."""
    project = _project(request, caller, slug)
    if isinstance(project, HttpResponse):
        return project
    form = ScheduleForm(request.POST or None, project=project, instance=Schedule(made_by=caller.name))
    if request.method == "POST":
        return _posted(request, caller, project, form)
    return _page(request, caller, project, form)


@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def one(request: HttpRequest, caller: Caller, slug: str, number: int) -> HttpResponse:
    """One of them, to be changed or deleted."""
    project = _project(request, caller, slug)
    if isinstance(project, HttpResponse):
        return project
    found = get_object_or_404(Schedule, project=project, pk=number)
    form = ScheduleForm(request.POST or None, project=project, instance=found)
    if request.method == "POST":
        return _posted(request, caller, project, form)
    return _page(request, caller, project, form, runs=_runs(found.cron, found.zone))


# --- Inside ---


def _project(request: HttpRequest, caller: Caller, slug: str) -> Project | HttpResponse:
    if not caller.is_known:
        return redirect_to_login(request.get_full_path())
    return get_object_or_404(caller.projects(), slug=slug)


def _posted(request: HttpRequest, caller: Caller, project: Project, form: ScheduleForm) -> HttpResponse:
    if not caller.may_change_starts():
        raise PermissionDenied("Changing a schedule needs the permission “Can change project”.")
    made = form.instance
    if "delete" in request.POST and made.pk:
        made.delete()
        messages.success(request, f"The schedule {made.name} is deleted. Its builds stay.")
        return redirect("schedules", project.slug)
    if not form.is_valid():
        return _page(request, caller, project, form, status=422)
    if "preview" in request.POST:
        return _page(request, caller, project, form, runs=_runs(made.cron, made.zone))
    try:
        form.save()
    except Schedule.DoesNotExist:
        raise Http404 from None
    return redirect("schedules", project.slug)


def _runs(expression: str, zone: str) -> list[str]:
    try:
        return [_said(moment) for moment in cron.upcoming(expression, zone, timezone.now(), RUNS)]
    except cron.CronError:
        return []  # of a zone that is not known any more: its note says so


def _said(moment: datetime) -> str:
    """`Tue 6 Jan 2026, 03:30 CET`: in the time that it is given in."""
    return f"{moment:%a} {moment.day} {moment:%b %Y, %H:%M %Z}"


def _page(
    request: HttpRequest,
    caller: Caller,
    project: Project,
    form: ScheduleForm,
    *,
    runs: Sequence[str] = (),
    status: int = 200,
) -> HttpResponse:
    own = Schedule.objects.filter(project=project)
    context = {
        "project": project,
        "here": "schedules",
        "schedules": [(found, _next(found)) for found in own.select_related("last_build")],
        "form": form,
        "runs": runs,
        "zones": sorted(cron.zones()) if caller.may_change_starts() else [],
        "may_change": caller.may_change_starts(),
    }
    return render(request, "builds/schedules.html", context, status=status)


def _next(schedule: Schedule) -> str:
    """In its own zone; empty: never."""
    if schedule.next_at is None:
        return ""
    return _said(cron.local(schedule.next_at, schedule.zone if schedule.zone in cron.zones() else "UTC"))
