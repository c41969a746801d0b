"""The web server alone: `manage.py web --server daphne|uvicorn --host H --port N`."""

import contextlib
import logging
import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from buildboard import serve
from builds import leases


class Command(BaseCommand):
    help = "Serve pages, streams and the API in this process, until SIGTERM or SIGINT."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--server", choices=serve.SERVERS, default="daphne")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.PORT)

    def handle(self, *, server: str, host: str, port: int, **options: Any) -> None:
        if not 0 <= port <= 65535:
            raise CommandError(f"--port {port}: expected a number from 1 to 65535, or 0 for any that is free.")
        try:
            bound = serve.listen(host, port)
        except serve.PortTaken as error:
            raise CommandError(f"{error}. Choose another one with --port or PORT.") from error
        self.stdout.write(f"Listening on http://{host}:{bound.getsockname()[1]} ({server})")
        self.stdout.flush()
        if warning := serve.allow_streams(settings.BUILDBOARD_STREAMS_PER_PROCESS):
            self.stderr.write(self.style.WARNING(warning))
        leases.watch_in_background(settings.BUILDBOARD_LEASE_SECONDS)
        if server == "uvicorn":
            serve.run_uvicorn(bound)
        else:
            serve.run_daphne(bound)
        self._leave()

    def _leave(self) -> None:
        """At once: a thread that waits for a database that is away would be waited for otherwise."""
        logging.shutdown()
        for stream in (self.stdout, self.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(0)
