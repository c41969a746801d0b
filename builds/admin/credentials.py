"""Credentials of repositories: given or made here, and never shown again. Of a deploy key the public half is."""

import base64
import binascii
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from django import forms
from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest

from ..models import DEPLOY_KEY, TOKEN, Credential, Project

MAX_SECRET = 20_000


class WriteOnly(forms.Textarea):
    """What was typed is not sent back, not even with a form that was refused."""

    def format_value(self, value: Any) -> None:
        return None


class CredentialForm(forms.ModelForm):
    secret = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_SECRET,
        widget=WriteOnly(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text="The token or password, or the private key without a passphrase. Stored sealed, never shown again. "
        "Empty: the one that is there stays; for a new deploy key, a key is made here.",
    )

    class Meta:
        model = Credential
        fields = ("name", "kind", "scope", "username", "secret", "known_hosts")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        secret, kind = given.get("secret", "").replace("\r\n", "\n"), given.get("kind")
        stays = bool(self.instance.sealed) and kind == self.initial.get("kind")
        if "secret" in self.errors or kind is None:
            return given
        if not secret.strip() and stays:
            if kind == TOKEN and "scope" in self.changed_data:
                # Else whoever may edit it could have it sent to a server of their own.
                self.add_error("secret", "It was given for other addresses: expected it once more for these.")
        elif kind == TOKEN:
            self._token(secret)
        else:
            self._key(secret)
        return given

    def clean_known_hosts(self) -> str:
        text = self.cleaned_data["known_hosts"].replace("\r\n", "\n").strip()
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip() and not line.startswith("#") and not _is_host_key(line):
                raise forms.ValidationError(
                    f"Line {number} is no host key; expected lines such as: git.example ssh-ed25519 AAAA…"
                )
        return f"{text}\n" if text else ""

    def _token(self, secret: str) -> None:
        secret = secret.strip()
        if not secret:
            self.add_error("secret", "Expected a token or a password.")
        elif not secret.isprintable():
            self.add_error("secret", "Expected a token or a password: printable characters on one line.")
        else:
            self.instance.keep(secret)
            self.instance.public_key = ""

    def _key(self, secret: str) -> None:
        if not secret.strip():
            made = Ed25519PrivateKey.generate()
            secret = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        secret = secret.strip() + "\n"
        try:
            public = _public_half(secret)
        except TypeError:
            self.add_error("secret", "This key has a passphrase, which nobody could type: expected one without.")
        except (ValueError, UnsupportedAlgorithm):
            self.add_error(
                "secret", "This is no private key that can be read: expected a whole file as ssh-keygen makes it."
            )
        else:
            self.instance.keep(secret)
            self.instance.public_key = public


@admin.register(Credential)
class CredentialAdmin(admin.ModelAdmin):
    form = CredentialForm
    list_display = ("name", "kind", "scope", "used_by", "created_at")
    list_filter = ("kind",)
    search_fields = ("name", "scope")
    readonly_fields = ("public_key", "used_by", "created_at")

    def get_fieldsets(self, request: HttpRequest, obj: Credential | None = None) -> Any:
        fields = ["name", "kind", "scope", "username", "secret", "known_hosts"]
        if obj is not None:
            fields += ["public_key"] if obj.kind == DEPLOY_KEY else []
            fields += ["used_by", "created_at"]
        return [(None, {"fields": fields})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        seen = Project.objects.visible_to(request.user).only("slug").order_by("slug")
        return super().get_queryset(request).prefetch_related(Prefetch("projects", seen, to_attr="seen"))

    @admin.display(description="used by")
    def used_by(self, credential: Any) -> str:
        """Those that the user may see."""
        return ", ".join(project.slug for project in credential.seen) or "–"


def _public_half(secret: str) -> str:
    """As a server wants it, in one line. `TypeError`: it has a passphrase; `ValueError`: it is no key."""
    data = secret.encode()
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    key = load(data, None)
    return f"{key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} buildboard"


def _is_host_key(line: str) -> bool:
    parts = line.split()
    parts = parts[1:] if parts[0].startswith("@") else parts
    if len(parts) < 3:
        return False
    try:
        return base64.b64decode(parts[2], validate=True)[4:].startswith(parts[1].encode())
    except (binascii.Error, ValueError):
        return False
