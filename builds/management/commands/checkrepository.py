"""`manage.py checkrepository SLUG`: check a project's repository out on this machine, as a build would, for a look.

It says what was found, and whether the commit's recipe is valid; or why there is no checkout. Exits with 0 or 1.
"""

import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from buildboard.terminal.lines import LineReader
from buildboard.terminal.style import plain
from builds import lifecycle, plans
from builds.inputs import InputError
from builds.models import Build
from builds.recipe import RecipeError
from builds.worker import checkout

from ._project import project_of


class Command(BaseCommand):
    help = "Whether this machine can check a project's repository out, and what a build would do."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help="the project's name in addresses")
        parser.add_argument("--ref", default="", metavar="R", help="branch, tag or commit")

    def handle(self, *, slug: str, ref: str, **_: Any) -> None:
        project = project_of(slug)
        if not project.repository:
            raise CommandError(f"The project {slug} has no repository.")
        try:
            lifecycle.check_start(project, ref)
        except lifecycle.Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        build = Build(project=project, repository=project.repository, ref=ref, recipe=project.recipe)
        found = self._check_out(build)
        if "error" in found:
            raise CommandError("No checkout.")  # the program has said why
        if found.get("default"):  # the start form asks for its inputs, before the first build
            lifecycle.remember_recipe(project.pk, found["recipe"] or "", found["commit"])
        where = project.recipe_path if found["recipe"] is not None else "the project's own recipe"
        try:
            steps = plans.at_commit(build, found["recipe"]).steps[1:]
        except RecipeError as error:
            raise CommandError(f"The recipe is not valid ({where}): {error}.") from error
        except InputError:
            said = "it needs inputs that have no defaults"
        else:
            said = ", ".join(step.name for step in steps)
        self.stdout.write(f"Recipe ({where}): {said}")

    def _check_out(self, build: Build) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="buildboard-", ignore_cleanup_errors=True) as folder:
            work, result = Path(folder, "work"), Path(folder, "checkout.json")
            work.mkdir()
            try:
                order = checkout.held(checkout.order(build, work, {}))
            except checkout.Refused as refusal:
                raise CommandError(str(refusal)) from refusal
            try:
                code = _shown(checkout.command(order, result))
            finally:
                os.close(order)
            return checkout.read(result) or {"error": f"exit code {code}"}


def _shown(command: list[str]) -> int:
    """Run it, and show what it prints: on a terminal as it is, else as lines of text, without what moves and colours
    a terminal. Its exit code."""
    if sys.stdout.isatty():
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 - of this board
    reader = LineReader()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as program:  # noqa: S603 - as above
        while data := os.read(program.stdout.fileno(), 65536):  # type: ignore[union-attr]
            _print(reader.feed(data))
    _print([line for line in reader.close() if line])
    return program.returncode


def _print(lines: list[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{plain(line)}\n")
    sys.stdout.flush()
