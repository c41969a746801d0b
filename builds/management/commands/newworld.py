"""`manage.py newworld`: what has to follow whenever a database was restored, however it was done.

`manage.py restore` does it by itself.
"""

import time
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now

from builds import lifecycle, worlds
from builds.management import backups
from builds.management.backups import Unusable
from builds.models import ApiToken, Worker

from .backup import refuse_no_board
from .up import only_board

_LIVING_SECONDS = 60
_LISTEN_SECONDS = 2.5
"""A worker that lives gives a sign of it every second; the rows of a backup do not."""
_MOST_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Begin a new world in a database that was restored from a backup by other means than manage.py restore: "
        "its running builds are lost, its queued ones cancelled, and all cursors void. No worker may run meanwhile."
    )
    requires_system_checks: list[str] = []  # type: ignore[assignment]

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def handle(self, **options: Any) -> None:
        refuse_no_board()
        with only_board("A new world is being begun in this board's database"):
            try:
                told = begin(options, is_alone=False)
            except Unusable as error:
                raise CommandError(str(error)) from error
        self.stdout.write("\n".join(told))


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--keep-queued", action="store_true", help="queued builds stay queued (they may have run since the backup)"
    )
    parser.add_argument(
        "--next-build",
        type=int,
        metavar="N",
        help="the number of the next build (default: above all that may have been given since the backup)",
    )
    parser.add_argument("--end-sessions", action="store_true", help="everyone has to sign in again")


def begin(options: dict[str, Any], *, is_alone: bool, reached: int | None = None) -> list[str]:
    """Migrate the database to this version and begin a new world in it: what to tell people, in sentences.

    `is_alone`: it is known that no worker uses it. `reached`: the last number of a build in the database that this one
    replaces, where that is known. `Unusable`: no world was begun; while workers use it, it is not migrated either.
    """
    backups.refuse_newer(MigrationRecorder(connection).applied_migrations().keys(), "The database")
    if not is_alone and (living := _beating()):
        raise Unusable(f"Workers use this database: {', '.join(living)}. Stop them first, on every machine.")
    call_command("migrate", interactive=False, verbosity=0)
    wanted = options["next_build"]
    if wanted is None and reached is not None:
        wanted = max(reached, worlds.last_number()) + 1
    try:
        renewal = worlds.renew(keep_queued=options["keep_queued"], next_build=wanted)
    except lifecycle.Refused as refusal:
        raise Unusable(f"--next-build: {refusal}") from refusal
    if options["end_sessions"]:
        Session.objects.all().delete()
    return [*_told(renewal), *_rights(ended=options["end_sessions"])]


def _told(renewal: worlds.Renewal) -> list[str]:
    moment = f"as of {renewal.as_of:%Y-%m-%d %H:%M:%S} UTC" if renewal.as_of else "without a build"
    said = [f"This is world {renewal.world} now, {moment}."]
    for builds, what in (
        (renewal.lost, "was running, and is lost"),
        (renewal.cancelled, "was queued, and is cancelled: start it again if it has not run since"),
        (renewal.kept, "is queued, and will run: cancel it if it has run since"),
    ):
        said += [f"Build {number} of {slug} {what}." for number, slug in builds[:_MOST_SHOWN]]
        if len(builds) > _MOST_SHOWN:
            said.append(f"… and {len(builds) - _MOST_SHOWN} more like it.")
    return [*said, f"The next build is number {renewal.next_build}."]


def _rights(*, ended: bool) -> list[str]:
    """What was revoked since the backup is not revoked in it."""
    tokens = ApiToken.objects.count()
    return [
        "Everyone has to sign in again." if ended else "Who was signed in then is signed in now.",
        f"Passwords, permissions and API tokens ({tokens}) are those of then: revoke again what was revoked since.",
    ]


def _beating() -> list[str]:
    """Names of the workers that are at work."""
    before = _renewals()
    if not before:
        return []
    time.sleep(_LISTEN_SECONDS)
    now = _renewals()
    return sorted(name for name, renewal in now.items() if renewal != before.get(name))


def _renewals() -> dict[str, int]:
    """By name. Asked before the database is migrated, so only for what its first version had already."""
    if Worker._meta.db_table not in connection.introspection.table_names():
        return {}
    seen = Worker.objects.filter(seen_at__gt=Now() - timedelta(seconds=_LIVING_SECONDS))
    return dict(seen.values_list("name", "renewal"))
