"""What tests of messages share: targets, and builds to tell of."""

from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.test import TransactionTestCase

from builds import lifecycle, outbox
from builds.models import Build, Outgoing, Project, Target
from builds.source import Source
from builds.states import Status

from .racing import project

COMMIT = "a" * 40
EVERYTHING = " ".join(outbox.NEWS)


def target(of: Project, kind: str = "webhook", **more: Any) -> Target:
    return Target.objects.create(project=of, kind=kind, name=kind, **{"tells": EVERYTHING, **more})


def rows(of: Target) -> list[tuple[int | None, str, str]]:
    return list(of.outgoing.order_by("pk").values_list("build", "what", "state"))


def due_now(**which: Any) -> None:
    """As if their time had come."""
    Outgoing.objects.filter(**which).update(next_at=Now() - timedelta(seconds=1))


class OutboxCase(TransactionTestCase):
    def setUp(self) -> None:
        self.project = project()
        self.count = 0

    def build(self, status: Status = Status.PASSED, of: Project | None = None, **source: Any) -> Build:
        self.count += 1
        build = lifecycle.enqueue(of or self.project, by="alice", source=Source(**source))
        lease = lifecycle.claim("worker", f"build-{self.count}")
        assert lease is not None and lease.build_id == build.pk
        if status == Status.LOST:
            lifecycle.lose(build.pk, lease.token, "The worker died.")
        else:
            if status == Status.CANCELLED:
                lifecycle.cancel(build.pk, by="alice")
            lifecycle.finish(lease, status, "" if status == Status.PASSED else "Because.")
        return Build.objects.get(pk=build.pk)

    def claim(self, token: str = "sender", seconds: float = 60) -> outbox.Claimed:  # noqa: S107 - a claim's
        found = outbox.claim(token, seconds)
        assert found is not None
        return found
