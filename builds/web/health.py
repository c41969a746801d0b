"""For machines that look after machines: is this process alive, is the board ready, and its figures."""

import ipaddress
import logging
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db import Error as DatabaseError
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from buildboard.presence import database

from .. import access, beats
from . import metrics as figures
from .problems import problem

logger = logging.getLogger(__name__)

_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")

_migrated = False
"""Once every migration was seen applied it stays so for this process: it runs this version of the code to its end."""


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers at all. Asks nobody else, so that a database that is away restarts no web."""
    return _no_store(HttpResponse("ok\n", content_type="text/plain; charset=utf-8"))


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 `{"ready": true, "workers", "draining"}`, or 503 with what is missing in `missing`: the database, its
    migrations, a worker. `workers`: those that live and take builds.

    Whoever asks hears no more than that: no names, addresses or errors. Those are in this process's log.
    """
    missing = []
    workers = draining = 0
    try:
        living = beats.living()
        draining = sum(worker.draining for worker in living)
        workers = sum(worker.takes_builds for worker in living)
        if not _is_migrated():
            missing.append("migrations: some are not applied; run manage.py migrate")
        elif not workers:
            why = "those that live are draining or take no builds just now" if living else "none is alive"
            missing.append(f"workers: {why}; run manage.py worker")
    except DatabaseError as error:
        if not database.is_away:  # that has been said once for all
            logger.warning("action=readyz error=%r", error)
        missing.append("database: it does not answer, or has no tables; run manage.py migrate")
    facts: dict[str, Any] = {"ready": not missing, "workers": workers, "draining": draining}
    if missing:
        facts["missing"] = missing
    return _no_store(JsonResponse(facts, status=503 if missing else 200))


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text. For a token that may read, a session, anyone on a public board, and this machine itself."""
    if not _is_local(request):
        try:
            caller = access.identify(request)
            allowed = (caller.is_known or settings.BUILDBOARD_PUBLIC) and caller.may_read()
        except access.BadToken:
            allowed = False
        except DatabaseError:
            return problem(503, "The database does not answer, so it cannot be told who is asking.")
        if not allowed:
            detail = "Send Authorization: Bearer TOKEN (scope read), or ask from the board's own machine."
            return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
    text, content_type = figures.render()
    return _no_store(HttpResponse(text, content_type=content_type))


def _is_local(request: HttpRequest) -> bool:
    """From a loopback address, and no proxy has passed it on: behind one, every request comes from there."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _is_migrated() -> bool:
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def _no_store(answer: HttpResponse) -> HttpResponse:
    answer["Cache-Control"] = "no-store"
    return answer
