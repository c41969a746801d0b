"""`manage.py setsecret SLUG NAME`: keep what comes on stdin as a secret of a project."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from builds import safe

from ._person import by_command
from ._project import project_of


class Command(BaseCommand):
    help = (
        "Keep a secret of a project; its value comes on stdin, or is asked for on a terminal, and never stands on the "
        "command line. A line feed at the end of a single line is not part of it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help="the project's name in addresses")
        parser.add_argument("name", metavar="NAME", help="capital letters, digits and _")
        forks = parser.add_mutually_exclusive_group()
        forks.add_argument(
            "--forks", action="store_true", default=None, help="also given to builds of pull requests from forks"
        )
        forks.add_argument("--no-forks", action="store_false", dest="forks", help="not given to those (the default)")
        parser.add_argument(
            "--branches", metavar="GLOBS", help="given to builds of such branches alone: 'main release/*'; '': of any"
        )
        parser.add_argument("--delete", action="store_true", help="delete it; nothing is read")

    def handle(self, *, slug: str, name: str, forks: bool | None, branches: str | None, delete: bool, **_: Any) -> None:
        project = project_of(slug)
        if delete:
            if not safe.remove(project, name):
                raise CommandError(f"The project {slug} has no secret {name!r}.")
            self.stdout.write(f"{name} of {slug} is deleted.")
            return
        try:
            safe.check_name(name)  # before anybody is asked for a value
            new = safe.put(project, name, _value(), by=by_command(), for_forks=forks, branches=branches)
        except safe.BadSecret as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"{name} of {slug} {'is kept' if new else 'has a new value'}.")


def _value() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Value (not shown): ")
    try:
        value = sys.stdin.read(safe.MAX_BYTES + 1).replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise CommandError("stdin: expected text in UTF-8.") from None
    return value.removesuffix("\n") if value.count("\n") == 1 else value
