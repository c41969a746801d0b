"""A new build and its steps, as they are first stored."""

from collections.abc import Sequence
from typing import Any

from ..models import Build, Step
from ..progress import expected_seconds
from ..recipe import StepRecipe
from ..source import Source, is_anybodys
from ..states import Status
from .change import sentence

HISTORY = 10
"""How many of a project's last passed builds tell how long a step usually takes."""


def step_rows(build: Build, steps: Sequence[StepRecipe], first: int = 0) -> list[Step]:
    """Those of `steps` from `first` on, as they are stored."""
    usual = _usual_seconds(build)
    return [
        Step(
            build=build,
            position=position,
            name=step.name,
            expected_seconds=usual.get(step.name),
            needs=list(step.needs),
            attempts=step.retry + 1,
            allow_failure=step.allow_failure,
            image=step.image,
        )
        for position, step in enumerate(steps)
        if position >= first
    ]


def _usual_seconds(build: Build) -> dict[str, float | None]:
    """By step name: what it usually takes, from the project's last passed builds: those here, or those outside."""
    passed = Build.objects.filter(project=build.project_id, status=Status.PASSED).order_by("-id")
    recent = [pk for pk, outside in passed.values_list("pk", "outside")[: 10 * HISTORY] if outside == build.outside]
    durations: dict[str, list[float]] = {}
    rows = Step.objects.filter(build__in=recent[:HISTORY], status=Status.PASSED).values_list(
        "name", "started_at", "finished_at"
    )
    for name, started_at, finished_at in rows:
        durations.setdefault(name, []).append((finished_at - started_at).total_seconds())
    return {name: expected_seconds(values) for name, values in durations.items()}


def source_columns(source: Source, ref: str) -> dict[str, Any]:
    """Of a new build."""
    return {
        "trigger": source.trigger,
        "branch": source.branch[:200],
        "tag": source.tag[:200],
        "commit": source.commit,
        "commit_title": sentence(source.title, 200),
        "commit_author": sentence(source.author, 200),
        "pull_request": source.pull_request,
        "fork": source.fork or is_anybodys(ref, source.pull_request),
    }
