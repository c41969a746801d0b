"""Schedules: looked at and changed; only their project's page shows the next times before one saves."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from .. import schedules
from ..models import Project, Schedule


@admin.register(Schedule)
class ScheduleAdmin(admin.ModelAdmin):
    list_display = ("name", "project", "cron", "zone", "enabled", "next_at", "last_build", "missed")
    list_select_related = ("project", "last_build")
    list_filter = ("enabled", ("project", admin.RelatedOnlyFieldListFilter))
    search_fields = ("name", "project__name", "project__slug", "note")
    _SEEN = ("next_at", "last_at", "last_build", "note", "missed", "missed_at", "made_by", "made_at")
    fields = ("project", "name", "cron", "zone", "ref", "inputs", "enabled", *_SEEN)
    readonly_fields = _SEEN

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        return super().get_queryset(request).filter(project__in=Project.objects.visible_to(request.user).values("pk"))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "project":
            kwargs["queryset"] = Project.objects.visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        if not change:
            obj.made_by = request.user.get_username()
        schedules.save(obj)
