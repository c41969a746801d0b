"""The artifacts of a build: a part of its page, a list of all, and one of them looked at where that is safe.

Looking at one is a page of the board's own: text, escaped and bounded, or a raster image. Nothing that a step has made
is ever run by a browser. The files themselves are given out by `live/files.py`.
"""

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from buildboard.terminal.style import plain

from .. import artifacts, events, filestore
from ..access import Caller
from ..artifacts import IMAGES, TEXT
from ..models import Artifact, Build
from ..retention import size
from .door import for_callers

SHOWN = 20
"""On a build's own page."""
PAGE = 200
TEXT_BYTES = 96 * 1024
"""Of a text so much is shown."""
IMAGE_BYTES = 20 * 1024 * 1024
"""A larger image is not shown."""


def panel(build: Build, names: list[str]) -> dict[str, Any]:
    """For `artifacts-panel.html`. Asks the database nothing where there are none. `names`: of its steps."""
    rows = list(artifacts.stored(build.pk)[: SHOWN + 1]) if build.artifact_count else []
    return {
        "items": [_item(row, names) for row in rows[:SHOWN]],
        "heading": heading(build.artifact_count, build.artifact_bytes) if rows else "",
        "more": len(rows) > SHOWN,
    }


def heading(count: int, total: int) -> str:
    """`3 files, 12.4 MB`. Twin: `static/builds/artifacts.js`."""
    return f"{'1 file' if count == 1 else f'{count:,} files'}, {size(total)}"


@require_safe
@for_callers
def page(request: HttpRequest, caller: Caller, build_id: int) -> HttpResponse:
    """All of them, by path, so many on a page. `?after=PATH`: those behind it."""
    build = _build(caller, build_id)
    after = request.GET.get("after", "")
    rows = artifacts.following(build.pk, after, PAGE + 1)
    names = events.step_names(build.pk)
    context = {
        "build": build,
        "project": build.project,
        "items": [_item(row, names) for row in rows[:PAGE]],
        "heading": heading(build.artifact_count, build.artifact_bytes),
        "after": after,
        "on": f"?{urlencode({'after': rows[PAGE - 1].path})}" if len(rows) > PAGE else "",
        "pruned": build.pruned_at is not None,
    }
    return render(request, "builds/artifacts.html", context)


@require_safe
@for_callers
def preview(request: HttpRequest, caller: Caller, build_id: int, path: str) -> HttpResponse:
    """One of them: shown, or why not."""
    build = _build(caller, build_id)
    row = artifacts.find(build.pk, path)
    if row is None:
        raise Http404
    context: dict[str, Any] = {"build": build, "project": build.project, "row": row}
    context["item"] = _item(row, events.step_names(build.pk))
    if row.content_type == TEXT:
        try:
            context |= _text(row)
        except filestore.Failed as failure:
            context["wrong"] = str(failure)
    elif not is_shown(row):
        context["wrong"] = "It can be downloaded; what is shown here is text and images."
    return render(request, "builds/preview.html", context, status=503 if "wrong" in context and is_shown(row) else 200)


def is_shown(row: Artifact) -> bool:
    return row.content_type == TEXT or (row.content_type in IMAGES and row.size <= IMAGE_BYTES)


def _build(caller: Caller, build_id: int) -> Build:
    return get_object_or_404(caller.builds().select_related("project"), pk=build_id)


def _item(row: Artifact, names: list[str]) -> dict[str, Any]:
    folder, slash, name = row.path.rpartition("/")
    here = [row.build_id, row.path]
    return {
        "path": row.path,
        "folder": folder + slash,
        "name": name,
        "size": size(row.size),
        "step": names[row.step],
        "sha256": row.sha256,
        "href": reverse("artifact", args=here),
        "look": reverse("preview", args=here) if is_shown(row) else "",
        "is_image": row.content_type in IMAGES,
    }


def _text(row: Artifact) -> dict[str, Any]:
    """`filestore.Failed`."""
    content = b"".join(filestore.read(row.name, 0, min(row.size, TEXT_BYTES)))
    if row.size > TEXT_BYTES:
        content = content[: content.rfind(b"\n") + 1] or content
    return {"text": plain(content.decode("utf-8", "replace")), "cut": row.size - len(content)}
