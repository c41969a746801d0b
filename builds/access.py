"""Who is asking, and what they may do: one answer for pages, streams, the API and the admin.

A caller is a signed-in user, the user of an API token, or nobody. Tokens are 256 random bits; only their SHA-256 is kept.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.utils import timezone

from .models import ALL_SCOPES, ApiToken, Build, BuildQuerySet, Project, ProjectQuerySet

PREFIX = "bb_"
_USED_EVERY = timedelta(minutes=1)


class BadToken(Exception):
    """The request carries a token, and it is unknown, expired, or its user is deactivated."""


@dataclass(frozen=True)
class Caller:
    user: User | AnonymousUser
    token: ApiToken | None = None

    @property
    def name(self) -> str:
        """As it is shown behind "started by"."""
        if self.token is not None:
            return f"{self.user.get_username()} ({self.token.name or 'API token'})"
        return self.user.get_username()

    @property
    def is_known(self) -> bool:
        return self.user.is_authenticated

    def may_read(self) -> bool:
        return self._has_scope("read")

    def may_start(self) -> bool:
        """Start and retry builds."""
        return self._has_scope("start") and self.user.has_perm("builds.start_build")

    def may_cancel(self) -> bool:
        return self._has_scope("cancel") and self.user.has_perm("builds.cancel_build")

    def projects(self) -> ProjectQuerySet:
        return Project.objects.visible_to(self.user) if self.may_read() else Project.objects.none()

    def builds(self) -> BuildQuerySet:
        return Build.objects.visible_to(self.user) if self.may_read() else Build.objects.none()

    def _has_scope(self, scope: str) -> bool:
        return self.token is None or scope in self.token.scopes.split()


def identify(request: HttpRequest) -> Caller:
    """The caller of `request`, by `Authorization: Bearer TOKEN` where that is sent, else by session. Asks the database.

    `BadToken` where a token is sent and is not good; a bad token is never taken for an anonymous caller.
    """
    header = request.headers.get("Authorization", "")
    if not header:
        return Caller(request.user)
    kind, _, text = header.partition(" ")
    if kind.lower() != "bearer":
        raise BadToken("expected Authorization: Bearer TOKEN")
    return _by_token(text.strip())


def new_token(user: User, name: str = "", *, scopes: tuple[str, ...] = ALL_SCOPES, days: int | None = None) -> str:
    """A new token of `user`, to be shown once: only its digest is kept. `days`: until it expires; None: never."""
    unknown = set(scopes) - set(ALL_SCOPES)
    if unknown:
        raise ValueError(f"unknown scopes {sorted(unknown)}; expected some of {list(ALL_SCOPES)}")
    text = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        user=user,
        name=name[:100],
        digest=digest(text),
        scopes=" ".join(scopes),
        expires_at=timezone.now() + timedelta(days=days) if days else None,
    )
    return text


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _by_token(text: str) -> Caller:
    token = ApiToken.objects.select_related("user").filter(digest=digest(text)).first()
    now = timezone.now()
    if token is None or not token.user.is_active or (token.expires_at is not None and token.expires_at <= now):
        raise BadToken("this API token is unknown or expired, or its user is deactivated")
    if token.last_used_at is None or now - token.last_used_at > _USED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return Caller(token.user, token)
