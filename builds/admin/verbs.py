"""Start, cancel, retry and keep as the admin does them, the rights that they need, and what a user may see."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from .. import lifecycle
from ..models import Build, Project
from .paging import BoundedPaginator


def may_start(request: HttpRequest) -> bool:
    return request.user.has_perm("builds.start_build")


def may_cancel(request: HttpRequest) -> bool:
    return request.user.has_perm("builds.cancel_build")


def may_keep(request: HttpRequest) -> bool:
    return request.user.has_perm("builds.keep_build")


def build_link(build: Build) -> str:
    return format_html('<a href="{}">Build {}</a>', reverse("admin:builds_build_change", args=[build.pk]), build.pk)


class ReadOnly(admin.ModelAdmin):
    """Nobody adds, edits or deletes these by hand."""

    paginator = BoundedPaginator

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OfVisible(admin.ModelAdmin):
    """Rows of projects that the user may see; for a new one, only these can be chosen."""

    project_paths: tuple[str, ...] = ("project",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # Not `project__in`: SQLite would read every row of each project, and sort them.
        visible = Project.objects.visible_to(request.user)
        of_visible = (Exists(visible.filter(pk=OuterRef(path))) for path in self.project_paths)
        return super().get_queryset(request).filter(*of_visible)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.project_paths:
            kwargs["queryset"] = Project.objects.visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class Verbs:
    """Carries out a verb of `lifecycle` for a user of the admin: says what became of it, and leaves the audit row."""

    def _carry_out(self, request: HttpRequest, verb: Callable[[], Build], said: str) -> Build | None:
        """`said`: a sentence with {} for the build. None: it was refused, and the user has been told why."""
        try:
            build = verb()
        except lifecycle.Refused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return None
        self.log_change(request, build, said.format(f"Build {build.pk}"))
        self.message_user(request, format_html(said, build_link(build)), messages.SUCCESS)
        return build
