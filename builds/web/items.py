"""What the API says about projects."""

from typing import Any

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest

from ..models import Build


def project_items(request: HttpRequest, found: Any) -> list[dict[str, Any]]:
    """Two queries, however many projects."""
    newest = Build.objects.filter(project=OuterRef("pk")).order_by("-id").values("pk")[:1]
    rows = list(found.annotate(newest=Subquery(newest)))
    last = Build.objects.in_bulk([row.newest for row in rows if row.newest is not None])
    return [
        {
            "slug": row.slug,
            "name": row.name,
            "description": row.description,
            "repository": row.repository,
            "branch": row.branch,
            "enabled": row.enabled,
            "runs_on": row.runs_on,
            "max_running": row.max_running,
            "network": row.network,
            "url": request.build_absolute_uri(row.get_absolute_url()),
            "last_build": _last_build(request, last.get(row.newest)),
        }
        for row in rows
    ]


def _last_build(request: HttpRequest, build: Build | None) -> dict[str, Any] | None:
    if build is None:
        return None
    return {
        "id": build.pk,
        "status": build.status,
        "url": request.build_absolute_uri(build.get_absolute_url()),
        "created_at": build.created_at,
        "finished_at": build.finished_at,
    }
