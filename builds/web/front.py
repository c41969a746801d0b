"""The front page: what an address asks of the board, and what stands around its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.http import QueryDict
from django.urls import reverse

from .. import labels
from ..access import Caller
from ..models import Project
from ..queue import Outlook
from ..states import BUILD_STATUSES
from . import filters
from .rows import Card, cards

PROJECTS = 200
"""Cards on one page, and projects to choose from."""


@dataclass(frozen=True)
class Asked:
    filter: filters.Filter
    wrong: tuple[str, ...] = ()
    """What was left out of it, in sentences."""
    leads_to: str = ""
    """Elsewhere: the address of the build whose number was given, or the same page by a shorter address."""


def read(query: QueryDict, caller: Caller) -> Asked:
    """Whose number is given, leads there: whatever else was asked for."""
    wrong: tuple[str, ...] = ()
    try:
        number = filters.number(query)
        found = caller.builds().filter(pk=number).first() if number is not None else None
        if found:
            return Asked(filters.Filter(), leads_to=found.get_absolute_url())
        if number is not None:
            wrong = (f"There is no build {number} that you may see.",)
    except filters.Wrong as error:
        wrong = (str(error),)
    shorter = filters.tidy(query)
    if shorter is not None:
        return Asked(filters.Filter(), leads_to=f"{reverse('board')}{'?' if shorter else ''}{shorter}")
    found_filter = filters.read(query, caller.projects())
    return Asked(found_filter, (*wrong, *found_filter.wrong))


def context(caller: Caller, asked: Asked, outlook: Outlook, *, is_empty: bool) -> dict[str, Any]:
    """For the template: the filter and what it can be set to, the cards, and what to do where there is nothing."""
    projects = list(caller.projects().order_by("name").defer("recipe")[:PROJECTS])
    branches, people = filters.suggestions(caller.builds())
    shown = sorted(cards(projects), key=_recency, reverse=True)
    chosen = asked.filter.project
    return {
        "filter": asked.filter,
        "wrong": asked.wrong,
        "kept": asked.filter.query(),
        "projects": [*projects, chosen] if chosen and chosen not in projects else projects,
        "statuses": [(str(status), str(status) in asked.filter.statuses) for status in BUILD_STATUSES],
        "branches": branches,
        "people": people,
        "cards": shown,
        "has_bars": any(card.newest for card in shown),
        "to_start": startable(projects, outlook) if is_empty and not asked.filter else None,
        "admins": _admins(caller) if not projects else [],
    }


def startable(projects: Sequence[Project], outlook: Outlook) -> Project | None:
    """The first that a living worker would take; where there is none such, of those that start builds at all one that
    needs the fewest labels."""
    enabled = [project for project in projects if project.enabled]
    taking = [worker.labels for worker in outlook.workers if worker.takes_builds]
    fitting = (one for one in enabled if any(labels.fits(one.runs_on, own) for own in taking))
    return next(fitting, min(enabled, key=_needs, default=None))


def _admins(caller: Caller) -> list[str]:
    """Whom to ask; those who are not signed in are told no names."""
    if not caller.is_known:
        return []
    admins = User.objects.filter(is_active=True, is_superuser=True).order_by("pk")
    return [user.get_username() for user in admins[:3]]


def _needs(project: Project) -> int:
    return len(project.runs_on.split())


def _recency(one: Card) -> int:
    return one.newest.pk if one.newest else 0
