"""Builds: looked at, cancelled, retried and kept here; nobody adds, edits or deletes one by hand."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from .. import cuts, lifecycle, printed, queue, retention
from ..landmarks import place
from ..models import Annotation, Build, Project, Step
from ..states import BUILD_STATUSES
from .eventlog import log_page
from .verbs import OfVisible, ReadOnly, Verbs, may_cancel, may_keep, may_start

_RECENT = 1_000
"""The people who started so many of the newest builds are offered as a filter."""
_SEARCHED = 20_000
"""Words are looked for in so many of the newest builds: no index has what is within a text."""


class Looked(admin.TabularInline):
    """Rows of a build that are only looked at."""

    extra = max_num = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may look at a build may look at its steps, and at what they said."""
        return request.user.has_perm("builds.view_build")


class StepInline(Looked):
    model = Step
    fields = readonly_fields = ("position", "name", "status", "exit_code", "reason", "started_at", "finished_at")
    ordering = ("position",)


class AnnotationInline(Looked):
    model = Annotation
    fields = readonly_fields = ("level", "message", "title", "place", "step", "line")
    ordering = ("number",)

    @admin.display(description="file")
    def place(self, annotation: Annotation) -> str:
        return place(annotation.file, annotation.file_line, annotation.column) or "–"


class StatusFilter(admin.SimpleListFilter):
    title = parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value, status.value) for status in BUILD_STATUSES]

    def queryset(self, request: HttpRequest, builds: QuerySet[Build]) -> QuerySet[Build]:
        return builds.filter(status=self.value()) if self.value() else builds


class ProjectFilter(admin.SimpleListFilter):
    title = parameter_name = "project"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(Project.objects.visible_to(request.user).values_list("slug", "name"))

    def queryset(self, request: HttpRequest, builds: QuerySet[Build]) -> QuerySet[Build]:
        if not self.value():
            return builds
        # Its key, looked up first: joined with its project, PostgreSQL would read builds of others, too.
        return builds.filter(project=Project.objects.filter(slug=self.value()).values_list("pk", flat=True).first())


class WhoFilter(admin.SimpleListFilter):
    title = "started by"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        recent = model_admin.get_queryset(request).order_by("-id").values_list("started_by", flat=True)[:_RECENT]
        return [(name, name) for name in sorted({name for name in recent if name})]

    def queryset(self, request: HttpRequest, builds: QuerySet[Build]) -> QuerySet[Build]:
        return builds.filter(started_by=self.value()) if self.value() else builds


@admin.register(Build)
class BuildAdmin(Verbs, ReadOnly, OfVisible):
    list_display = ("number", "project", "status", "started_by", "created_at")  # as many as fit at 1280 px
    list_display_links = ("number",)
    list_filter = (StatusFilter, ProjectFilter, WhoFilter, "created_at", "kept")
    list_select_related = ("project",)
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("project__name", "project__slug", "ref", "reason")
    search_help_text = f"Number; project, ref or reason of the newest {_SEARCHED:,} builds"
    actions = ("cancel_builds", "retry_builds", "keep_builds", "do_not_keep_builds")
    inlines = (StepInline, AnnotationInline)
    fieldsets = (
        (None, {"fields": ("number", "project", "status", "reason", "queue", "ref", "inputs", "retry_of", "attempt")}),
        ("When and who", {"fields": (
            "created_at", "started_by", "started_at", "finished_at", "ran_for", "cancel_requested_at", "cancelled_by",
        )}),
        ("Worker and lease", {"fields": ("runs_on", "worker", "leased", "renewal")}),
        ("Log", {"fields": ("head", "horizon", "revision", "kept", "left_out", "what_became", "landmarks")}),
        ("Recipe, as it was", {"fields": ("recipe",), "classes": ("collapse",)}),
    )  # fmt: skip

    def get_search_results(
        self, request: HttpRequest, builds: QuerySet[Build], search_term: str
    ) -> tuple[QuerySet[Build], bool]:
        newest = Build.objects.order_by("-id").values_list("pk", flat=True).first() or 0
        recent = builds.filter(pk__gt=newest - _SEARCHED) if search_term else builds
        found, may_repeat = super().get_search_results(request, recent, search_term)
        number = search_term.strip().removeprefix("#")
        if number.isascii() and number.isdigit() and len(number) < 19:
            found |= builds.filter(pk=int(number))
        return found, may_repeat

    @admin.display(description="number", ordering="id")
    def number(self, build: Build) -> int:
        return build.pk

    @admin.display(description="ran for")
    def ran_for(self, build: Build) -> str:
        return "–" if build.duration is None else f"{build.duration:.1f} s"

    @admin.display(description="in the queue")
    def queue(self, build: Build) -> str:
        place = queue.place(build)
        return f"place {place.position}: {place.reason}" if place else "–"

    @admin.display(description="lease")
    def leased(self, build: Build) -> str:
        return f"held by {build.worker}" if build.lease_token else "none"

    @admin.display(description="left out")
    def left_out(self, build: Build) -> str:
        missing = sum(cut.lines for of_step in printed.left_out(build.pk).values() for cut in of_step)
        if not missing:
            return "nothing"
        return cuts.left_out(sum(printed.total_lines(build.pk, step.position) for step in build.steps.all()), missing)

    @admin.display(description="what became of it")
    def what_became(self, build: Build) -> str:
        return retention.became(build) or "Its events are stored."

    @admin.display(description="groups and annotations")
    def landmarks(self, build: Build) -> str:
        """How many were printed, those that are not kept included."""
        told = {"group": build.groups_told} | build.annotations_told
        return ", ".join(f"{count:,} {name}{'s' * (count != 1)}" for name, count in told.items() if count) or "–"

    # -- Cancel, retry and keep

    def has_start_permission(self, request: HttpRequest) -> bool:
        return may_start(request)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return may_cancel(request)

    def has_keep_permission(self, request: HttpRequest) -> bool:
        return may_keep(request)

    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel_builds(self, request: HttpRequest, builds: QuerySet[Build]) -> None:
        for build in builds:
            self._cancel(request, build)

    @admin.action(description="Retry", permissions=["start"])
    def retry_builds(self, request: HttpRequest, builds: QuerySet[Build]) -> None:
        for build in builds.order_by("id"):
            self._retry(request, build)

    @admin.action(description="Keep", permissions=["keep"])
    def keep_builds(self, request: HttpRequest, builds: QuerySet[Build]) -> None:
        for build in builds.order_by("id"):
            self._keep(request, build, True)

    @admin.action(description="Do not keep", permissions=["keep"])
    def do_not_keep_builds(self, request: HttpRequest, builds: QuerySet[Build]) -> None:
        for build in builds.order_by("id"):
            self._keep(request, build, False)

    def _keep(self, request: HttpRequest, build: Build, kept: bool) -> Build | None:
        said = "{}: its log is kept." if kept else "{}: its log is no longer kept."
        return self._carry_out(request, lambda: lifecycle.keep(build.pk, kept), said)

    def _cancel(self, request: HttpRequest, build: Build) -> Build | None:
        name = request.user.get_username()
        return self._carry_out(request, lambda: lifecycle.cancel(build.pk, by=name), "{}: cancel requested.")

    def _retry(self, request: HttpRequest, build: Build) -> Build | None:
        name = request.user.get_username()
        return self._carry_out(
            request, lambda: lifecycle.retry(build, by=name), f"{{}} started: a retry of build {build.pk}."
        )

    # -- Pages of its own

    def get_urls(self) -> list[URLPattern]:
        def own(view: Callable[..., HttpResponse], name: str) -> URLPattern:
            return path(f"<int:build_id>/{name}/", self.admin_site.admin_view(view), name=f"builds_build_{name}")

        return [
            own(require_POST(self.cancel_view), "cancel"),
            own(require_POST(self.retry_view), "retry"),
            own(require_POST(self.keep_view), "keep"),
            own(self.events_view, "events"),
            *super().get_urls(),
        ]

    def cancel_view(self, request: HttpRequest, build_id: int) -> HttpResponse:
        build = self._visible(request, build_id)
        if not may_cancel(request):
            raise PermissionDenied
        self._cancel(request, build)
        return HttpResponseRedirect(reverse("admin:builds_build_change", args=[build_id]))

    def retry_view(self, request: HttpRequest, build_id: int) -> HttpResponse:
        build = self._visible(request, build_id)
        if not may_start(request):
            raise PermissionDenied
        new = self._retry(request, build)
        return HttpResponseRedirect(reverse("admin:builds_build_change", args=[new.pk if new else build_id]))

    def keep_view(self, request: HttpRequest, build_id: int) -> HttpResponse:
        """`kept=0`: it is no longer kept; anything else: it is."""
        build = self._visible(request, build_id)
        if not may_keep(request):
            raise PermissionDenied
        self._keep(request, build, request.POST.get("kept") != "0")
        return HttpResponseRedirect(reverse("admin:builds_build_change", args=[build_id]))

    def events_view(self, request: HttpRequest, build_id: int) -> HttpResponse:
        """A page of the event log. `?after=N`: from N + 1 on; none: the newest. `?check=1`: look for gaps."""
        build = self._visible(request, build_id)
        context = {
            **self.admin_site.each_context(request),
            **log_page(build, request.GET.get("after", ""), check=request.GET.get("check") == "1"),
            "title": f"Event log of build {build.pk}",
            "opts": self.opts,
            "build": build,
        }
        return TemplateResponse(request, "admin/builds/build/events.html", context)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        verbs = {"may_start": may_start(request), "may_cancel": may_cancel(request), "may_keep": may_keep(request)}
        kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), **verbs}
        return super().change_view(request, object_id, *args, **kwargs)

    def _visible(self, request: HttpRequest, build_id: int) -> Build:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(self.get_queryset(request).select_related("project"), pk=build_id)
