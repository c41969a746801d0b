"""Signs of life of workers: which of them live, and what they said of themselves with their last one.

By the database's clock alone, so that machines may disagree on the time. A clock that was set back makes no dead worker
live: a sign of life from the future counts as none.
"""

from datetime import timedelta

from django.db.models import F, Q
from django.db.models.functions import Now

from .models import Worker

LIVING_SECONDS = 15.0
"""A worker that gave no sign of life for so long does not count as alive."""
_SLACK = timedelta(seconds=5)


def beat(worker: str, *, draining: bool = False, labels: str = "", note: str = "") -> None:
    """A worker process says that it lives. `labels`: what it has, as `labels.parse` gives them, separated by spaces;
    `note`: why it takes no builds just now, in a sentence."""
    said = {"draining": draining, "labels": labels[:1_000], "note": note[:200]}
    if not Worker.objects.filter(name=worker).update(seen_at=Now(), renewal=F("renewal") + 1, **said):
        Worker.objects.create(name=worker, seen_at=Now(), **said)


def farewell(worker: str) -> None:
    """A worker process has ended, in order or seen dead by its supervisor."""
    Worker.objects.filter(name=worker).delete()


def living(seconds: float = LIVING_SECONDS) -> list[Worker]:
    """Those that gave a sign of life within `seconds`, by name."""
    return list(Worker.objects.filter(seen_at__gt=Now() - timedelta(seconds=seconds), seen_at__lt=Now() + _SLACK))


def forget(seconds: float) -> int:
    """Remove the rows of workers that gave no sign of life for `seconds`; how many there were."""
    old = Q(seen_at__lt=Now() - timedelta(seconds=seconds)) | Q(seen_at__gt=Now() + timedelta(seconds=seconds))
    return Worker.objects.filter(old).delete()[0]
