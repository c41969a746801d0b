"""What was so when a message was written: all that it is later made from."""

from typing import Any

from django.db.models import F
from django.utils import timezone

from ..models import Build, iso
from ..states import FINAL, Status
from . import rules

MOST_STEPS = 10
"""Failed steps that a message names."""
LOOKED_AT = 1_000
"""The newest builds of a project among which the one before is looked for: the way to a branch that is seldom built
leads through all that others built since."""


def of(build: Build) -> dict[str, Any]:
    """Inside the transaction that gave `build` its status."""
    before = _before(build)
    data = build.data([])
    del data["steps"], data["progress"], data["eta_seconds"], data["cancel_requested"], data["kept"], data["pruned_at"]
    return {
        "at": iso(timezone.now()),
        "change": rules.change_of(build.status, before["status"] if before else None),
        "before": before,
        "project": {"slug": build.project.slug, "name": build.project.name},
        "build": {**data, "path": build.get_absolute_url()},
        "failed_steps": _failed_steps(build),
    }


def of_test(project: Any) -> dict[str, Any]:
    """Of a message that shows that it arrives."""
    return {
        "at": iso(timezone.now()),
        "project": {"slug": project.slug, "name": project.name, "path": project.get_absolute_url()},
    }


def branch(build: Build) -> str:
    """That the patterns of a target are compared with."""
    return build.branch or build.tag or build.ref


def _before(build: Build) -> dict[str, Any] | None:
    """Number and status of the newest build before it that is over, of the same branch, tag and pull request; one that
    was cancelled says nothing."""
    if build.status not in FINAL:
        return None
    same = {"branch": build.branch, "tag": build.tag, "pull_request": build.pull_request}
    if not (build.branch or build.tag):
        same["ref"] = build.ref
    over = Build.objects.filter(project_id=build.project_id, pk__lt=build.pk, finished_at__isnull=False)
    newest = over.order_by("-id").values("pk")[:LOOKED_AT]
    found = Build.objects.filter(pk__in=newest, **same).exclude(status=Status.CANCELLED)
    number, status = found.order_by("-id").values_list("pk", "status").first() or (None, None)
    return None if number is None else {"id": number, "status": status}


def _failed_steps(build: Build) -> list[str]:
    if build.status not in (Status.FAILED, Status.LOST):
        return []
    failed = build.steps.filter(status__in=(Status.FAILED, Status.LOST)).order_by(
        F("finished_at").asc(nulls_last=True), "position"
    )
    return list(failed.values_list("name", flat=True)[:MOST_STEPS])
