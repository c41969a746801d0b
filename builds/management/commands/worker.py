"""`manage.py worker --concurrency N`: workers, and the supervisor that keeps them."""

import os
from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from builds.worker.loop import Loop
from builds.worker.orders import Orders
from builds.worker.storing import without_pool
from builds.worker.supervisor import Supervisor, orderly_input, worker_name


class Command(BaseCommand):
    help = (
        "Run builds. The first TERM or INT drains: running builds finish and no others begin; the second stops: "
        "running builds end as cancelled. Ends with 0 when it was asked to end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=int,
            default=settings.BUILDBOARD_WORKERS,
            metavar="N",
            help="builds at the same time, each in a process of its own (default: BUILDBOARD_WORKERS)",
        )
        parser.add_argument("--no-drain", action="store_true", help="stop at the first signal")
        parser.add_argument("--one", default="", metavar="SUFFIX", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["one"]:
            orders = Orders(orderly_input())
            orders.listen_to_signals()
            without_pool()
            Loop(worker_name(os.getpid(), options["one"]), orders).run()
            return
        if not 1 <= options["concurrency"] <= 256:
            raise CommandError(f"--concurrency {options['concurrency']}: expected a number from 1 to 256.")
        without_pool()
        Supervisor(options["concurrency"], drain=not options["no_drain"]).run()
