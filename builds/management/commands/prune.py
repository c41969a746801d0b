"""`manage.py prune`: compact and prune the logs that are due. Supervisors run it by themselves; by hand it says more.

What it did goes to stdout, how far it is to stderr. It may be stopped at any time, and run again.
"""

import logging
import os
import signal
import sys
import threading
import time
from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from builds import retention
from builds.models import Build
from builds.retention import Due, Tally

from ._project import project_of

logger = logging.getLogger(__name__)

_TELL_SECONDS = 2.0


class Command(BaseCommand):
    help = "Compact and prune old logs, and delete old artifacts, as the settings and each project say."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        parser.add_argument("--project", default="", metavar="SLUG", help="of this project alone")
        parser.add_argument("--compact-only", action="store_true", help="compact, and prune nothing")
        parser.add_argument("--again", action="store_true", help="try also those that could not be compacted before")
        parser.add_argument("--by-itself", action="store_true", help=SUPPRESS)

    def handle(
        self, *, dry_run: bool, project: str, compact_only: bool, again: bool, by_itself: bool, **_: Any
    ) -> None:
        self._signal = 0
        self._told_at = time.monotonic()
        try:
            found = project_of(project) if project else None
            if dry_run:
                self._would(
                    list(retention.due(found, compact_only=compact_only, again=again)),
                    [] if compact_only else retention.with_old_files(found),
                )
                return
            self._listen(by_itself)
            tell = (lambda *_: None) if by_itself else self._tell
            tally = retention.run(found, compact_only=compact_only, again=again, stopping=self._is_told, tell=tell)
        except DatabaseError as error:
            raise CommandError(f"The database refused: {error}. What was done stays done; run it again.") from error
        if by_itself:
            _log(tally)
            return
        self._say(tally)
        if self._signal:
            sys.exit(128 + self._signal)

    # --- Being stopped ---

    def _listen(self, by_itself: bool) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._told)
        if by_itself:  # its standard input is a pipe from its supervisor: where that ends, so does this
            threading.Thread(target=self._outlive_nobody, daemon=True).start()

    def _told(self, number: int, _: object) -> None:
        self._signal = number

    def _outlive_nobody(self) -> None:
        while os.read(0, 64):
            pass
        self._signal = signal.SIGTERM

    def _is_told(self) -> bool:
        return bool(self._signal)

    # --- What is said ---

    def _would(self, due: list[Due], with_old_files: list[int]) -> None:
        builds = Build.objects.in_bulk([one.build_id for one in due])
        for one in due:
            build = builds[one.build_id]
            if one.rest:
                self.stdout.write(f"Would finish with build {build.pk} of {one.project}, which was begun before.")
                continue
            much = f"{build.events.count():,} events" if build.log_lines is None else retention.extent(build)
            what = f"prune build {build.pk} of {one.project}, {one.why}" if one.why else ""
            self.stdout.write(f"Would {what or f'compact build {build.pk} of {one.project}'}: {much}.")
        for build_id in with_old_files:
            self.stdout.write(f"Would delete the artifacts of build {build_id}.")
        pruned = sum(bool(one.why) for one in due)
        compacted = sum(not one.why and not one.rest for one in due)
        self.stdout.write(
            f"{_builds(compacted)} would be compacted and {pruned:,} pruned; nothing was done."
            if due or with_old_files
            else "Nothing is due."
        )

    def _tell(self, done: int, of: int, tally: Tally) -> None:
        if time.monotonic() - self._told_at >= _TELL_SECONDS:
            self._told_at = time.monotonic()
            self.stderr.write(f"{done:,} of {_builds(of)}, {tally.lines:,} lines", style_func=str)
            self.stderr.flush()

    def _say(self, tally: Tally) -> None:
        if tally.busy:
            self.stdout.write("Another process prunes this board just now; it is left to that one.")
            return
        if tally.compacted or tally.pruned or tally.rows:
            self.stdout.write(
                f"Compacted {_builds(tally.compacted)}, pruned {tally.pruned:,}: {tally.lines:,} lines, "
                f"{retention.size(tally.bytes)} of text; {tally.rows:,} rows deleted, in {tally.seconds:.1f} s."
            )
        elif not tally.failed and not tally.left and not tally.files:
            self.stdout.write("Nothing was due.")
        if tally.files:
            self.stdout.write(f"Deleted {tally.files:,} stored {'file' if tally.files == 1 else 'files'}.")
        if tally.failed:
            self.stdout.write(
                f"Not compacted, and left as they were: {', '.join(map(str, tally.failed))}. Why is said on the pages "
                "of their event logs in the administration; --again tries them again."
            )
        if tally.left:
            self.stdout.write(f"Stopped: {_builds(tally.left)} not come to. Run it again to go on.")


def _log(tally: Tally) -> None:
    if tally.compacted or tally.pruned or tally.rows or tally.files or tally.failed:
        logger.info(
            "action=prune compacted=%d pruned=%d lines=%d bytes=%d rows=%d files=%d seconds=%.1f failed=%d left=%d",
            tally.compacted, tally.pruned, tally.lines, tally.bytes, tally.rows, tally.files, tally.seconds,
            len(tally.failed), tally.left,
        )  # fmt: skip


def _builds(count: int) -> str:
    return "1 build" if count == 1 else f"{count:,} builds"
