"""Schedules: looked at and changed; only their project's page shows the next times before one saves."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest

from .. import schedules
from ..models import Schedule
from .verbs import OfVisible


@admin.register(Schedule)
class ScheduleAdmin(OfVisible):
    list_display = ("name", "project", "when", "enabled", "next_at", "last_build")
    list_select_related = ("project", "last_build")
    list_filter = ("enabled", ("project", admin.RelatedOnlyFieldListFilter))
    search_fields = ("name", "project__name", "project__slug", "note")
    _SEEN = ("next_at", "last_at", "last_build", "note", "missed", "missed_at", "made_by", "made_at")
    fields = ("project", "name", "cron", "zone", "ref", "inputs", "enabled", *_SEEN)
    readonly_fields = _SEEN

    @admin.display(ordering="cron")
    def when(self, schedule: Schedule) -> str:
        return f"{schedule.cron} {schedule.zone}"

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        if not change:
            obj.made_by = request.user.get_username()
        try:
            schedules.save(obj)
        except Schedule.DoesNotExist:
            raise Http404 from None
