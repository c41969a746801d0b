"""The operator's room. It looks at everything, and changes builds by the verbs of `lifecycle` alone.

Builds, steps and events are never added, edited or deleted by hand. Each start, cancel and retry is checked against
`builds.start_build` and `builds.cancel_build`, carries its user's name, and leaves a row in Django's log of admin
actions. Who may not see a project does not find it here either.

    verbs.py      start, cancel and retry, with their audit row; what is only looked at
    hooks.py      webhooks, and what they have delivered
    outwards.py   who is told, and messages on their way
    projects.py   builds.py   credentials.py   secrets.py   tokens.py   processes.py      one noun each
    schedules.py  when projects are built by themselves
    chains.py     one project after another
    files.py      artifacts and caches
    groups.py     groups of users, as far as projects rest on them
    eventlog.py   a page of a build's events, and whether any is missing
"""

from django.contrib import admin

from . import (  # noqa: F401 - registers them
    builds,
    chains,
    credentials,
    files,
    groups,
    hooks,
    outwards,
    processes,
    projects,
    schedules,
    secrets,
    tokens,
)

admin.site.site_header = admin.site.site_title = "Buildboard"
admin.site.index_title = "Administration"
