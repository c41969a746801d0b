"""`manage.py checkrecipe FILE…`: every error of a recipe with its line, before anyone starts a build of it."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from builds import recipe

STDIN = "-"


class Command(BaseCommand):
    help = "Check recipes: tells every error as FILE:LINE: MESSAGE, and exits with 1 where there is one."
    requires_system_checks: list[str] = []
    """It needs no database: what checks it out may have none."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="+", metavar="FILE", help="a recipe; - is standard input")

    def handle(self, *, file: list[str], **_: Any) -> None:
        wrong = 0
        for name in file:
            text = _text(name)
            found = recipe.problems(text)
            wrong += len(found)
            for error in found:
                self.stdout.write(f"{name}:{error.line or 1}: {error.message}")
            if not found:
                count = len(recipe.parse(text).steps)
                self.stderr.write(f"{name}: right; a build has {count} step{'s' if count != 1 else ''}.")
        if wrong:
            raise CommandError(f"{wrong} error{'s' if wrong != 1 else ''}.", returncode=1)


def _text(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return data.decode()
    except OSError as error:
        raise CommandError(f"{name}: could not be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CommandError(f"{name}:{line}: expected text in UTF-8.") from error
