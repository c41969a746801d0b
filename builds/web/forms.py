"""What people fill in."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from .. import lifecycle, recipe, safe
from ..inputs import Input, InputError, Missing, Value, text
from ..models import Project


def inputs_of(project: Project) -> Sequence[Input]:
    """Of the recipe that its next build is likely to have; none where that is not valid, which starting says."""
    try:
        return recipe.parse(project.known_recipe).inputs
    except recipe.RecipeError:
        return ()


def new_request_key() -> str:
    """A one-time key: a second click with it is the same build."""
    return secrets.token_urlsafe(18)


class RetryForm(forms.Form):
    request_key = forms.CharField(max_length=50, required=False, widget=forms.HiddenInput, initial=new_request_key)

    def key(self) -> str | None:
        """Never one that the board makes itself, for a schedule or a delivery: that would start nothing then."""
        key = self.cleaned_data["request_key"]
        return f"form:{key}" if key else None


class StartForm(RetryForm):
    ref = forms.CharField(
        label="Branch, tag or commit",
        max_length=200,
        required=False,
        error_messages={"max_length": "Expected a branch, tag or commit of up to 200 characters."},
    )

    def __init__(self, *args: Any, project: Project | None = None, inputs: Sequence[Input] = (), **kwargs: Any) -> None:
        """`project`: whose rules for a ref are asked; `inputs`: those of its recipe; each becomes a field."""
        super().__init__(*args, **kwargs)
        self._project = project
        self._inputs = {f"input-{one.name}": one for one in inputs}
        self.fields.update({key: input_field(one) for key, one in self._inputs.items()})

    def clean_ref(self) -> str:
        """What is wrong with it is said with all else that is wrong, at its field."""
        ref = str(self.cleaned_data["ref"])
        try:
            lifecycle.check_name(self._project or Project(), ref)
        except lifecycle.Refused as refused:
            said = str(refused).removeprefix("ref: ")
            raise forms.ValidationError(f"{said[0].upper()}{said[1:]}") from refused
        return ref

    @property
    def parameters(self) -> list[forms.BoundField]:
        """The fields of the inputs, in the recipe's order."""
        return [self[key] for key in self._inputs]

    def values(self) -> dict[str, Any]:
        """What was given, by the inputs' names."""
        return {one.name: self.cleaned_data[key] for key, one in self._inputs.items()}


class InputField(forms.Field):
    """One input of a recipe; its value is checked by the recipe's own rules."""

    def __init__(self, own: Input, **kwargs: Any) -> None:
        self._own = own
        super().__init__(label=own.name, help_text=own.help, required=False, **kwargs)

    def clean(self, given: Any) -> Value:
        try:
            return self._own.taken(given)
        except Missing as error:
            raise forms.ValidationError("A value is needed.") from error
        except InputError as error:
            said = str(error).split(": ", 1)[1]
            raise forms.ValidationError(f"{said[0].upper()}{said[1:]}.") from error


def input_field(own: Input) -> InputField:
    initial = own.default if own.type == "boolean" or own.default is None else text(own.default)
    field = InputField(own, widget=_widget(own), initial=initial)
    if isinstance(field.widget, forms.Select):
        blank = [] if own.default is not None else [("", "choose …")]
        field.widget.choices = [*blank, *((one, one) for one in own.choices)]
    return field


def _widget(own: Input) -> forms.Widget:
    if own.type == "boolean":
        return forms.CheckboxInput()
    if own.type == "choice":
        return forms.Select()
    if own.type == "number":
        return forms.TextInput(attrs={"inputmode": "decimal"})
    lines = str(own.default or "").count("\n") + 1  # a field of one line would lose the line feeds
    return forms.Textarea(attrs={"rows": min(lines + 1, 8)}) if lines > 1 else forms.TextInput()


class WriteOnly(forms.Textarea):
    """What was typed is not sent back, not even with a form that was refused."""

    def format_value(self, value: Any) -> None:
        return None


class SecretForm(forms.Form):
    """The value is never shown again, also where the form was refused."""

    name = forms.CharField(
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
        help_text="Capital letters, digits and _. A step that names it finds it in a variable of its environment.",
        error_messages={"required": "Expected a name, such as DEPLOY_TOKEN."},
    )
    value = forms.CharField(
        required=False,
        strip=False,
        widget=WriteOnly(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )
    branches = forms.CharField(
        required=False,
        label="Only for branches",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "any"}),
        help_text="Names or patterns, such as main, release/*. Builds of pull requests are then given nothing.",
    )
    for_forks = forms.BooleanField(
        required=False,
        label="Also for pull requests from forks",
        help_text="Their code may be anybody's, and may send the value anywhere.",
    )

    def __init__(self, *args: Any, replacing: bool = False, **kwargs: Any) -> None:
        """`replacing`: there is one of that name, which keeps its value where none is given."""
        super().__init__(*args, **kwargs)
        self.replacing = replacing
        self.fields["value"].help_text = (
            "Empty: it keeps the value that it has."
            if replacing
            else "May have several lines. It is sealed at once and never shown again, not even to you."
        )

    def clean_name(self) -> str:
        return self._kept(safe.check_name, self.cleaned_data["name"]) or self.cleaned_data["name"]

    def clean_value(self) -> str:
        value = self.cleaned_data["value"]
        if not value and not self.replacing:
            raise forms.ValidationError("Expected a value.")
        return self._kept(safe.checked, value) if value else ""

    def clean_branches(self) -> str:
        return ", ".join(self._kept(safe.globs, self.cleaned_data["branches"]))

    def _kept(self, rule: Callable[[str], Any], given: str) -> Any:
        try:
            return rule(given)
        except safe.BadSecret as refusal:
            raise forms.ValidationError(str(refusal)) from None


class LoginForm(AuthenticationForm):
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "Name and password do not match. Nothing was changed.",
        "inactive": "This account is switched off. An administrator can switch it on.",
    }
