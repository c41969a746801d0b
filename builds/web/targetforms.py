"""The form of a target: the fields that its kind needs, and no others."""

from typing import Any

from django import forms

from .. import hooks
from ..models import Target
from ..outbox import targets
from .news import NEWS

_USUAL = ["failed", "lost", "fixed"]
_SHOWN = {
    "github": ("place", "address", "label"),
    "gitlab": ("place", "address", "label"),
    "gitea": ("place", "address", "label"),
    "webhook": ("address",),
    "mail": ("address",),
    "slack": (),
    "matrix": ("address", "place"),
}
_LABELS = {
    "address": {
        "webhook": ("URL", "A POST goes there for each message."),
        "mail": ("Recipients", "Addresses, separated by commas."),
        "matrix": ("Homeserver", "Such as https://matrix.example.org."),
        "": ("Address of the API", "Only of a server whose API is not where the project's repository says."),
    },
    "place": {
        "matrix": ("Room", "Its id, such as !abc:example.org. The token's user has to be in it."),
        "": ("Repository", "Owner and name. Empty: as the project's repository says."),
    },
    "secret": {
        "github": ("Token", "A fine-grained token with “Commit statuses: write”, or one with the scope repo:status."),
        "gitlab": ("Token", "A project access token with the scope api and the role Developer."),
        "gitea": ("Token", "With the scope write:repository."),
        "webhook": ("Signing secret", "Give it to the receiver now, which checks signatures by it."),
        "slack": ("Webhook URL", "Of an incoming webhook: https://hooks.slack.com/services/…"),
        "matrix": ("Access token", "Of the user that writes the messages."),
    },
}
_STAYS = "Empty: the one that is there stays. It is not shown again."


class WriteOnly(forms.TextInput):
    """What was typed is not sent back, not even with a form that was refused; `shown`: one that was made here is."""

    def __init__(self, shown: str = "") -> None:
        super().__init__({"autocomplete": "off", "spellcheck": "false", "class": "mono"})
        self._shown = shown

    def format_value(self, value: Any) -> str | None:
        return self._shown or None


class TargetForm(forms.ModelForm):
    secret = forms.CharField(required=False, max_length=targets.MOST_SECRET)
    tells = forms.MultipleChoiceField(
        label="Told of builds that are",
        choices=[(word, NEWS[word][0]) for word in NEWS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Target
        fields = ("name", "address", "place", "label", "branches", "pull_requests", "enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self.instance.kind
        new = self.instance.pk is None
        for name in ("address", "place", "label"):
            if name not in _SHOWN[kind]:
                del self.fields[name]
            elif name in _LABELS:
                label, help_text = _LABELS[name].get(kind) or _LABELS[name][""]
                self.fields[name].label, self.fields[name].help_text = label, help_text
        if "label" in self.fields:
            self.fields["label"].label = "Shown as"
        if self.instance.is_forge:
            del self.fields["tells"], self.fields["pull_requests"]
        else:
            self.initial["tells"] = _USUAL if new else self.instance.tells.split()
            self.fields["pull_requests"].label = "Builds of pull requests, too"
        if targets.needs_secret(kind):
            self._secret(kind, new)
        else:
            del self.fields["secret"]
        self.fields["name"].required = False
        self.fields["name"].widget.attrs["placeholder"] = targets.NAMES[kind]
        self.fields["branches"].widget.attrs["placeholder"] = "any"
        self.fields["branches"].help_text = "Names or patterns, such as main, release/*; !wip/* leaves out."
        self.fields["enabled"].label = "Messages are sent"
        if "label" in self.fields:
            self.fields["label"].widget.attrs["placeholder"] = f"buildboard/{self.instance.project.slug}"

    @property
    def words(self) -> list[tuple[Any, str]]:
        """The checkboxes of what it is told, each with what that means; of a forge there are none."""
        if "tells" not in self.fields:
            return []
        return [(box, NEWS[word][1]) for word, box in zip(NEWS, self["tells"], strict=True)]

    @property
    def plain(self) -> list[forms.BoundField]:
        """What identifies it and where it is."""
        forge = ("name", "secret", "place", "address", "label")
        order = forge if self.instance.is_forge else ("name", "address", "place", "secret")
        return [self[name] for name in order if name in self.fields]

    @property
    def rules(self) -> list[forms.BoundField]:
        """Which builds it is told of."""
        return [self[name] for name in ("branches", "pull_requests", "enabled") if name in self.fields]

    def store(self) -> bool:
        """False: another was faster, which is said."""
        try:
            targets.save(self.instance, self.cleaned_data.get("secret") or None)
        except targets.BadTarget as error:
            self.add_error(None, " ".join(error.wrong.values()))
            return False
        return True

    def _post_clean(self) -> None:
        """By the rules that programs have as well; what is wrong is said at its field."""
        given = self.cleaned_data
        if self.errors:
            return
        for name in self._meta.fields:
            if name in given:
                setattr(self.instance, name, given[name])
        self.instance.tells = " ".join(given.get("tells", []))
        try:
            targets.check(self.instance, given.get("secret") or None)
        except targets.BadTarget as error:
            for name, text in error.wrong.items():
                self.add_error(name if name in self.fields else None, text)

    def _secret(self, kind: str, new: bool) -> None:
        label, help_text = _LABELS["secret"][kind]
        field = self.fields["secret"]
        field.label = label
        made = hooks.new_secret() if kind == "webhook" and new else ""
        if made and self.is_bound:
            made = str(self.data.get("secret", ""))  # as it was given to the receiver already
        field.widget = WriteOnly(made)
        field.help_text = f"{help_text} It is not shown again." if new else _STAYS
