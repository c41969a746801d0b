"""Who outside is told, and the messages to them: only looked at, and tried again. Targets are changed on their
project's page, which knows what each kind needs."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from .. import outbox
from ..models import Outgoing, Target
from .verbs import OfVisible, ReadOnly


@admin.register(Target)
class TargetAdmin(ReadOnly, OfVisible):
    list_display = ("name", "kind", "project", "enabled", "tells", "branches")
    list_filter = ("kind", "enabled")
    list_select_related = ("project",)
    search_fields = ("name", "project__slug", "project__name")
    fields = ("name", "kind", "project", "enabled", "address", "place", "label", "tells", "branches", "pull_requests")
    readonly_fields = ("page",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.fields, "page")

    @admin.display(description="changed on")
    def page(self, target: Target) -> str:
        return format_html('<a href="{}">its page</a>', reverse("target", args=[target.project.slug, target.pk]))


@admin.register(Outgoing)
class OutgoingAdmin(ReadOnly, OfVisible):
    list_display = ("said", "target", "state", "attempts", "answer", "created_at")
    list_filter = ("state", "target__kind")
    list_select_related = ("target", "target__project")
    search_fields = ("key", "target__name", "target__project__slug")
    fields = (
        "key", "target", "build", "what", "state", "attempts", "next_at", "code", "answer", "created_at", "done_at",
        "payload",
    )  # fmt: skip
    actions = ("try_again",)
    project_paths = ("target__project",)
    show_full_result_count = False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("builds.change_project")

    @admin.display(description="message", ordering="build")
    def said(self, row: Outgoing) -> str:
        """What it tells of: its key is as long as the rest of the row, and stands on its own page."""
        return f"build {row.build_id} {row.what}" if row.build_id else row.what

    @admin.action(description="Try again", permissions=["retry"])
    def try_again(self, request: HttpRequest, rows: QuerySet[Outgoing]) -> None:
        tried = 0
        for row in rows:
            if outbox.retry(row.pk):
                tried += 1
                self.log_change(request, row, "Tried again.")
        level = messages.SUCCESS if tried else messages.WARNING
        self.message_user(
            request, f"{tried} of {len(rows)} are tried again; others were sent, or are on their way.", level
        )
