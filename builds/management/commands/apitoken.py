"""`manage.py apitoken USERNAME`: a new API token on stdout, and nothing else. It cannot be shown again."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from builds import access
from builds.models import ALL_SCOPES

_MOST_DAYS = 36_500


class Command(BaseCommand):
    help = "Print a new API token, once. It has its user's rights, as far as its scopes allow."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", metavar="USERNAME")
        parser.add_argument("--name", default="", metavar="N", help="what it is for, up to 100 characters")
        parser.add_argument(
            "--scope",
            action="append",
            choices=ALL_SCOPES,
            help="what it is good for; may be given several times (default: all of them)",
        )
        parser.add_argument("--days", type=int, metavar="D", help="until it expires (default: never)")

    def handle(self, *, username: str, name: str, scope: list[str] | None, days: int | None, **_: Any) -> None:
        if days is not None and not 1 <= days <= _MOST_DAYS:
            raise CommandError(f"--days {days}: expected 1 to {_MOST_DAYS}.")
        if len(name) > 100 or not name.isprintable():
            raise CommandError("--name: expected up to 100 printable characters.")
        user = User.objects.filter(username=username).first()
        if user is None:
            names = list(User.objects.order_by("username").values_list("username", flat=True)[:20])
            raise CommandError(f"There is no user {username!r}. Users: {', '.join(names) or 'none'}.")
        if not user.is_active:
            raise CommandError(f"The user {username!r} is deactivated; a token of theirs would be refused.")
        scopes = tuple(word for word in ALL_SCOPES if scope is None or word in scope)
        self.stdout.write(access.new_token(user, name, scopes=scopes, days=days))
