"""The event log, and what it becomes when its build is long over."""

from django.db import models
from django.db.models import Q

from .build import Build
from .shared import rule


class Event(models.Model):
    """A stored, numbered, never changed fact about one build. Read and written by `events.py`.

    What is not kept goes by `cuts.py` and `retention/`; `worlds.py` renumbers what a restore has left open.
    """

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="events", db_index=False)
    seq = models.BigIntegerField()
    """1, 2, 3 … within its build, without gaps, in commit order."""
    kind = models.CharField(max_length=20)
    at = models.DateTimeField()
    step = models.PositiveSmallIntegerField(null=True)
    """`log`: the step's position."""
    line = models.BigIntegerField(null=True)
    """`log`: number of the chunk's first line, from 1 within its step."""
    lines = models.IntegerField(null=True)
    """`log`: how many lines the chunk has."""
    open = models.BooleanField(default=False)
    """`log`: the last line is unfinished; a later chunk that begins with its number replaces it."""
    body = models.TextField()
    """`log`: the lines, joined by a line feed. Any other kind: a compact JSON object."""

    class Meta:
        ordering = ["build_id", "seq"]
        indexes = [
            models.Index(fields=["build", "step", "line"], name="event_line", condition=Q(line__isnull=False)),
            models.Index(fields=["build", "seq"], name="event_cut", condition=Q(kind="cut")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["build", "seq"], name="event_seq"),
            rule("event_seq_positive", Q(seq__gte=1)),
            rule("event_kind", ~Q(kind="")),
            rule(
                "event_log_has_lines",
                Q(kind="log", step__isnull=False, line__isnull=False, line__gte=1, lines__isnull=False, lines__gte=1)
                | (~Q(kind="log") & Q(step__isnull=True, line__isnull=True, lines__isnull=True, open=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"event {self.seq} of build {self.build_id}: {self.kind}"


class LogBlock(models.Model):
    """Lines of one step of a build that is long over, compressed: what its `log` events have become.

    Read and written by `blocks.py` alone.
    """

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="blocks", db_index=False)
    number = models.PositiveIntegerField()
    """0, 1, 2 … within its build: the order in which the lines were written."""
    step = models.PositiveSmallIntegerField()
    line = models.BigIntegerField()
    """Number of the first line, from 1 within its step."""
    lines = models.PositiveIntegerField()
    """How many numbers it spans; those that a `cut` stands for have no text in it."""
    size = models.PositiveIntegerField()
    """Bytes of its lines' text, uncompressed."""
    body = models.BinaryField()

    class Meta:
        ordering = ["build_id", "number"]
        indexes = [models.Index(fields=["build", "step", "line"], name="block_line")]
        constraints = [
            models.UniqueConstraint(fields=["build", "number"], name="block_number"),
            rule("block_has_lines", Q(line__gte=1, lines__gte=1)),
        ]

    def __str__(self) -> str:
        return f"block {self.number} of build {self.build_id}"
