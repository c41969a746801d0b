"""`manage.py startbuild SLUG`: start a build; with `--follow` print its log live and exit with its result.

The log goes to stdout, and everything that is said about it to stderr, so that `startbuild … --follow > log` keeps
what the steps printed and nothing else.
"""

import io
import os
import re
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import connection

from buildboard.terminal.replay import Header, Replay, Said
from builds import events, labels, lifecycle, queue, worlds
from builds.models import Build
from builds.source import Source
from builds.states import Status

from ._person import by_command
from ._project import project_of

EXIT_CODES = {Status.PASSED: 0, Status.FAILED: 1, Status.CANCELLED: 2, Status.LOST: 3}
INTERRUPTED = 130
_BROKEN_PIPE = 141

_REST = 0.15
"""Seconds between two looks at the log."""
_REST_WITHOUT_DATABASE = 1.0
_ASK_AGAIN = 2.0
"""Seconds between two looks at what a queued build waits for."""


class Command(BaseCommand):
    help = "Start a build. With --follow: exits with 0 passed, 1 failed, 2 cancelled, 3 lost; 130 after Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help="the project's name in addresses")
        parser.add_argument("--ref", default="", metavar="R", help="branch, tag or commit")
        parser.add_argument("--input", action="append", default=[], metavar="K=V", help="a value of the recipe's input")
        parser.add_argument("--follow", action="store_true", help="print the log live, exit with the result")

    _asked_at = float("-inf")

    def handle(self, *, slug: str, ref: str, input: list[str], follow: bool, **_: Any) -> None:
        build = _start(slug, ref, _inputs(input))
        page = f"{settings.BUILDBOARD_URL}{build.get_absolute_url()}"
        where = f"Build {build.pk} of {slug}: {page}"
        if not follow:
            self.stdout.write(where)
            return
        self._tell(where)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a step prints what this terminal's encoding may not have
        try:
            status = self._follow(build.pk)
        except KeyboardInterrupt:
            self._tell(f"\nStopped following; build {build.pk} goes on. Cancel it at {page}")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed at exit
            sys.exit(_BROKEN_PIPE)
        sys.exit(EXIT_CODES[status])

    def _follow(self, build_id: int) -> Status:
        replay = Replay(colours=self.stdout.isatty())
        told = ""
        for records in self._pages(build_id):
            for record in records:
                self._show(replay.feed(record.kind, record.data))
            if replay.final is not None:
                self._tell(f"Build {build_id} {replay.final}.{f' {replay.reason}' if replay.reason else ''}")
                return Status(replay.final)
            if not records and replay.status == Status.QUEUED:
                why = self._why_it_waits(build_id)
                if why not in ("", told):
                    self._tell(why)
                    told = why
        raise CommandError(f"Build {build_id} was deleted.")

    def _why_it_waits(self, build_id: int) -> str:
        """In a sentence; empty while its turn will come, and where nothing new is known."""
        now = time.monotonic()
        if now < self._asked_at + _ASK_AGAIN:
            return ""
        self._asked_at = now
        try:
            build = Build.objects.get(pk=build_id)
            outlook = queue.outlook()
        except (Build.DoesNotExist, DatabaseError):
            return ""  # the next look at its log tells
        place = outlook.places.get(build_id)
        if place is None or not place.stuck:
            return ""
        if not outlook.workers:
            return "Waiting for a worker: none is alive. Start one with: manage.py worker"
        if not any(labels.fits(build.runs_on, worker.labels) for worker in outlook.workers):
            return f"Waiting for a worker with {labels.named(build.runs_on.split())}: none is alive."
        return f"Waiting: {place.reason}."

    def _pages(self, build_id: int) -> Iterator[list[events.Record]]:
        """The log from its beginning, as it grows; an empty page each time that nothing was new. Ends if it is deleted.

        A database that is away is asked again until it answers: the cursor is what was read last.
        """
        cursor = 0
        away = False
        while True:
            try:
                records = events.read(build_id, cursor)
                if not records or records[0].seq != cursor + 1:
                    extent = events.extent(build_id)
                    if extent is None:
                        return
                    if extent.horizon > cursor + 1:
                        self._tell("The log was compacted or pruned meanwhile: its page has what is missing here.")
                        cursor = extent.horizon - 1
                        continue
                if records:
                    cursor = records[-1].seq
                yield records
                away = False
            except DatabaseError as error:
                if not away:
                    self._tell(f"The database does not answer ({type(error).__name__}); asking again.")
                away = True
                connection.close()
                time.sleep(_REST_WITHOUT_DATABASE)
                continue
            if len(records) < events.PAGE:
                time.sleep(_REST)
                worlds.leave_replaced()

    def _show(self, said: list[Said]) -> None:
        for each in said:
            if isinstance(each, Header):
                self.stdout.flush()
                self._tell(each.text)
            else:
                self.stdout.write(each)
        self.stdout.flush()

    def _tell(self, text: str) -> None:
        self.stderr.write(text, style_func=str)
        self.stderr.flush()


def _start(slug: str, ref: str, inputs: dict[str, str]) -> Build:
    try:
        project = project_of(slug)
        return lifecycle.enqueue(project, by=by_command(), ref=ref, source=Source("command"), inputs=inputs)
    except lifecycle.Refused as refusal:
        raise CommandError(str(refusal)) from refusal
    except DatabaseError as error:
        raise CommandError(f"The database refused: {error}. No build was started.") from error


def _inputs(given: list[str]) -> dict[str, str]:
    inputs: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][\w-]*", name, re.ASCII):
            raise CommandError(f"--input {text[:80]!r}: expected NAME=VALUE, such as --input target=linux.")
        if name in inputs:
            raise CommandError(f"--input {name}: it is given twice.")
        inputs[name] = value
    return inputs
