"""Projects: edited here, started from here."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, ProtectedError, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from .. import lifecycle
from ..models import Build, Project
from .verbs import Verbs, may_start

EXAMPLE = """\
# A recipe to begin with: its builds pass as it is. Each step is a script; the first that fails ends the build.
env: {GREETING: hello}       # variables of every step
timeout: 30m                 # of the whole build
steps:
  - name: greet
    run: echo "$GREETING"
  - name: count
    shell: bash              # without it: sh
    timeout: 1m              # of this step
    run: |
      for i in {1..5}; do
        echo "$i of 5"
        sleep 1
      done
"""
"""A new project's recipe, to be changed: it has each key once, and its builds pass."""
RECIPE_HELP = (
    "YAML. Steps run in order, each with a name, run (a script), and if need be shell (sh or bash), env and timeout; "
    "env and timeout beside steps are for all of them. "
    "inputs beside steps are asked for when a build is started: each with a type, a default, choices or help. "
    "In a project with a repository it is for commits that have no recipe of their own, and may be empty."
)

LIMIT_EXPECTED = (
    "Expected how many of its builds may run at a time: a whole number from 1 on, or nothing, where as many may run as "
    "there are workers. A project that is to start no builds is one that is not enabled."
)


@admin.register(Project)
class ProjectAdmin(Verbs, admin.ModelAdmin):
    list_display = ("name", "slug", "last_build", "enabled", "repository")
    list_filter = ("enabled",)
    search_fields = ("name", "slug", "description", "repository")
    prepopulated_fields = {"slug": ("name",)}
    filter_horizontal = ("groups",)
    actions = ("start_build",)
    fieldsets = (
        (None, {"fields": ("name", "slug", "description", "enabled")}),
        (
            "Where its source is",
            {"fields": ("repository", "credential", "branch", "recipe_path", ("submodules", "lfs"), "depth")},
        ),
        ("What a build does", {"fields": ("recipe",)}),
        ("Running", {"fields": ("runs_on", "max_running", "auto_retries", "network")}),
        ("Who sees it", {"fields": ("groups",)}),
        ("How long its logs are kept", {"fields": (("keep_days", "keep_builds"),)}),
    )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"recipe": EXAMPLE, **super().get_changeform_initial_data(request)}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "recipe":
            kwargs["help_text"] = RECIPE_HELP
        if db_field.name == "max_running":
            kwargs |= {"min_value": 1, "error_messages": dict.fromkeys(("invalid", "min_value"), LIMIT_EXPECTED)}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        newest = Build.objects.filter(project=OuterRef("pk")).order_by("-id")
        visible = Project.objects.visible_to(request.user).values("pk")
        return (
            super()
            .get_queryset(request)
            .filter(pk__in=visible)
            .annotate(last_id=Subquery(newest.values("pk")[:1]), last_status=Subquery(newest.values("status")[:1]))
        )

    @admin.display(description="last build")
    def last_build(self, project: Any) -> str:
        if project.last_id is None:
            return "–"
        url = reverse("admin:builds_build_change", args=[project.last_id])
        return format_html('{} (<a href="{}">build {}</a>)', project.last_status, url, project.last_id)

    def has_start_permission(self, request: HttpRequest) -> bool:
        return may_start(request)

    def has_delete_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        """A project with builds stays: they would go with it, for ever. Disable it instead."""
        return super().has_delete_permission(request, obj) and not (obj and obj.builds.exists())

    def delete_model(self, request: HttpRequest, obj: Project) -> None:
        """`ProtectedError`: somebody has just started a build of it. From here on nobody can."""
        Project.objects.select_for_update().filter(pk=obj.pk).first()
        super().delete_model(request, obj)

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, *args, **kwargs)
        except ProtectedError:
            said = "Somebody has just started a build of it, which would be deleted with it; disable it instead."
            self.message_user(request, said, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:builds_project_change", args=[object_id]))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description="Start a build", permissions=["start"])
    def start_build(self, request: HttpRequest, projects: QuerySet[Project]) -> None:
        for project in projects:
            self._start(request, project)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.start_view))
        return [path("<int:project_id>/start/", view, name="builds_project_start"), *super().get_urls()]

    def start_view(self, request: HttpRequest, project_id: int) -> HttpResponse:
        project = get_object_or_404(self.get_queryset(request), pk=project_id)
        if not (may_start(request) and self.has_view_or_change_permission(request, project)):
            raise PermissionDenied
        build = self._start(request, project)
        if build is None or not request.user.has_perm("builds.view_build"):
            return HttpResponseRedirect(reverse("admin:builds_project_change", args=[project.pk]))
        return HttpResponseRedirect(reverse("admin:builds_build_change", args=[build.pk]))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), "may_start": may_start(request)}
        return super().change_view(request, object_id, *args, **kwargs)

    def _start(self, request: HttpRequest, project: Project) -> Build | None:
        name = request.user.get_username()
        return self._carry_out(request, lambda: lifecycle.enqueue(project, by=name), f"{{}} of {project.slug} started.")
