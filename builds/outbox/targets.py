"""Targets as people and programs make them: each checked by what its kind needs, their secrets sealed, and removed."""

import re
from base64 import b64decode
from collections.abc import Collection
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from .. import vault
from ..models import FORGES, TARGET_KINDS, Target
from .places import NoPlace, place_of
from .rules import NEWS, RuleError, joined_branches

NAMES = {
    "github": "GitHub",
    "gitlab": "GitLab",
    "gitea": "Gitea or Forgejo",
    "webhook": "Webhook",
    "mail": "Mail",
    "slack": "Slack",
    "matrix": "Matrix",
}
"""What people call the kinds, in the order in which they are offered."""
MOST_TARGETS = 50
"""Of one project."""
MOST_RECIPIENTS = 20
MOST_SECRET = 2_000
_SET = (
    *("name", "enabled", "address", "place", "label", "tells", "branches", "pull_requests"),
    *("secret", "secret_for"),
)
_KEPT = "It was given for another address: expected it once more for this one."
_ROOM = re.compile(r"!\S{1,254}\Z")
_NAME_EXPECTED = "expected 1 to 100 printable characters"


class BadTarget(ValueError):
    """`wrong`: what is wrong with which field, in sentences, by the fields' names; `secret` is one of them."""

    def __init__(self, wrong: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {text}" for field, text in wrong.items()))
        self.wrong = wrong


def check(target: Target, secret: str | None = None) -> str:
    """Bring it into the form in which it is kept. `secret`: a new one; None: the one that it has stays. `BadTarget`.

    Of a forge: the address of the API that its token goes to.
    """
    before = Target.objects.filter(pk=target.pk).first() if target.pk else None
    wrong: dict[str, str] = {}
    _check_common(target, before, wrong)
    api = ""
    if target.kind in TARGET_KINDS:
        {"webhook": _webhook, "mail": _mail, "slack": _slack, "matrix": _matrix}.get(target.kind, _forge)(target, wrong)
        if target.is_forge and not wrong:
            api = _api(target, wrong)
        if text := _wrong_secret(target, before, secret, api):
            wrong["secret"] = text
    if wrong:
        raise BadTarget(wrong)
    return api


def save(target: Target, secret: str | None = None) -> None:
    """Store it as it is now, if it is good: see `check`. Of one that is there, only if it still has the secret that it
    was read with: another's would go where this one went."""
    secret, known = secret.strip() if secret else None, target.secret
    api = check(target, secret)
    if secret is not None:
        target.secret, target.secret_for = vault.seal(secret), api
    if target.pk is None:
        target.save()
    elif not Target.objects.filter(pk=target.pk, secret=known).update(**{name: getattr(target, name) for name in _SET}):
        raise BadTarget({"target": "It was changed or deleted meanwhile: look at it again."})


def needs_secret(kind: str) -> bool:
    return kind != "mail"


# --- Inside ---


def _check_common(target: Target, before: Target | None, wrong: dict[str, str]) -> None:
    if target.kind not in TARGET_KINDS:
        wrong["kind"] = f"Expected one of {', '.join(TARGET_KINDS)}."
        return
    if before is None and Target.objects.filter(project=target.project_id).count() >= MOST_TARGETS:
        wrong["name"] = f"A project has up to {MOST_TARGETS} of them. Delete one that is not needed any more."
    if before is not None and before.kind != target.kind:
        wrong["kind"] = "It cannot become another kind: make a new one."
    named = Target.objects.filter(project=target.project_id).exclude(pk=target.pk).values_list("name", flat=True)
    others = set(named) if target.project_id else set()
    target.name = target.name.strip() or _free(NAMES[target.kind], others)
    if target.name in others and (before is None or before.name != target.name):
        wrong["name"] = (
            "The project has a target of that name: expected another, so that their messages are told apart."
        )
    if len(target.name) > 100 or not target.name.isprintable():
        wrong["name"] = f"{_NAME_EXPECTED.capitalize()}."
    told = target.tells.split()
    if unknown := [word for word in told if word not in NEWS]:
        wrong["tells"] = f"{unknown[0][:40]!r} is nothing to be told of; expected some of {', '.join(NEWS)}."
    elif not told and not target.is_forge:
        wrong["tells"] = "It would be told nothing: expected one at least."
    target.tells = "" if target.is_forge else " ".join(word for word in NEWS if word in told)
    try:
        target.branches = joined_branches(target.branches)
    except RuleError as error:
        wrong["branches"] = f"{str(error)[0].upper()}{str(error)[1:]}."
    if target.kind not in FORGES:
        if target.label:
            wrong["label"] = "Only the status of a commit has one."
        if target.place and target.kind != "matrix":
            wrong["place"] = "This kind has none."


def _free(name: str, taken: Collection[str]) -> str:
    """`Slack`, else `Slack 2`, `Slack 3` …"""
    tries = (name, *(f"{name} {number}" for number in range(2, len(taken) + 2)))
    return next(one for one in tries if one not in taken)


def _webhook(target: Target, wrong: dict[str, str]) -> None:
    target.address = _url(target.address, "address", wrong, https=False)


def _slack(target: Target, wrong: dict[str, str]) -> None:
    if target.address:
        wrong["address"] = "Of Slack the whole address is a secret: give it as such."


def _matrix(target: Target, wrong: dict[str, str]) -> None:
    target.address = _url(target.address, "address", wrong).rstrip("/")
    target.place = target.place.strip()
    if not _ROOM.match(target.place):
        wrong["place"] = "Expected the room's id, such as !abc:example.org (its settings tell, under Advanced)."


def _forge(target: Target, wrong: dict[str, str]) -> None:
    target.address = _url(target.address, "address", wrong).rstrip("/") if target.address.strip() else ""
    target.place, target.label = target.place.strip().strip("/"), target.label.strip()
    if len(target.label) > 100 or not target.label.isprintable():
        wrong["label"] = f"{_NAME_EXPECTED.capitalize()}, or none."


def _mail(target: Target, wrong: dict[str, str]) -> None:
    found = [part.strip() for part in target.address.split(",") if part.strip()]
    target.address = ", ".join(found)
    if not 1 <= len(found) <= MOST_RECIPIENTS or len(target.address) > 500:
        wrong["address"] = f"Expected 1 to {MOST_RECIPIENTS} addresses, separated by commas, 500 characters in all."
    for one in found:
        try:
            validate_email(one)
        except ValidationError:
            wrong["address"] = f"{one[:80]!r} is no address; expected some such as team@example.org."


def _url(text: str, field: str, wrong: dict[str, str], *, https: bool = True) -> str:
    """`https`: a token goes there, so that nobody on the way may read along."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        good = bool(parts.hostname) and parts.port != 0 and not parts.username and not parts.fragment
    except ValueError:
        parts, good = None, False
    good = good and len(text) <= 500 and text.isascii() and text.isprintable() and " " not in text
    if not good or parts is None or parts.scheme not in ("https", "http"):
        wrong[field] = "Expected an address such as https://host/path, without a user in it."
    elif https and parts.scheme != "https" and not settings.BUILDBOARD_OUTBOX_ALLOW_PRIVATE:
        wrong[field] = "Expected https://: a token goes there."
    return text


def _api(target: Target, wrong: dict[str, str]) -> str:
    try:
        return place_of(target).api
    except NoPlace as error:
        wrong["place" if "repository is meant" in str(error) else "address"] = str(error)
        return ""


def _wrong_secret(target: Target, before: Target | None, secret: str | None, api: str) -> str:
    if not needs_secret(target.kind):
        return "This kind has none." if secret else ""
    if secret is None:
        if not target.secret:
            return "Expected one."
        moved = target.kind == "matrix" and before is not None and before.address != target.address
        # Else whoever may change it could have it sent to a server of their own.
        return _KEPT if moved or (api and target.secret_for != api) else ""
    if target.kind == "slack":
        wrong: dict[str, str] = {}
        _url(secret, "secret", wrong)
        return wrong.get("secret", "")
    if target.kind == "webhook":
        return "" if _is_signing_key(secret) else "Expected whsec_ and 24 to 64 bytes in Base64 (Standard Webhooks)."
    if len(secret) > MOST_SECRET or not secret.isascii() or not secret.isprintable() or " " in secret:
        return "Expected a token: printable ASCII characters without spaces."
    return ""


def _is_signing_key(secret: str) -> bool:
    try:
        return secret.startswith("whsec_") and 24 <= len(b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    except ValueError:
        return False
