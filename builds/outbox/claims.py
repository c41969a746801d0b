"""Who sends which message next, and what became of it. By the database's clock alone: machines may disagree on it.

A sender takes a message by a compare-and-set that names a token of its own; the claim lapses by itself. A target is
sent one message at a time, by all senders together, so that what is older never arrives after what is newer.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Q
from django.db.models.functions import Now

from ..models import Outgoing, Target
from ..models.outwards import FAILED, SENT, SKIPPED, WAITING

SWITCHED_OFF = "Not sent: its target is switched off."
OVERTAKEN = "Not sent: there was a newer status of this commit."
MOST_FORGOTTEN = 1_000
"""Rows that go in one transaction."""
_LOOKED_AT = 20
"""Targets, and messages of one target, that are looked at for one that is to be sent."""


@dataclass(frozen=True)
class Claimed:
    """A message that is this sender's to send, until its claim lapses."""

    id: int
    token: str
    key: str
    what: str
    attempts: int
    """This one included."""
    payload: dict[str, Any]
    target: Target


def is_due() -> bool:
    """Whether there is a message that a sender may take now."""
    return _due().exists()


def claim(token: str, seconds: float) -> Claimed | None:
    """Take the next message for so long. `token` (at most 32 characters) was never used before. None: none is due."""
    waiting = _due().order_by().values("target").annotate(first=Min("pk")).order_by("first")
    for target_id in list(waiting.values_list("target", flat=True)[:_LOOKED_AT]):
        with transaction.atomic():
            found = _claim(target_id, token, seconds)
        if found is not None:
            return found
    return None


def sent(claimed: Claimed, answer: str, code: int | None = None) -> bool:
    """It has arrived. False: the claim had lapsed, and another sender has the message."""
    return _done(claimed, SENT, answer, code)


def give_up(claimed: Claimed, answer: str, code: int | None = None) -> bool:
    """It is not tried again by itself."""
    return _done(claimed, FAILED, answer, code)


def postpone(claimed: Claimed, seconds: float, answer: str, code: int | None = None) -> bool:
    """It is tried again after so long."""
    at = Now() + timedelta(seconds=seconds)
    return _update(claimed, next_at=at, claim="", answer=_kept(answer), code=code)


def retry(outgoing_id: int) -> bool:
    """Try one that was given up, or that waits for its next attempt, at once and as if for the first time."""
    again = Outgoing.objects.filter(pk=outgoing_id).filter(Q(state=FAILED) | Q(state=WAITING, claim=""))
    return bool(again.update(state=WAITING, attempts=0, next_at=Now(), done_at=None))


def forget(days: int) -> int:
    """Remove messages that were done with so many days ago, some of them; how many."""
    old = Outgoing.objects.filter(done_at__lt=Now() - timedelta(days=days)).order_by("done_at")
    return Outgoing.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:MOST_FORGOTTEN])).delete()[0]


def void(why: str) -> int:
    """Send nothing of what waits; how many."""
    waiting = Outgoing.objects.filter(state=WAITING)
    return waiting.update(state=SKIPPED, claim="", answer=_kept(why), done_at=Now())


# --- Inside ---


def _due() -> Any:
    flying = Outgoing.objects.filter(target=OuterRef("target"), state=WAITING, next_at__gt=Now()).exclude(claim="")
    return Outgoing.objects.filter(~Exists(flying), state=WAITING, next_at__lte=Now())


def _claim(target_id: int, token: str, seconds: float) -> Claimed | None:
    """Its row is the lock: of two senders the second sees what the first has taken."""
    target = Target.objects.select_for_update(of=("self",)).select_related("project").filter(pk=target_id).first()
    if target is None:  # removed while a build ended
        Outgoing.objects.filter(target_id=target_id).delete()
        return None
    for row in _due().filter(target=target).order_by("pk")[:_LOOKED_AT]:
        why = _needless(row, target)
        if why:
            Outgoing.objects.filter(pk=row.pk).update(state=SKIPPED, claim="", answer=why, done_at=Now())
            continue
        until = Now() + timedelta(seconds=seconds)
        Outgoing.objects.filter(pk=row.pk).update(claim=token, next_at=until, attempts=F("attempts") + 1)
        return Claimed(row.pk, token, row.key, row.what, row.attempts + 1, row.payload, target)
    return None


def _needless(row: Outgoing, target: Target) -> str:
    if row.what == "test":
        return ""
    if not target.enabled:
        return SWITCHED_OFF
    if row.slot:
        newer = Q(build_id__gt=row.build_id) | Q(build_id=row.build_id, pk__gt=row.pk)
        if Outgoing.objects.filter(newer, target=target, slot=row.slot).exists():
            return OVERTAKEN
    return ""


def _done(claimed: Claimed, state: str, answer: str, code: int | None) -> bool:
    return _update(claimed, state=state, claim="", answer=_kept(answer), code=code, done_at=Now())


def _update(claimed: Claimed, **values: Any) -> bool:
    return bool(Outgoing.objects.filter(pk=claimed.id, state=WAITING, claim=claimed.token).update(**values))


def _kept(text: str) -> str:
    """As every database takes it: one line, cut, without NUL and halves of surrogate pairs."""
    line = " ".join(text.replace("\0", " ").split()).encode("utf-8", "replace").decode()
    return line if len(line) <= 500 else f"{line[:499]}…"
