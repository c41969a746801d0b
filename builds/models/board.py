"""The board's own row."""

import secrets

from django.db import models
from django.db.models import Q

from .shared import rule


def new_world() -> str:
    return secrets.token_hex(8)


class Board(models.Model):
    """One row: this database's name and the number of its last visible change."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    world = models.CharField(max_length=32, default=new_world)
    """A random name, renewed when the database is restored from a backup: cursors of another world are void."""
    revision = models.BigIntegerField(default=0)
    horizon = models.BigIntegerField(default=0)
    """The oldest revision that a cursor may still have: raised when a build is deleted, and with a new world."""

    prune_at = models.DateTimeField(null=True, blank=True)
    """When some process last took its turn to prune, by the database's clock; None: none yet."""

    class Meta:
        verbose_name_plural = "board"
        constraints = [
            rule("board_single", Q(id=1)),
            rule("board_revision", Q(revision__gte=0)),
            rule("board_horizon", Q(horizon__gte=0, horizon__lte=models.F("revision"))),
        ]

    def __str__(self) -> str:
        return f"world {self.world}, revision {self.revision}"

    @classmethod
    def get(cls) -> "Board":
        """The row, made when it is asked for the first time."""
        return cls.objects.get_or_create(pk=1)[0]
