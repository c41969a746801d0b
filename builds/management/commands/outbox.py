"""`manage.py outbox`: messages to those outside that are stuck, and another try at them. They leave by themselves."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count
from django.db.models.query import QuerySet

from builds import outbox
from builds.models import Outgoing

from ._project import project_of

_FORM = "%Y-%m-%d %H:%M:%S"


class Command(BaseCommand):
    help = "List messages that were given up, or could not be sent yet, and try them again; see docs/notifications.md."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", default="", metavar="SLUG", help="of this project alone")
        parser.add_argument(
            "--retry", action="append", default=[], metavar="KEY", help="try this one again; repeatable"
        )
        parser.add_argument("--retry-all", action="store_true", help="try all that are listed again")

    def handle(self, *, project: str, retry: list[str], retry_all: bool, **_: Any) -> None:
        found = Outgoing.objects.select_related("target", "target__project")
        if project:
            found = found.filter(target__project=project_of(project))
        stuck = (found.filter(state="failed") | found.filter(state="waiting", attempts__gt=0)).order_by("pk")
        if retry or retry_all:
            self._retry(list(stuck) if retry_all else [self._named(found, key) for key in retry])
            return
        for row in stuck:
            self.stdout.write(_line(row))
        counts = dict(found.order_by().values_list("state").annotate(count=Count("pk")))
        self.stdout.write(
            f"{counts.get('waiting', 0):,} wait, {counts.get('failed', 0):,} were given up, {counts.get('sent', 0):,} "
            "were sent."
        )

    def _named(self, found: QuerySet[Outgoing], key: str) -> Outgoing:
        row = found.filter(key=key).first()
        if row is None:
            raise CommandError(f"There is no message {key[:100]!r}.")
        return row

    def _retry(self, rows: list[Outgoing]) -> None:
        tried = 0
        for row in rows:
            if outbox.retry(row.pk):
                tried += 1
            else:
                self.stdout.write(f"{row.key} is on its way, or {row.word}: left as it is.")
        self.stdout.write(f"{tried:,} will be tried again at once.")


def _line(row: Outgoing) -> str:
    slug = row.target.project.slug
    again = f", next at {row.next_at.strftime(_FORM)} UTC" if row.state == "waiting" else ""
    tries = "1 attempt" if row.attempts == 1 else f"{row.attempts} attempts"
    return f"{row.key}  {slug}, {row.target.name}: {row.word} after {tries}{again}: {row.answer or 'no answer'}"
