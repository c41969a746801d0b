"""What tests of the queue share: builds that wait, and one claim."""

import secrets

from builds import lifecycle
from builds.models import Build, Project

from .racing import RECIPE

MOST = "BUILDBOARD_MAX_RUNNING"
"""The setting: how many builds run at the same time."""


def queued(of: Project, count: int = 1, runs_on: str = "") -> list[int]:
    made = Build.objects.bulk_create(Build(project=of, recipe=RECIPE, runs_on=runs_on) for _ in range(count))
    return sorted(build.pk for build in made)


def claim(own: str = "") -> int | None:
    lease = lifecycle.claim("worker", secrets.token_hex(16), own)
    return None if lease is None else lease.build_id
