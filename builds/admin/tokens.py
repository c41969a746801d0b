"""API tokens: made here, shown once, revoked here."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from .. import access
from ..models import ALL_SCOPES, ApiToken

_MEANINGS = {
    "read": "read",
    "start": "start and retry builds",
    "cancel": "cancel builds",
    "keep": "keep logs",
    "secrets": "write secrets",
    "targets": "change who is told",
    "projects": "make, change and delete projects and their caches",
}


class NewToken(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=[(scope, _MEANINGS[scope]) for scope in ALL_SCOPES],
        initial=list(ALL_SCOPES),
        widget=forms.CheckboxSelectMultiple,
        help_text="What it is good for, as far as its user may do that.",
    )
    days = forms.IntegerField(
        min_value=1, max_value=36_500, required=False, help_text="Until it expires. Empty: it never does."
    )

    class Meta:
        model = ApiToken
        fields = ("user", "name")


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Who is no superuser sees and makes tokens of their own alone: a token acts with its user's rights."""

    list_display = ("__str__", "user", "scopes", "created_at", "expires_at", "last_used_at", "good")
    list_select_related = ("user",)
    list_filter = (("user", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("name", "user__username")
    fields = ("user", "name", "scopes", "created_at", "expires_at", "last_used_at", "good")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        tokens = super().get_queryset(request)
        return tokens if request.user.is_superuser else tokens.filter(user=request.user)

    @admin.display(boolean=True)
    def good(self, token: ApiToken) -> bool:
        """Neither expired nor of a deactivated user."""
        return token.user.is_active and (token.expires_at is None or token.expires_at > timezone.now())

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        return [(None, {"fields": self.fields if obj else ("user", "name", "scopes", "days")})]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        return self.fields if obj else ()

    def get_form(self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({} if obj else {"form": NewToken}), **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            active = User.objects.filter(is_active=True)
            kwargs["queryset"] = active if request.user.is_superuser else active.filter(pk=request.user.pk)
            kwargs["initial"] = request.user
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        if "delete_selected" in actions:
            function, name, _ = actions["delete_selected"]
            actions["delete_selected"] = (function, name, "Revoke the selected tokens")
        return actions

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        given = form.cleaned_data
        obj.shown_once = access.new_token(obj.user, obj.name, scopes=tuple(given["scopes"]), days=given["days"])
        obj.pk = ApiToken.objects.get(digest=access.digest(obj.shown_once)).pk

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """The token itself, on a page of its own: it is kept nowhere, neither in a message nor in a session."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"API token of {obj.user}",
            "opts": self.opts,
            "token": obj.shown_once,
        }
        answer = TemplateResponse(request, "admin/builds/apitoken/created.html", context)
        answer["Cache-Control"] = "no-store"
        return answer
