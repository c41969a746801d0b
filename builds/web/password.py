"""Changing one's own password."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.password_validation import password_validators_help_texts
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control

_TEMPLATE = "registration/password.html"


class PasswordForm(PasswordChangeForm):  # type: ignore[type-arg]
    error_messages = {
        **PasswordChangeForm.error_messages,
        "password_incorrect": "This is not your password now. Nothing was changed.",
        "password_mismatch": "The two are not the same. Nothing was changed.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = {"old_password": "Password now", "new_password1": "New password", "new_password2": "The same again"}
        for name, label in names.items():
            self.fields[name].label = label
            self.fields[name].help_text = ""  # the rules are told once, for all three
            self.fields[name].error_messages["required"] = "This is needed."

    def validate_password_for_user(self, user: Any, password_field_name: str = "") -> None:
        """What is wrong with the new one is said where it is typed first."""
        super().validate_password_for_user(user, "new_password1")
        new = self.cleaned_data.get("new_password1")
        if new and new == self.cleaned_data.get("old_password"):  # which is there where it is right
            self.add_error("new_password1", "This is your password now: expected another one. Nothing was changed.")


@method_decorator(cache_control(no_store=True, private=True), name="dispatch")
class Password(PasswordChangeView):
    """One's own password. It ends all other sessions of the user, and none of their API tokens.

    Who signs in by something outside of the board has none here: they are told so, and a form of theirs is refused.
    """

    form_class = PasswordForm
    template_name = _TEMPLATE
    success_url = reverse_lazy("board")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not request.user.has_usable_password():
            return render(request, _TEMPLATE, status=403 if request.method == "POST" else 200)
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(rules=password_validators_help_texts(), **kwargs)

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        answer = super().form_valid(form)
        messages.success(
            self.request, "Your password is another one now. Wherever else you were signed in, you are not."
        )
        return answer
