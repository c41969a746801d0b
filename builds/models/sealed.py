"""A column for secrets: what is stored in it is sealed (`vault.py`), and nothing else gets in."""

from typing import Any

from django.db import models

from .. import vault


class SealedField(models.TextField):
    """The attribute is the sealed text, as `vault.seal` gives it and `vault.unseal` opens it; empty: there is none.

    It is in no form, and a text that is not sealed is refused on its way to the database. `rotation.py` finds every
    such column by itself, and seals what is in it anew when the board gets a new key.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        kwargs["blank"] = True
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["editable"], kwargs["blank"]
        return name, path, args, kwargs

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        if prepared and not vault.is_sealed(prepared):
            raise ValueError(f"{self.name}: expected a sealed text, as vault.seal gives it; this one is not sealed")
        return prepared
