"""What people fill in."""

import secrets

from django import forms
from django.contrib.auth.forms import AuthenticationForm


def new_request_key() -> str:
    """A one-time key: a second click with it is the same build."""
    return secrets.token_urlsafe(18)


class RetryForm(forms.Form):
    request_key = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput, initial=new_request_key)

    def key(self) -> str | None:
        return self.cleaned_data["request_key"] or None


class StartForm(RetryForm):
    ref = forms.CharField(
        label="Branch, tag or commit",
        max_length=200,
        required=False,
        help_text="Optional.",
        error_messages={"max_length": "Expected a branch, tag or commit of up to 200 characters."},
    )


class LoginForm(AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "Name and password do not match. Nothing was changed.",
        "inactive": "This account is switched off. An administrator can switch it on.",
    }
