"""Secrets: their names and rules. A value goes in here, and never comes out."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from .. import safe
from ..models import Secret
from .credentials import WriteOnly
from .verbs import OfVisible


class SecretForm(forms.ModelForm):
    new_value = forms.CharField(
        required=False,
        strip=False,
        widget=WriteOnly(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Never shown again. Empty: it keeps the value that it has.",
    )

    class Meta:
        model = Secret
        fields = ("project", "name", "for_forks", "branches")
        help_texts = {
            "name": "Capital letters, digits and _.",
            "for_forks": "Also given to builds of pull requests from forks: to code that may be anybody's.",
            "branches": "Names or patterns such as main or release/*: given to builds of these alone. Empty: of any.",
        }

    def clean(self) -> dict[str, Any]:
        """By the rules of the safe."""
        given = super().clean() or self.cleaned_data
        project, name = given.get("project", self.instance.project_id and self.instance.project), given.get("name")
        name, value = name or self.instance.name, given.get("new_value") or None
        if project is not None and name:
            try:
                safe.check(project, name, value, given.get("branches", ""))
            except safe.BadSecret as refusal:
                raise forms.ValidationError(str(refusal)) from None
        return given


@admin.register(Secret)
class SecretAdmin(OfVisible):
    """For those who may change projects, of the projects that they may see."""

    form = SecretForm
    list_display = ("name", "project", "for_forks", "branches", "updated_at", "updated_by")
    list_select_related = ("project",)
    list_filter = ("for_forks", ("project", admin.RelatedOnlyFieldListFilter))
    search_fields = ("name", "project__name", "project__slug")
    fields = ("project", "name", "new_value", "branches", "for_forks")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Secret]:
        return super().get_queryset(request).defer("value")

    def get_readonly_fields(self, request: HttpRequest, obj: Secret | None = None) -> tuple[str, ...]:
        return ("project", "name") if obj else ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("builds.change_project")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("builds.change_project")

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission

    @method_decorator(sensitive_post_parameters("new_value"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Secret, form: Any, change: bool) -> None:
        safe.put(
            obj.project,
            obj.name,
            form.cleaned_data["new_value"] or None,
            by=request.user.get_username(),
            for_forks=obj.for_forks,
            branches=obj.branches,
        )
        obj.pk = Secret.objects.get(project=obj.project, name=obj.name).pk
