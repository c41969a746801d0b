"""The JSON API below `/api/v1/`, a module for each noun, with its operations on a router of its own.

    base.py        the API itself: what every request and every refusal goes through
    asking.py      what operations share: the project or build that is named, rights, one-time keys
    projects.py    projects
    starts.py      starting and retrying
    secrets.py     secrets of projects: their names, and no value
    builds.py      builds: looked at, cancelled, kept
    hooks.py       projects' webhooks: what they build, and their secrets
    deliveries.py  what webhooks have delivered
    targets.py     who is told of a project's builds, and the messages to them
    afters.py      after which others projects are built
    schedules.py   when projects are built by themselves
    me.py          who is asking
    runs.py        builds that run outside, for the program that runs them
    uploads.py     the files that these leave behind
    artifacts.py   the files that they have left behind
    caches.py      the files that they keep for later ones
    testcases.py   what their test reports say

What is told on pages as well has its operation beside the page: `stats.py`, `findings.py`. A new noun is a module with
a `router`, listed below; its shapes stand in `schemas.py`, or, where nobody else needs them, in the module itself. Its
paths go into `docs/api.md`, and a test holds the two together.
"""

from .. import findings, stats
from . import (
    afters,
    artifacts,
    builds,
    caches,
    deliveries,
    hooks,
    me,
    projects,
    runs,
    schedules,
    secrets,
    starts,
    targets,
    testcases,
    uploads,
)
from .base import api

_NOUNS = (
    projects,
    stats,
    secrets,
    caches,
    starts,
    builds,
    artifacts,
    testcases,
    findings,
    hooks,
    deliveries,
    targets,
    schedules,
    afters,
    me,
    runs,
    uploads,
)
for _noun in _NOUNS:
    api.add_router("", _noun.router)

__all__ = ["api"]
