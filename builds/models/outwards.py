"""Where a project's news go, and the news on their way: see `outbox/`, which writes the latter."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from .. import vault
from .build import Build
from .project import Project
from .sealed import SealedField
from .shared import rule

FORGES = ["github", "gitlab", "gitea"]
"""Kinds of targets that get the status of a commit; each status, whatever `Target.tells` says."""
TARGET_KINDS = [*FORGES, "webhook", "mail", "slack", "matrix"]
WAITING, SENT, FAILED, SKIPPED = "waiting", "sent", "failed", "skipped"
OUTGOING_STATES = [WAITING, SENT, FAILED, SKIPPED]


class Target(models.Model):
    """Someone outside of the board who is told of a project's builds, and of which."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="targets")
    kind = models.CharField(max_length=10)
    name = models.CharField(max_length=100)
    enabled = models.BooleanField(default=True)
    address = models.CharField(max_length=500, blank=True)
    """`webhook`: its URL. `mail`: recipients, separated by commas. `matrix`: the homeserver. A forge: where its API is;
    empty: it follows from the project's repository. `slack`: empty, its URL is a secret."""
    place = models.CharField(max_length=255, blank=True)
    """`matrix`: the room's id. A forge: owner and name of the repository; empty: as the project's repository says."""
    label = models.CharField(max_length=100, blank=True)
    """A forge: the name under which it shows the status; empty: `buildboard/` and the project's slug."""
    secret = SealedField()
    """`webhook`: the key that signs. A forge, `matrix`: a token. `slack`: the whole URL."""
    secret_for = models.CharField(max_length=500, blank=True, default="", db_default="", editable=False)
    """A forge: the API that its token was given for. It goes nowhere else, wherever the repository moves."""
    tells = models.CharField(max_length=100, blank=True)
    """What it is told, words of `outbox.NEWS` separated by spaces. Of no account for a forge."""
    branches = models.CharField(max_length=500, blank=True)
    """Patterns, separated by spaces: only builds of such a branch; one that begins with `!` leaves out. Empty: any."""
    pull_requests = models.BooleanField(default=False)
    """It is told of builds of pull requests, too. A forge always is."""
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["project", "name", "id"]
        constraints = [rule("target_kind", Q(kind__in=TARGET_KINDS)), rule("target_name", ~Q(name=""))]

    def __str__(self) -> str:
        return self.name

    @property
    def is_forge(self) -> bool:
        return self.kind in FORGES

    def opened(self) -> str:
        """Its secret; empty: it has none. `vault.Unreadable`."""
        return vault.unseal(self.secret) if self.secret else ""


class Outgoing(models.Model):
    """One message to one target: a row of the outbox. Written in the transaction of what it tells of."""

    id = models.BigAutoField(primary_key=True)
    # Without a constraint of the database: a target that is removed while a build ends must not undo the build's end.
    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="outgoing", db_constraint=False)
    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="outgoing", null=True)
    """None: a test."""
    what = models.CharField(max_length=10)
    """The status that the build got, or `test`."""
    key = models.CharField(max_length=100, unique=True)
    """Names this message for ever, here and at whoever gets it: said twice, it is known by this."""
    slot = models.CharField(max_length=200, blank=True)
    """Of messages with the same slot, at the same target, only the newest counts: one that is older is never sent
    after it. The commit whose status it is; empty: each message counts."""
    payload = models.JSONField(default=dict)
    """What was so when it was written (`outbox.facts`)."""
    state = models.CharField(max_length=10, default=WAITING)
    attempts = models.PositiveIntegerField(default=0)
    """How often a sender has begun to send it."""
    next_at = models.DateTimeField(db_default=Now())
    """By the database's clock. When it may be tried; of one that is claimed, when that claim lapses."""
    claim = models.CharField(max_length=32, blank=True)
    """The token of the sender that has it; empty: nobody has."""
    code = models.PositiveSmallIntegerField(null=True)
    """The HTTP status of the last answer; None: there was none, or it was no HTTP."""
    answer = models.CharField(max_length=500, blank=True)
    """What became of the last attempt, or why there is none, in a sentence."""
    created_at = models.DateTimeField(db_default=Now())
    done_at = models.DateTimeField(null=True)
    """When it was sent, given up or skipped."""

    class Meta:
        verbose_name = "outgoing message"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state=WAITING), name="outgoing_due"),
            models.Index(fields=["target", "slot"], condition=~Q(slot=""), name="outgoing_slot"),
            models.Index(fields=["target", "-id"], name="outgoing_of_target"),
            models.Index(fields=["done_at"], name="outgoing_done"),
        ]
        constraints = [
            rule("outgoing_state", Q(state__in=OUTGOING_STATES)),
            rule("outgoing_key", ~Q(key="")),
            rule(
                "outgoing_done_is_done",
                Q(state=WAITING, done_at__isnull=True) | (~Q(state=WAITING) & Q(done_at__isnull=False, claim="")),
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def word(self) -> str:
        """What became of it, as people read it."""
        return {WAITING: "waits", SENT: "sent", FAILED: "given up", SKIPPED: "not sent"}[self.state]
