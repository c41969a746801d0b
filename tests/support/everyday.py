"""What a board does all day, in one place: for the benchmark that asks what an old board costs, and for the tests that
look at each query of it. In the database of the default connection.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

from django.contrib.auth.models import AbstractBaseUser
from django.test import Client
from django.utils import timezone

from builds import beats, events, lifecycle, outbox, queue
from builds.events import Chunk, Lease
from builds.models import Build, Project, Step
from builds.retention import rules
from builds.states import Status
from builds.web import metrics
from builds.web.seldom import Seldom

from . import past

RECIPE = "steps: [{name: checkout, run: 'true'}, {name: compile, run: 'true'}]"
LINES = ["cc -O2 -Wall -Iinclude -c src/parser/lexer.c -o build/lexer.o"] * 10
BACKEND = "django.contrib.auth.backends.ModelBackend"


class Everyday:
    """Around a running build, whose log is to be lengthened, after a past that `past.grow` has made of `project`'s
    builds, of which `over` is the last one. Asked for in the order of WHAT."""

    def __init__(self, project: Project, admin: AbstractBaseUser, over: int) -> None:
        self.project = project
        self.over = over
        self.client = Client(SERVER_NAME="127.0.0.1")
        self.client.force_login(admin, backend=BACKEND)  # type: ignore[arg-type]
        self.count = 0
        self._counted = Seldom(metrics._count, 60.0)
        self.lease = self.long = self._leased()
        self.line = 1

    def lengthen(self, events: int) -> None:
        """So many more events of the long log, whose build has run for an hour."""
        began = timezone.now() - timedelta(hours=1)
        Build.objects.filter(pk=self.long.build_id).update(started_at=began)
        Step.objects.filter(build=self.long.build_id, position=0).update(status=Status.RUNNING, started_at=began)
        past.lengthen(self.long.build_id, events)
        self.long.head += events
        self.line += events

    def do(self, what: str) -> None:
        WHAT[what](self)

    def get(self, path: str) -> None:
        answer = self.client.get(path)
        if answer.status_code != 200:
            raise AssertionError(f"{path} answered {answer.status_code}")

    def enqueue(self) -> None:
        lifecycle.enqueue(self.project, by="bench")

    def claim(self) -> None:
        self.count += 1
        lease = lifecycle.claim("bench", f"claim {self.count}")
        if lease is None:
            raise AssertionError("nothing to claim")
        self.lease = lease

    def append(self) -> None:
        events.append(self.lease, [Chunk(0, self.lease.head, LINES)])

    def append_long(self) -> None:
        events.append(self.long, [Chunk(0, self.line, LINES)])
        self.line += len(LINES)

    def begin_step(self) -> None:
        lifecycle.begin_step(self.lease, 0)

    def end_step(self) -> None:
        lifecycle.end_step(self.lease, 0, Status.PASSED, exit_code=0)

    def finish(self) -> None:
        lifecycle.finish(self.lease, Status.PASSED)

    def scrape(self) -> None:
        with mock.patch.object(metrics, "_past", self._counted):  # of two boards each has its own
            metrics.render()

    def _leased(self) -> Lease:
        self.enqueue()
        self.claim()
        return self.lease


def _page(path: str) -> Callable[[Everyday], None]:
    return lambda side: side.get(path.format(over=side.over, long=side.long.build_id, slug=side.project.slug))


WHAT: dict[str, Callable[[Everyday], Any]] = {
    "start a build": Everyday.enqueue,
    "claim it": Everyday.claim,
    "begin a step": Everyday.begin_step,
    "append 10 lines": Everyday.append,
    "append 10 lines to a long log": Everyday.append_long,
    "the board": _page("/"),
    "the board, of a project": _page("/?project={slug}"),
    "the board, of a branch": _page("/?branch=main"),
    "the board, failed and lost ones": _page("/?status=failed&status=lost"),
    "the board, somebody's": _page("/?who=person-7"),
    "the board, nobody's": _page("/?who=nobody"),
    "the board, further back": _page("/?before={over}"),
    "a build by its number": lambda side: side.client.get(f"/?number={side.over}"),
    "a build": _page("/builds/{over}/"),
    "a build with a long log": _page("/builds/{long}/"),
    "a project": _page("/projects/{slug}/"),
    "a project's badge": _page("/projects/{slug}/badge.svg?branch=main"),
    "API, builds": _page("/api/v1/builds"),
    "API, failed builds of a project": _page("/api/v1/builds?project={slug}&status=failed&limit=5"),
    "API, projects": _page("/api/v1/projects"),
    "API, a project's figures": _page("/api/v1/projects/{slug}/stats"),
    "admin, builds": _page("/admin/builds/build/"),
    "admin, failed builds": _page("/admin/builds/build/?status=failed"),
    "/metrics": Everyday.scrape,
    "safety look at 20 builds": lambda side: events.heads(range(side.over - 19, side.over + 1)),
    "the board's newest change": lambda side: events.changed(events.board_extent().head - 1, 10),
    "look at all leases": lambda side: lifecycle.leases(),
    "look for a build to claim": lambda side: queue.candidates(""),
    "look for what is to be pruned": lambda side: list(rules.due()),
    "look for a message to send": lambda side: outbox.is_due(),
    "a worker's sign of life": lambda side: beats.beat("host:1"),
    "renew a lease": lambda side: lifecycle.renew(side.long),
    "end the step": Everyday.end_step,
    "end the build": Everyday.finish,
}
