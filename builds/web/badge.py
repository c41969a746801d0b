"""A project's status as an image for other pages: an SVG of the usual size, made of shapes, attributes and text alone.

`/projects/<slug>/badge.svg`; `?branch=REF` for another branch, `?label=TEXT` in place of the project's name.
Readable as the project is; docs/project.md tells what that means for a README.
"""

import hashlib
import unicodedata
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from ..models import Build, Project
from ..states import Status
from .door import Door
from .marks import MARKS
from .problems import Problem

LOOKED_AT = 1_000
"""The newest finished builds of a project among which one of a branch is looked for. The index of refs is no bound: it
is of all projects, and the way to a project that seldom builds `main` leads through the builds of all that often do."""
LOOKED_AT_FIRST = 50
"""Mostly it is one of so few: all that may be it are read before the newest of them is known."""
MAX_LABEL = 60
MAX_BRANCH = 200
NO_BUILDS = "no builds"

HEIGHT = 20
_PAD = 6
_MARK = 15
"""The mark before the word, and the room behind it."""
_LABEL_FILL = "#4b5159"
_FILLS = {
    Status.PASSED: "#16714a",
    Status.FAILED: "#bf2630",
    Status.LOST: "#7b3aa8",
    Status.CANCELLED: "#636a73",
}
"""White text on each has a contrast of 5 or more."""
_NARROW, _WIDE = frozenset("iIjl.,:;'|!`"), frozenset("mwMW@%")
_FONT = "Verdana,DejaVu Sans,Geneva,sans-serif"


class Snippet(NamedTuple):
    name: str
    text: str


@require_safe
def badge(request: HttpRequest, slug: str) -> HttpResponse:
    """401, 403, 404 and 400 as problem details: what a caller may not see is not there."""
    try:
        caller = Door()(request)
        found = caller.projects().filter(slug=slug).first()
        if found is None:
            raise Problem(404, f"There is no project {slug!r} that you may see.")
        branch = _asked(request, "branch", MAX_BRANCH)
        label = _asked(request, "label", MAX_LABEL)
    except Problem as refusal:
        return refusal.response()
    status = newest(found, branch)
    svg = draw(label or plain(found.name), status)
    etag = f'"{hashlib.sha256(svg.encode()).hexdigest()[:32]}"'
    answer = HttpResponse(svg, content_type="image/svg+xml; charset=utf-8", headers={"ETag": etag})
    # An image proxy asks again each time, and is told in a word that nothing has changed.
    answer["Cache-Control"] = f"{'private, ' if caller.is_known else ''}no-cache, max-age=0"
    patch_vary_headers(answer, ["Authorization", "Cookie"])
    kept = get_conditional_response(request, etag=etag, response=answer)
    return kept if isinstance(kept, HttpResponse) else answer


def newest(project: Project, branch: str | None = None) -> str | None:
    """The status of the newest finished build of `branch`, else of the project's own branch, where it names one, else
    of any that no pull request asked for; None: there is none. What anybody may have proposed says nothing about it,
    nor does what ran elsewhere."""
    builds = project.builds.filter(finished_at__isnull=False).order_by("-id")
    wanted = Q(pull_request__isnull=True, fork=False, outside=False)
    name = project.branch if branch is None else branch
    if name:
        of_branch = Q(branch=name, tag="") | Q(branch="", ref=name)
        if branch is None:  # started with no ref, and not checked out, or on a board where it has no branch
            of_branch |= Q(branch="", tag="", ref="")
        wanted &= of_branch
    for most in (min(LOOKED_AT_FIRST, LOOKED_AT), LOOKED_AT):
        among = Build.objects.filter(wanted, pk__in=builds.values("pk")[:most]).order_by("-id")
        status = among.values_list("status", flat=True).first()
        if status is not None:
            return status
    return None


def draw(label: str, status: str | None) -> SafeString:
    """The SVG. Nothing in it refers to anything outside of it, or needs a style."""
    word = status or NO_BUILDS
    mark = MARKS.get(Status(status)) if status else None
    fill = _FILLS.get(Status(status), _FILLS[Status.CANCELLED]) if status else _FILLS[Status.CANCELLED]
    left, room = width(label) + 2 * _PAD, _MARK if mark else 0
    right = width(word) + 2 * _PAD + room
    text = 'y="14" textLength="{}" lengthAdjust="spacingAndGlyphs"'
    return format_html(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{height}" viewBox="0 0 {total} {height}" '
        'role="img" aria-label="{said}">'
        "<title>{said}</title>"
        '<path fill="{label_fill}" d="M3 0h{left_path}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z"/>'
        '<path fill="{fill}" d="M{left} 0h{right_path}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right_path}z"/>'
        "{mark}"
        '<g fill="#fff" font-family="{font}" font-size="11">'
        '<text x="{pad}" {label_text}>{label}</text><text x="{word_x}" {word_text}>{word}</text></g></svg>',
        total=left + right,
        height=HEIGHT,
        said=f"{label}: {word}",
        label_fill=_LABEL_FILL,
        fill=fill,
        left=left,
        left_path=left - 3,
        right_path=right - 3,
        mark=_drawn(mark, left + _PAD) if mark else "",
        font=_FONT,
        pad=_PAD,
        label=label,
        label_text=mark_safe(text.format(width(label))),  # noqa: S308 - a number in a text of this module
        word_x=left + _PAD + room,
        word=word,
        word_text=mark_safe(text.format(width(word))),  # noqa: S308 - as above
    )


def width(text: str) -> int:
    """About as many pixels as the text is wide at 11 px in the usual face; the image then makes it fit exactly."""
    return round(sum(map(_advance, text)))


def plain(name: str) -> str:
    """A project's name as a label: on one line, nothing invisible, not too long."""
    shown = " ".join("".join(char if char.isprintable() else " " for char in name).split())
    return shown if len(shown) <= MAX_LABEL else f"{shown[: MAX_LABEL - 1]}…"


def snippets(request: HttpRequest, project: Project, path: str) -> list[Snippet]:
    """What to put into another page. `path`: of the badge."""
    image = request.build_absolute_uri(path)
    page = request.build_absolute_uri(project.get_absolute_url())
    name = plain(project.name)
    in_markdown = "".join(f"\\{char}" if char in "\\[]`*_<>&" else char for char in name)
    return [
        Snippet("Markdown", f"[![{in_markdown}]({image})]({page})"),
        Snippet("HTML", f'<a href="{escape(page)}"><img src="{escape(image)}" alt="{escape(name)}"></a>'),
    ]


def is_public(project: Project) -> bool:
    """Whether it is shown to everyone who reaches the board."""
    return settings.BUILDBOARD_PUBLIC and not project.groups.exists()


# --- Inside ---


def _asked(request: HttpRequest, name: str, most: int) -> str | None:
    text = request.GET.get(name)
    if text is None:
        return None
    if not 1 <= len(text) <= most or not text.isprintable() or text.isspace():
        raise Problem(400, f"{name}: expected 1 to {most} printable characters.")
    return text


def _advance(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 12.0
    if char in _NARROW:
        return 4.0
    if char in _WIDE:
        return 11.0
    return 4.0 if char == " " else 7.7 if char.isupper() else 6.8


def _drawn(path: str, x: int) -> SafeString:
    return format_html('<path fill="#fff" fill-rule="evenodd" transform="translate({} 4) scale(.75)" d="{}"/>', x, path)
