"""What operations share: the project or build that is named, rights, one-time keys, answers."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Header
from ninja.responses import Response
from pydantic import Field

from ... import lifecycle
from ...access import Caller
from ...inputs import InputError
from ...models import Build, Project
from ..door import STRANGER
from ..problems import Problem

_KEY_NOTE = "One-time key, 1 to 255 printable characters: asked again with it, the same build is answered."

Row = TypeVar("Row", bound=Model)
Key = Annotated[str | None, Header(None, alias="Idempotency-Key", description=_KEY_NOTE)]
Number = Annotated[int, Field(ge=1, lt=2**63)]


def caller(request: HttpRequest) -> Caller:
    return request.auth


def project(who: Caller, slug: str, *, reading: bool = False) -> Project:
    """`Problem` 404. A token that may only start has to find the project too, without reading it."""
    visible = who.projects() if reading else Project.objects.visible_to(who.user)
    found = visible.filter(slug=slug).first()
    if found is None:
        raise no_project(slug)
    return found


def inside(who: Caller, slug: str) -> Project:
    """One that `who` reads more of than a public board shows: what starts it, and what it keeps. `Problem` 404; 401 for
    nobody who is known, who is told neither that there is something nor that there is nothing."""
    found = project(who, slug, reading=True)
    if not who.is_known:
        raise Problem(401, STRANGER)
    return found


def no_project(slug: str) -> Problem:
    return Problem(404, f"There is no project {slug!r} that you may see.")


def build(who: Caller, build_id: int, *, reading: bool = False) -> Build:
    """`Problem` 404. A token that may only cancel or start has to find the build too, without reading it."""
    visible = who.builds() if reading else Build.objects.visible_to(who.user)
    found = visible.select_related("project").filter(pk=build_id).first()
    if found is None:
        raise Problem(404, f"There is no build {build_id} that you may see.")
    return found


def told(who: Caller, builds: Sequence[Build]) -> list[dict[str, Any]]:
    """What is told of each build: its data, with `parent` where that is one that `who` may see."""
    parents = {one.parent_id for one in builds if one.parent_id}
    seen = set(who.builds().filter(pk__in=parents).values_list("pk", flat=True)) if parents else set()
    return [one.data() | {"parent": one.parent_id if one.parent_id in seen else None} for one in builds]


def require(who: Caller, allowed: bool, scope: str, what: str) -> None:
    """`Problem` 403 where it is not `allowed`; it says whether the token's `scope` or the user's rights are short. 401
    for nobody who is known: signed in they might."""
    if allowed:
        return
    if not who.is_known:
        raise Problem(401, STRANGER)
    if who.token is not None and scope not in who.token.scopes.split():
        raise Problem(403, f"This API token has no scope {scope!r}.")
    raise Problem(403, f"{who.user.get_username()} may not {what}.")


def refused(status: int, refusal: lifecycle.Refused) -> Problem:
    if isinstance(refusal.__cause__, InputError):
        wrong = [
            {"at": f"inputs.{one.name}" if one.name else "inputs", "expected": one.text}
            for one in refusal.__cause__.all
        ]
        return Problem(status, str(refusal), errors=wrong)
    if isinstance(refusal, lifecycle.BadRef):
        return Problem(status, str(refusal), errors=[{"at": "ref", "expected": str(refusal).removeprefix("ref: ")}])
    known = {lifecycle.QueueFull: 429, lifecycle.ProjectGone: 404}
    return Problem(known.get(type(refusal), status), str(refusal))


def request_key(who: Caller, key: str | None) -> str | None:
    """Keys of different users are different keys: nobody is answered another's build."""
    if key is None:
        return None
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        wrong = {"at": "Idempotency-Key", "expected": "expected 1 to 255 printable ASCII characters"}
        raise Problem(422, f"{wrong['at']}: {wrong['expected']}.", errors=[wrong])
    return hashlib.sha256(f"{who.user.pk}:{key}".encode()).hexdigest()


def answer(data: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """As it is: a field that is added to the data of a build is in the answer, too."""
    return Response(data, status=status)


def newest(request: HttpRequest, rows: QuerySet[Row], limit: int) -> tuple[list[Row], str | None]:
    """Up to `limit` of `rows`, which begin with the newest, and the address of the page of older ones, if any."""
    page = list(rows[: limit + 1])
    return page[:limit], following(request, before=page[limit - 1].pk) if len(page) > limit else None


def following(request: HttpRequest, **place: object) -> str:
    """The address of the page that begins at `place`, and is asked for as this one is."""
    query = request.GET.copy()
    for name, value in place.items():
        query[name] = str(value)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")


def started(request: HttpRequest, found: Build, **more: Any) -> HttpResponse:
    """201: where to look at the build."""
    said = {
        "id": found.pk,
        "status": str(found.status),
        "url": request.build_absolute_uri(found.get_absolute_url()),
        "events_url": request.build_absolute_uri(reverse("build-events", args=[found.pk])),
    }
    made = answer(said | more, 201)
    made["Location"] = request.build_absolute_uri(reverse("api:build", args=[found.pk]))
    return made
