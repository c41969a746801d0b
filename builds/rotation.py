"""All that is stored sealed, wherever it is: sealed anew with the newest key, and found where nothing opens it.

A column takes part by being a `SealedField`. Each row is one compare-and-set: what somebody changes meanwhile stays,
and is sealed with the newest key already.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.apps import apps
from django.db import models

from . import vault
from .models import SealedField

PAGE = 100
"""Rows that are read at a time."""


@dataclass
class Rotated:
    """What became of one column."""

    column: str
    """As people are told it: `secret.value`."""
    resealed: int = 0
    newest: int = 0
    """How many the newest key had sealed already."""
    unreadable: list[str] = field(default_factory=list)
    """The rows that none of the board's keys opens."""


def columns() -> list[tuple[type[models.Model], str]]:
    """Every sealed column of the board: the model, and the field's name."""
    return [
        (model, one.name)
        for model in apps.get_app_config("builds").get_models()
        for one in model._meta.concrete_fields
        if isinstance(one, SealedField)
    ]


def rotate() -> Iterator[Rotated]:
    """Seal everything with the newest key, a column after the other. What cannot be read stays as it is."""
    for model, name in columns():
        done = Rotated(f"{model._meta.model_name}.{name}")
        for row, sealed in _rows(model, name):
            _reseal(row, name, sealed, done)
        yield done


def unreadable() -> list[str]:
    """The rows that none of the board's keys opens, as people are told them."""
    found = []
    for model, name in columns():
        for row, sealed in _rows(model, name):
            try:
                vault.unseal(sealed)
            except vault.Unreadable:
                found.append(_called(row))
    return found


def _reseal(row: models.Model, name: str, sealed: str, done: Rotated) -> None:
    rows = type(row)._base_manager.filter(pk=row.pk)
    while sealed:
        if vault.is_newest(sealed):
            done.newest += 1
            return
        try:
            anew = vault.reseal(sealed)
        except vault.Unreadable:
            done.unreadable.append(_called(row))
            return
        if rows.filter(**{name: sealed}).update(**{name: anew}):
            done.resealed += 1
            return
        sealed = rows.values_list(name, flat=True).first() or ""  # somebody was faster, or deleted it


def _rows(model: type[models.Model], name: str) -> Iterator[tuple[models.Model, str]]:
    after = None
    while True:
        page = model._base_manager.exclude(**{name: ""}).exclude(**{name: None}).order_by("pk")
        rows = list((page if after is None else page.filter(pk__gt=after))[:PAGE])
        for row in rows:
            yield row, getattr(row, name)
        if len(rows) < PAGE:
            return
        after = rows[-1].pk


def _called(row: models.Model) -> str:
    return f"{row._meta.verbose_name} {row} (number {row.pk})"
