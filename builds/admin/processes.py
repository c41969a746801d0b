"""Workers and the board's own row: only looked at."""

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from ..models import Board, Build, Worker
from ..states import Status
from .verbs import ReadOnly


@admin.register(Worker)
class WorkerAdmin(ReadOnly):
    list_display = ("name", "running_build", "labels", "seen_at", "draining", "note")
    list_filter = ("draining",)
    search_fields = ("name", "labels")
    fields = ("name", "running_build", "labels", "note", "seen_at", "started_at", "draining", "renewal")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        running = Build.objects.visible_to(request.user).filter(status=Status.RUNNING, worker=OuterRef("name"))
        return super().get_queryset(request).annotate(build_id=Subquery(running.values("pk")[:1]))

    @admin.display(description="runs")
    def running_build(self, worker: Worker) -> str:
        number = worker.build_id  # annotated above
        if number is None:
            return "–"
        url = reverse("admin:builds_build_change", args=[number])
        return format_html('<a href="{}">build {}</a>', url, number)


@admin.register(Board)
class BoardAdmin(ReadOnly):
    list_display = fields = ("world", "revision", "horizon")
