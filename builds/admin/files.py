"""Artifacts and caches: only looked at. A cache is deleted on its project's page, an artifact with its build's log."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from ..models import Artifact, Build, Cache
from ..models.artifact import STATES, STORED
from ..retention import size
from .builds import ProjectFilter
from .verbs import OfVisible, ReadOnly, build_link

_SHOWN = 36
"""Characters of a path or a key in a list: so that its other columns fit beside it."""


class StateFilter(admin.SimpleListFilter):
    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state) for state in STATES]

    def queryset(self, request: HttpRequest, rows: QuerySet) -> QuerySet:
        return rows.filter(state=self.value()) if self.value() else rows


class OfBuildsFilter(ProjectFilter):
    def queryset(self, request: HttpRequest, rows: QuerySet) -> QuerySet:
        return rows.filter(build__project__slug=self.value()) if self.value() else rows


class Files(ReadOnly, OfVisible):
    list_per_page = 50
    show_full_result_count = False
    ordering = ("-id",)

    def short(self, text: str) -> str:
        return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"

    @admin.display(description="size", ordering="size")
    def room(self, row: Artifact | Cache) -> str:
        return size(row.size)


@admin.register(Artifact)
class ArtifactAdmin(Files):
    list_display = ("short_path", "of_build", "project", "room", "created_at")
    list_filter = (StateFilter, OfBuildsFilter, "created_at")
    list_select_related = ("build__project",)
    search_fields = ("path", "sha256", "build__project__slug", "build__project__name")
    search_help_text = "Path, SHA-256, number of the build, project"
    fields = (
        "path", "of_build", "project", "step", "room", "content_type", "sha256", "state", "name", "created_at", "file",
    )  # fmt: skip
    readonly_fields = ("of_build", "project", "room", "file")
    project_paths = ("build__project",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Artifact]:
        return super().get_queryset(request).defer("build__recipe", "build__project__recipe")

    def get_search_results(
        self, request: HttpRequest, rows: QuerySet[Artifact], search_term: str
    ) -> tuple[QuerySet[Artifact], bool]:
        found, may_repeat = super().get_search_results(request, rows, search_term)
        number = search_term.strip().removeprefix("#")
        if number.isascii() and number.isdigit() and len(number) < 19:
            found |= rows.filter(build=int(number))
        return found, may_repeat

    @admin.display(description="path", ordering="path")
    def short_path(self, row: Artifact) -> str:
        return self.short(row.path)

    @admin.display(description="build", ordering="build")
    def of_build(self, row: Artifact) -> str:
        return build_link(row.build)

    @admin.display(description="project")
    def project(self, row: Artifact) -> str:
        return row.build.project.name

    @admin.display(description="file")
    def file(self, row: Artifact) -> str:
        if row.state != STORED:
            return "–"
        return format_html('<a href="{}">Download</a>', reverse("artifact", args=[row.build_id, row.path]))


@admin.register(Cache)
class CacheAdmin(Files):
    list_display = ("short_key", "project", "room", "used_at")
    list_filter = (StateFilter, ProjectFilter, "used_at")
    list_select_related = ("project",)
    search_fields = ("key", "sha256", "project__slug", "project__name")
    fields = (
        "key", "project", "scope", "of_build", "room", "sha256", "state", "name", "created_at", "used_at", "page",
    )  # fmt: skip
    readonly_fields = ("of_build", "room", "page")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cache]:
        return super().get_queryset(request).defer("project__recipe", "project__found_recipe")

    @admin.display(description="key", ordering="key")
    def short_key(self, row: Cache) -> str:
        return self.short(row.key)

    @admin.display(description="made by")
    def of_build(self, row: Cache) -> str:
        made = Build.objects.filter(pk=row.build, project=row.project_id).only("pk").first()
        return build_link(made) if made else f"build {row.build}, which is deleted"

    @admin.display(description="deleted on")
    def page(self, row: Cache) -> str:
        return format_html('<a href="{}">its project’s page</a>', reverse("caches", args=[row.project.slug]))
