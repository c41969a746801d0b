"""What webhooks deliver, and what became of it: starts what is asked for, once, and remembers why nothing was.

The only writer of `Delivery`. Whoever calls has verified the signature; what is not verified is only `refuse`d.
"""

import hashlib
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from . import hooks, lifecycle, recipe, vault
from .hooks import Envelope, Ignored, Wanted
from .models import Build, Delivery, Hook, Project, patterns
from .recipe import globs

KEPT_REFUSED = 100
"""Of each project, so many that were refused are remembered at most: strangers push out no others."""
REFUSED_A_MINUTE = 20
"""And so many new ones a minute: strangers write no more than that into the database."""


def hook_of(slug: str) -> Hook | None:
    """Of the project that has this name in addresses; None: there is no such project, or it takes no webhooks."""
    return Hook.objects.select_related("project").filter(project__slug=slug).first()


def newest(project: Project, before: int | None = None) -> QuerySet[Delivery]:
    """What was delivered to `project`, newest first. `before`: only those with a lower id."""
    found = Delivery.objects.filter(project=project).select_related("build").defer("build__recipe").order_by("-id")
    return found.filter(pk__lt=before) if before is not None else found


def make_secret(project: Project, *, by: str) -> str:
    """The project's new secret, to be shown once: it is kept sealed. One that it had before is good for nothing now."""
    made, sealed = new_secret()
    fresh = {"secret": sealed, "made_at": timezone.now(), "made_by": by[:150]}
    Hook.objects.update_or_create(project=project, defaults=fresh)
    return made


def new_secret() -> tuple[str, str]:
    """A secret, as it is shown once, and as it is kept."""
    made = hooks.new_secret()
    return made, vault.seal(made)


def take(hook: Hook, envelope: Envelope, asked: Wanted | Ignored, address: str = "") -> Delivery:
    """Start what is asked for, if it is to be built and the same delivery has not started it before.

    Also when two of the same come at the same instant: the build's request key and the row are each unique, and both
    are in one transaction. `lifecycle.Refused` is remembered, and raised again; `ProjectGone` only the latter.
    """
    if isinstance(asked, Ignored):
        return _remember(hook, envelope, "ignored", asked.why, address=address)
    why = why_not(hook, asked)
    if why:
        return _remember(hook, envelope, "ignored", why, asked, address=address)
    made = _repeated(hook, envelope, asked, address) or _start(hook, envelope, asked, address)
    if made.build is not None and _supersedes(hook):
        lifecycle.supersede(made.build)
    return made


def why_not(hook: Hook, wanted: Wanted) -> str:
    """Why what is asked for is not built, in a sentence; empty: it is."""
    source = wanted.source
    skipped = hooks.why_skipped(wanted.message)
    if skipped:
        return skipped
    if source.trigger == "tag" and not hook.tags:
        return "This project builds no tags."
    if source.pull_request is not None:
        if not hook.pull_requests:
            return "This project builds no pull requests."
        if source.fork and not hook.forks:
            return "It is from a fork: such pull requests are not built unless the project's webhook allows them."
    if source.branch and hook.branches and not globs.any_of(patterns(hook.branches), source.branch):
        return f"The branch {source.branch} is none of those that are built ({hook.branches})."
    on = triggers(hook.project)
    if on is not None and not on.starts(source.trigger, branch=source.branch, tag=source.tag):
        return f"The recipe's 'on' leaves out {wanted.ref}."
    return ""


def triggers(project: Project) -> recipe.Triggers | None:
    """What its recipe says of news, as far as that is known before a checkout. None: nothing."""
    if project.repository:
        return None  # each commit has a recipe of its own, which may say something else
    try:
        return recipe.parse(project.known_recipe).on
    except recipe.RecipeError:
        return None  # starting says so


def refuse(hook: Hook, envelope: Envelope, why: str, address: str = "") -> None:
    """Remember one that is not taken. Of what is not verified nothing is kept but its headers' numbers."""
    since = timezone.now() - timedelta(minutes=1)
    refused = Delivery.objects.filter(project=hook.project, outcome="refused")
    if refused.filter(received_at__gte=since).count() < REFUSED_A_MINUTE:
        _remember(hook, envelope, "refused", why, address=address)


# --- Inside ---


def _supersedes(hook: Hook) -> bool:
    on = triggers(hook.project)
    return hook.supersede or (on is not None and on.cancel_superseded)


def _repeated(hook: Hook, envelope: Envelope, wanted: Wanted, address: str) -> Delivery | None:
    before = Delivery.objects.filter(
        project=hook.project, forge=envelope.forge, delivery=envelope.delivery, outcome="started"
    )
    first = before.select_related("build").first()
    if first is None:
        return None
    number = f"build {first.build_id}" if first.build_id else "a build that is deleted"
    why = f"The same delivery has started {number} before."
    return _remember(hook, envelope, "repeated", why, wanted, build=first.build, address=address)


def _start(hook: Hook, envelope: Envelope, wanted: Wanted, address: str) -> Delivery:
    by = f"{wanted.sender} ({envelope.name})" if wanted.sender else envelope.name
    key = hashlib.sha256(f"{envelope.forge}:{envelope.delivery}".encode()).hexdigest()[:58]
    try:
        with transaction.atomic():
            build = lifecycle.enqueue(
                hook.project,
                by=by,
                ref=wanted.ref,
                source=wanted.source,
                inputs=wanted.inputs,
                request_key=f"hook:{key}",
            )
            return _remember(hook, envelope, "started", "", wanted, build=build, address=address)
    except lifecycle.ProjectGone:
        raise  # and with it all that was delivered
    except lifecycle.Refused as refusal:
        _remember(hook, envelope, "refused", str(refusal), wanted, address=address)
        raise
    except IntegrityError:
        found = _repeated(hook, envelope, wanted, address)  # the other of two was faster
        if found is None:
            raise
        return found


def _remember(
    hook: Hook,
    envelope: Envelope,
    outcome: str,
    why: str,
    wanted: Wanted | None = None,
    *,
    build: Build | None = None,
    address: str = "",
) -> Delivery:
    made = Delivery.objects.create(
        project=hook.project,
        forge=envelope.forge,
        delivery=envelope.delivery,
        event=envelope.event,
        outcome=outcome,
        why=why[:500],
        build=build,
        ref=wanted.ref if wanted else "",
        commit=wanted.source.commit if wanted else "",
        sender=wanted.sender[:150] if wanted else "",
        address=address[:45],
    )
    _prune(hook.project, outcome)
    return made


def _prune(project: Project, outcome: str) -> None:
    """Forget the oldest ones beyond the bounds, with each new one: of those that were refused, or of the others."""
    refused = outcome == "refused"
    rows = Delivery.objects.filter(project=project)
    rows = rows.filter(outcome="refused") if refused else rows.exclude(outcome="refused")
    most = KEPT_REFUSED if refused else settings.BUILDBOARD_KEEP_DELIVERIES
    newest = list(rows.order_by("-id").values_list("pk", flat=True)[most : most + 1])
    if newest:
        rows.filter(pk__lte=newest[0]).delete()
    if settings.BUILDBOARD_KEEP_DAYS:
        rows.filter(received_at__lt=timezone.now() - timedelta(days=settings.BUILDBOARD_KEEP_DAYS)).delete()
