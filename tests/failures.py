"""Builds that passed and failed with a log, for tests of what is told about them."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from builds import events
from builds.events import Chunk, Fact
from builds.models import Build, Project, Step
from builds.states import Status

RECIPE = "steps: [{name: fetch, run: echo}, {name: compile, run: echo}]"


def project(slug: str = "tide") -> Project:
    return Project.objects.get_or_create(slug=slug, defaults={"name": slug, "recipe": RECIPE})[0]


@transaction.atomic  # no worker of the board sees it queued
def build(
    lines: list[str], *, status: str = "failed", seconds: float = 30, slug: str = "tide", ref: str = "", gap: float = 0
) -> Build:
    """Over, with two steps: `fetch` said one line and passed, `compile` said `lines` and ended so.

    `gap`: seconds between the first two of its chunks, each of which has one line.
    """
    ended = timezone.now()
    began = ended - timedelta(seconds=seconds)
    made = Build.objects.create(project=project(slug), recipe=RECIPE, ref=ref, started_by="alice")
    drafts: list[Chunk | Fact] = [Chunk(0, 1, ["fetched"])]
    drafts += [Chunk(1, number, [text]) for number, text in enumerate(lines, start=1)]
    events.put_unleased(made.pk, drafts)  # type: ignore[arg-type]
    logged = began + timedelta(seconds=1)
    for event in made.events.order_by("seq"):
        if event.seq > 2:
            logged += timedelta(seconds=gap if event.seq == 3 else 0)
        made.events.filter(seq=event.seq).update(at=logged)
    for position, name in enumerate(("fetch", "compile")):
        Step.objects.create(
            build=made,
            position=position,
            name=name,
            status=status if position else Status.PASSED,
            exit_code=1 if position and status == "failed" else 0,
            reason="Exit code 1." if position and status == "failed" else "",
            started_at=began + timedelta(seconds=position),
            finished_at=ended if position else began + timedelta(seconds=1),
            expected_seconds=20 if position else 1,
        )
    Build.objects.filter(pk=made.pk).update(
        status=status,
        reason="Step compile: exit code 1." if status == "failed" else "",
        worker="tests:1",
        created_at=began,
        started_at=began,
        finished_at=ended,
    )
    events.put_unleased(made.pk, [Fact("build", Build.objects.get(pk=made.pk).data())])
    return Build.objects.select_related("project").get(pk=made.pk)
