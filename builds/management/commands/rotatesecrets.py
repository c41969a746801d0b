"""`manage.py rotatesecrets`: everything that is stored sealed, sealed anew with the newest key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from builds import rotation

_MOST_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Seal all secrets anew with the first key of BUILDBOARD_SECRETS_KEYS. While everything runs, and as often as "
        "you like; then the former keys can go. Exits with 1 where one cannot be read."
    )

    def handle(self, **_: Any) -> None:
        lost: list[str] = []
        for done in rotation.rotate():
            self.stdout.write(f"{done.column}: {done.resealed:,} sealed anew, {done.newest:,} had the newest key.")
            lost += done.unreadable
        if lost:
            named = ", ".join(lost[:_MOST_SHOWN]) + (
                f" and {len(lost) - _MOST_SHOWN:,} more" * (len(lost) > _MOST_SHOWN)
            )
            raise CommandError(
                f"{len(lost):,} cannot be read, and stay as they are: {named}. None of this board's keys has sealed "
                "them: give it the former key again (BUILDBOARD_SECRETS_KEYS, SECRET_KEY_FALLBACKS), or write it anew."
            )
