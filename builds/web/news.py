"""What pages and the API tell of targets and of messages."""

from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import OuterRef, Subquery
from django.db.models.query import QuerySet

from ..models import Outgoing, Project, Target
from ..outbox import NoPlace, place_of
from ..outbox.targets import NAMES

ABOUT = {
    "github": "the status of each commit that is built",
    "gitlab": "the status of each commit that is built",
    "gitea": "the status of each commit that is built; Codeberg, too",
    "webhook": "a signed request to a program of yours",
    "mail": "a letter to people or to a list",
    "slack": "a message in a channel; Mattermost and Rocket.Chat, too",
    "matrix": "a message in a room",
}
NEWS = {
    "queued": ("queued", "each build, when it is started"),
    "running": ("begun", "each build, when a worker has taken it"),
    "passed": ("passed", "each build that passed"),
    "failed": ("failed", "each build that failed"),
    "cancelled": ("cancelled", "each build that was cancelled"),
    "lost": ("lost", "each build whose worker was lost"),
    "broken": ("broken", "only the first that failed or was lost, after one of its branch that passed"),
    "fixed": ("fixed", "the first that passed, after one of its branch that failed or was lost"),
}
"""What a target may be told: the word for it, and what it means."""


class Told(NamedTuple):
    target: Target
    kind: str
    where: str
    what: str
    last: Outgoing | None
    """The newest message to it."""


def targets(project: Project) -> list[Told]:
    """Two queries, however many there are."""
    newest = Outgoing.objects.filter(target=OuterRef("pk")).order_by("-id").values("pk")[:1]
    found = list(project.targets.select_related("project").annotate(newest=Subquery(newest)))
    last = Outgoing.objects.in_bulk([one.newest for one in found if one.newest is not None])
    return [Told(one, NAMES[one.kind], where(one), what(one), last.get(one.newest)) for one in found]


def messages(project: Project, before: int | None = None) -> QuerySet[Outgoing]:
    """The newest first; those below number `before`."""
    found = Outgoing.objects.filter(target__project=project).select_related("target").order_by("-id")
    return found if before is None else found.filter(pk__lt=before)


def where(target: Target) -> str:
    """Where its messages go, without what is a secret."""
    if target.is_forge:
        try:
            place = place_of(target)
        except NoPlace:
            return "no repository"
        return f"{place.name} at {place.api.partition('://')[2].partition('/')[0]}"
    if target.kind == "matrix":
        return f"{target.place} at {target.address.partition('://')[2]}"
    return target.address


def what(target: Target) -> str:
    """Of which builds it is told what, in words."""
    words = [NEWS[word][0] for word in target.tells.split()]
    if target.is_forge:
        said = "each status"
    else:
        said = " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]])) + " builds"
    said += f" of {', '.join(target.branches.split())}" if target.branches else ""
    if not target.is_forge and target.pull_requests:
        said += ", pull requests too"
    return said


def hints(project: Project) -> list[str]:
    """What keeps messages from being what they could be, in sentences."""
    kinds = set(project.targets.values_list("kind", flat=True))
    found = []
    if kinds and not settings.BUILDBOARD_URL:
        found.append("Messages have no links: the board does not know its own address (BUILDBOARD_URL).")
    if "mail" in kinds and not settings.EMAIL_HOST:
        found.append("No letter leaves: no mail server is set (EMAIL_URL).")
    return found


def item(one: Outgoing) -> dict[str, Any]:
    """A message, for programs."""
    waits = one.state == "waiting"
    return {
        "id": one.pk,
        "key": one.key,
        "target": one.target_id,
        "build": one.build_id,
        "what": one.what,
        "state": one.state,
        "attempts": one.attempts,
        "next_at": one.next_at if waits else None,
        "code": one.code,
        "answer": one.answer,
        "created_at": one.created_at,
        "done_at": one.done_at,
    }
