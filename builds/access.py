"""Who is asking, and what they may do: one answer for pages, streams, the API and the admin.

A caller is a signed-in user, the user of an API token, or nobody. Tokens are 256 random bits, kept as their SHA-256.
"""

import contextlib
import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

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

    def may_keep(self) -> bool:
        """Say that a build's log is never pruned, and take that back."""
        return self._has_scope("keep") and self.user.has_perm("builds.keep_build")

    def may_write_secrets(self) -> bool:
        """Write, replace and delete them, and see their names: of projects that it may see. No value is ever told."""
        return self._has_scope("secrets") and self.user.has_perm("builds.change_project")

    def may_change_targets(self) -> bool:
        """See and change who is told of a project's builds, and what is on its way to them. No secret is ever told."""
        return self._has_scope("targets") and self.user.has_perm("builds.change_project")

    def may_change_projects(self) -> bool:
        """Change them, and delete their caches: of projects that it may see."""
        return self._has_scope("projects") and self.user.has_perm("builds.change_project")

    def may_add_projects(self) -> bool:
        return self._has_scope("projects") and self.user.has_perm("builds.add_project")

    def may_delete_projects(self) -> bool:
        """Those without builds."""
        return self._has_scope("projects") and self.user.has_perm("builds.delete_project")

    def may_change_starts(self) -> bool:
        """Change what starts a project's builds by itself: its webhook, its schedules, what it comes after."""
        return self._has_scope("start") and self.user.has_perm("builds.change_project")

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
    if kind.lower() == "basic" and request.user.is_authenticated:  # of a proxy before the board, beside the session
        return Caller(request.user)
    if kind.lower() != "bearer":
        raise BadToken("expected Authorization: Bearer TOKEN")
    return _by_token(text.strip())


@dataclass(frozen=True, slots=True)
class Standing:
    """What a long answer to a caller rests on, kept so that it can be asked again: ids only, no model."""

    user: int | None
    session: str | None = None
    """The session's key and the hash of the password that it was opened with; None for a token, or nobody."""
    session_hash: str = ""
    token: int | None = None


def standing(request: HttpRequest, caller: Caller) -> Standing:
    if caller.token is not None:
        return Standing(caller.user.pk, token=caller.token.pk)
    if not caller.is_known:
        return Standing(None)
    return Standing(caller.user.pk, request.session.session_key, request.session.get(HASH_SESSION_KEY, ""))


def visible_projects(standings: Collection[Standing]) -> dict[Standing, frozenset[int]]:
    """The ids of the projects that each may still see, in a handful of queries whatever their number.

    Absent: it has ended (signed out, session or token expired or revoked, password changed, user deactivated).
    """
    now = timezone.now()
    ids = {one.user for one in standings if one.user is not None}
    users = {user.pk: user for user in User.objects.filter(pk__in=ids, is_active=True).prefetch_related("groups")}
    keys = [one.session for one in standings if one.session is not None]
    sessions = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=now).values_list("session_key", flat=True)
    )
    tokens = {
        token.pk: token for token in ApiToken.objects.filter(pk__in=[one.token for one in standings if one.token])
    }
    groups = _groups_of_projects()
    found = {}
    for one in standings:
        user = users.get(one.user) if one.user is not None else None
        if one.user is not None and (user is None or not _stands(one, user, sessions, tokens)):
            continue
        found[one] = _visible(user, groups)
    return found


def _stands(one: Standing, user: User, sessions: set[str], tokens: dict[int, ApiToken]) -> bool:
    if one.token is not None:
        token = tokens.get(one.token)
        if token is None or (token.expires_at is not None and token.expires_at <= timezone.now()):
            return False
        return Caller(user, token).may_read()
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return one.session in sessions and any(constant_time_compare(one.session_hash, known) for known in hashes)


def _groups_of_projects() -> dict[int, set[int]]:
    """Every project's id, and those of the groups that alone may see it."""
    groups: dict[int, set[int]] = {}
    for project, group in Project.objects.order_by().values_list("pk", "groups"):
        groups.setdefault(project, set()).update([group] if group is not None else [])
    return groups


def _visible(user: User | None, groups: dict[int, set[int]]) -> frozenset[int]:
    """As `ProjectQuerySet.visible_to` has it; a test holds the two together."""
    if user is not None and user.is_superuser:
        return frozenset(groups)
    if user is None:
        return frozenset(pk for pk, only in groups.items() if not only and settings.BUILDBOARD_PUBLIC)
    own = {group.pk for group in user.groups.all()}
    return frozenset(pk for pk, only in groups.items() if not only or only & own)


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
        # Only a note for people: no reader is turned away for it, or waits until another has written.
        with contextlib.suppress(DatabaseError), getattr(connection, "without_waiting", contextlib.nullcontext)():
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return Caller(token.user, token)
