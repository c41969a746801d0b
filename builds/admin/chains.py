"""One project after another: made here as well, and circles are refused."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from .. import chains
from ..models import After
from .verbs import OfVisible


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
class AfterAdmin(OfVisible):
    form = AfterForm
    list_display = ("project", "upstream", "branches", "same_ref", "note")
    list_select_related = ("project", "upstream")
    search_fields = ("project__name", "project__slug", "upstream__name", "upstream__slug")
    fields = ("project", "upstream", "branches", "same_ref", "note", "made_by", "made_at")
    readonly_fields = ("note", "made_by", "made_at")
    project_paths = ("project", "upstream")

    def save_model(self, request: HttpRequest, obj: After, form: Any, change: bool) -> None:
        if not change:
            obj.made_by = request.user.get_username()
        chains.save(obj)
