"""`/hooks/<slug>/`: what forges deliver. Anonymous: the signature is who it is from.

Whoever does not know a project's secret gets one answer, whether there is such a project, whether it takes webhooks,
and whatever was wrong. The project's page of deliveries says it to those who may see that.
"""

import time

from django.conf import settings
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from .. import deliveries, hooks, lifecycle, vault
from ..hooks import BadPayload, Envelope, Forged
from ..models import Delivery, Hook
from .problems import Problem, problem

STRANGER = "There is no such webhook, or its secret is another: a project's page of deliveries says which."
_NOBODYS = hooks.new_secret()
"""Signatures for projects that take no webhooks are compared with this one's: that takes as long, and never fits."""


@csrf_exempt
def hook(request: HttpRequest, slug: str) -> HttpResponse:
    """201 and the build that it started; 200 and why it started none."""
    if request.method != "POST":
        return problem(405, f"{request.method} is not possible here; expected POST.", headers={"Allow": "POST"})
    try:
        made = _received(request, slug)
    except Problem as refusal:
        return refusal.response()
    said = {"outcome": made.outcome, "why": made.why, "build": made.build_id}
    if made.build is not None:
        said["url"] = request.build_absolute_uri(made.build.get_absolute_url())
    answer = JsonResponse(said, status=201 if made.outcome == "started" else 200)
    answer["Cache-Control"] = "no-store"
    return answer


def _received(request: HttpRequest, slug: str) -> Delivery:
    body = _body(request)
    try:
        envelope = hooks.read_envelope(request.headers, body)
    except hooks.Unknown as error:
        raise Problem(400, str(error)) from error
    found = _verified(request, slug, envelope, body)
    address = request.META.get("REMOTE_ADDR", "")
    try:
        payload = hooks.read_payload(envelope.forge, request.headers.get("Content-Type", ""), body)
        asked = hooks.read(envelope, payload)
    except BadPayload as error:
        deliveries.refuse(found, envelope, str(error), address)
        raise Problem(400, str(error)) from error
    try:
        return deliveries.take(found, envelope, asked, address)
    except (lifecycle.ProjectGone, IntegrityError) as gone:
        if deliveries.hook_of(slug) is not None:
            raise
        raise Problem(401, STRANGER) from gone  # it was deleted meanwhile, and with it whom to tell of this
    except lifecycle.QueueFull as refusal:
        raise Problem(429, str(refusal)) from refusal
    except lifecycle.Refused as refusal:
        raise Problem(422 if found.project.enabled else 409, str(refusal)) from refusal


def _body(request: HttpRequest) -> bytes:
    """At most what is allowed: the doorman (`buildboard/asgi.py`) hands on nothing of what is longer."""
    most = settings.BUILDBOARD_MAX_HOOK_KB * 1024
    length = request.headers.get("Content-Length", "")
    if length.isdigit() and int(length[:20]) > most or len(body := request.read(most + 1)) > most:
        raise Problem(413, f"The body is larger than {settings.BUILDBOARD_MAX_HOOK_KB:,} KiB.")
    return body


def _verified(request: HttpRequest, slug: str, envelope: Envelope, body: bytes) -> Hook:
    found = deliveries.hook_of(slug)
    address = request.META.get("REMOTE_ADDR", "")
    try:
        secret = vault.unseal(found.secret) if found else _NOBODYS
        hooks.verify(envelope, request.headers, body, secret, time.time())
    except (Forged, vault.Unreadable) as error:
        if found:
            deliveries.refuse(found, envelope, str(error), address)
        raise Problem(401, STRANGER) from error
    if found is None:
        raise Problem(401, STRANGER)
    return found
