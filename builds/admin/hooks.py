"""Webhooks: their secrets are made here and shown once; what they have delivered is only looked at."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from .. import deliveries
from ..models import Delivery, Hook
from .verbs import OfVisible, ReadOnly


@admin.register(Hook)
class HookAdmin(OfVisible):
    list_display = ("project", "branches", "tags", "pull_requests", "forks", "supersede", "made_at")
    list_select_related = ("project",)
    search_fields = ("project__name", "project__slug")
    actions = ("make_secret",)
    fields = ("project", "made_at", "made_by", "branches", "tags", "pull_requests", "forks", "supersede")

    def get_fields(self, request: HttpRequest, obj: Hook | None = None) -> Any:
        return self.fields if obj else [name for name in self.fields if not name.startswith("made_")]

    def get_readonly_fields(self, request: HttpRequest, obj: Hook | None = None) -> Any:
        return ("project", "made_at", "made_by") if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "project":
            field.queryset = field.queryset.filter(hook=None)
        return field

    def save_model(self, request: HttpRequest, obj: Hook, form: Any, change: bool) -> None:
        if change:  # nothing else: a new secret may have been made since
            Hook.objects.filter(pk=obj.pk).update(**form.cleaned_data)
            return
        obj.shown_once, obj.secret = deliveries.new_secret()
        obj.made_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Hook, post_url_continue: str | None = None) -> HttpResponse:
        return self._shown_once(request, obj, obj.shown_once)

    @admin.action(description="Make a new secret", permissions=["change"])
    def make_secret(self, request: HttpRequest, hooks: QuerySet[Hook]) -> HttpResponse | None:
        found = list(hooks[:2])
        if len(found) != 1:
            self.message_user(
                request, "Choose one webhook: its secret is shown once, on a page of its own.", messages.ERROR
            )
            return None
        made = deliveries.make_secret(found[0].project, by=request.user.get_username())
        self.log_change(request, found[0], "A new secret was made.")
        return self._shown_once(request, found[0], made)

    def _shown_once(self, request: HttpRequest, hook: Hook, secret: str) -> HttpResponse:
        """The secret itself, on a page of its own: it is kept nowhere, neither in a message nor in a session."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Secret of the {hook}",
            "opts": self.opts,
            "token": secret,
            "hook": hook,
            "address": request.build_absolute_uri(reverse("hook", args=[hook.project.slug])),
        }
        answer = TemplateResponse(request, "admin/builds/hook/created.html", context)
        answer["Cache-Control"] = "no-store"
        return answer


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, OfVisible):
    list_display = ("received_at", "project", "outcome", "forge", "event", "ref", "build", "sender", "address")
    list_select_related = ("project", "build")
    list_filter = ("outcome", "forge", ("project", admin.RelatedOnlyFieldListFilter))
    search_fields = ("delivery", "ref", "commit", "sender", "why")
    show_full_result_count = False
