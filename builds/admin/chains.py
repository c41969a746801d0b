"""One project after another: made here as well, and circles are refused."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from .. import chains
from ..models import After, Project


class AfterForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        super().clean()
        found = self.cleaned_data
        if found.get("project") and found.get("upstream"):
            asked = After(pk=self.instance.pk, project=found["project"], upstream=found["upstream"])
            try:
                chains.check(asked)
            except chains.Circle as error:
                self.add_error("upstream", str(error))
        return found


@admin.register(After)
class AfterAdmin(admin.ModelAdmin):
    form = AfterForm
    list_display = ("project", "upstream", "branches", "same_ref", "note")
    list_select_related = ("project", "upstream")
    search_fields = ("project__name", "project__slug", "upstream__name", "upstream__slug")
    fields = ("project", "upstream", "branches", "same_ref", "note", "made_by", "made_at")
    readonly_fields = ("note", "made_by", "made_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[After]:
        seen = Project.objects.visible_to(request.user).values("pk")
        return super().get_queryset(request).filter(project__in=seen, upstream__in=seen)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = Project.objects.visible_to(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: After, form: Any, change: bool) -> None:
        if not change:
            obj.made_by = request.user.get_username()
        chains.save(obj)
