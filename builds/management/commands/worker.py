"""`manage.py worker --concurrency N`: workers, and the supervisor that keeps them."""

import os
from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from builds import labels
from builds.checks import OWN
from builds.worker import isolation
from builds.worker.loop import Loop
from builds.worker.orders import Orders
from builds.worker.outwards.sender import Sender
from builds.worker.storing import without_pool
from builds.worker.supervisor import Supervisor, orderly_input, worker_name

MOST_DRAIN_SECONDS = 7 * 86_400


class Command(BaseCommand):
    help = (
        "Run builds. The first TERM or INT drains: running builds go on and no others begin; the second stops: running "
        "builds end as cancelled. Ends with 0 when it was asked to end."
    )
    requires_system_checks = (OWN,)
    """Those of pages would load all of them, for which a worker has no use: a third of a second."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=int,
            default=settings.BUILDBOARD_WORKERS,
            metavar="N",
            help="builds at the same time, each in a process of its own (default: BUILDBOARD_WORKERS)",
        )
        parser.add_argument(
            "--label",
            action="append",
            default=[],
            metavar="L",
            help="what these workers have, such as gpu, besides BUILDBOARD_LABELS and this machine's own; repeatable",
        )
        parser.add_argument("--no-drain", action="store_true", help="stop at the first signal")
        parser.add_argument(
            "--drain-seconds",
            type=int,
            default=settings.BUILDBOARD_DRAIN_SECONDS,
            metavar="N",
            help="a draining worker's build goes on for so long, then it ends as cancelled; 0: as long as it takes "
            "(default: BUILDBOARD_DRAIN_SECONDS)",
        )
        parser.add_argument("--one", default="", metavar="SUFFIX", help=SUPPRESS)
        parser.add_argument("--send", action="store_true", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        drain_seconds = options["drain_seconds"]
        if options["one"]:
            orders = Orders(orderly_input(), drain_seconds)
            orders.listen_to_signals()
            without_pool()
            isolation.prepare()
            Loop(worker_name(os.getpid(), options["one"]), orders, " ".join(options["label"])).run()
            return
        if options["send"]:
            without_pool()
            Sender().run_as_child()
            return
        if not 1 <= options["concurrency"] <= 256:
            raise CommandError(f"--concurrency {options['concurrency']}: expected a number from 1 to 256.")
        if not 0 <= drain_seconds <= MOST_DRAIN_SECONDS:
            raise CommandError(f"--drain-seconds {drain_seconds}: expected a number from 0 to {MOST_DRAIN_SECONDS}.")
        own = _labels(options["label"])
        refuse_no_sandbox()
        without_pool()
        drain = not options["no_drain"]
        Supervisor(options["concurrency"], drain=drain, drain_seconds=drain_seconds, labels=own).run()


def refuse_no_sandbox() -> None:
    """Builds that are to run in a sandbox do not begin where there can be none."""
    if trouble := isolation.trouble():
        raise CommandError(f"BUILDBOARD_SANDBOX={settings.BUILDBOARD_SANDBOX}: {trouble}.")


def _labels(given: list[str]) -> str:
    """What these workers have: this machine's own labels, those of the environment, and those of the command line."""
    for text in given:
        try:
            found = labels.parse(text)
        except labels.LabelError as error:
            raise CommandError(f"--label {text[:80]!r}: {error}.") from None
        if not found:
            raise CommandError(f"--label {text[:80]!r}: it is empty; expected {labels.EXPECTED}.")
    try:
        return labels.joined(*labels.own(), settings.BUILDBOARD_LABELS, *given)
    except labels.LabelError as error:
        raise CommandError(f"--label and BUILDBOARD_LABELS together: {error}.") from None
