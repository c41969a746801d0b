"""Real threads with real database connections, for tests of what happens at the same time."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock

from django.db import OperationalError, connection, connections

from builds import events, lifecycle, logrows
from builds.events import Lease
from builds.models import Build, Project
from builds.states import Status

RECIPE = "steps: [{name: one, run: 'true'}, {name: two, run: 'true'}]"


def together(calls: Iterable[Callable[[], Any]], seconds: float = 60) -> list[Any]:
    """Run each call in a thread of its own, all let go at once: their results, in order. Raises what one raised."""
    calls = list(calls)
    results: list[Any] = [None] * len(calls)
    errors: list[BaseException] = []
    gate = threading.Barrier(len(calls))

    def run(index: int) -> None:
        try:
            gate.wait(10)
            results[index] = calls[index]()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
    if errors:
        raise errors[0]
    if any(thread.is_alive() for thread in threads):
        raise AssertionError(f"some of {len(calls)} threads still run after {seconds} s")
    return results


def project(slug: str = "one", recipe: str = RECIPE) -> Project:
    return Project.objects.create(name=slug, slug=slug, recipe=recipe)


def leased(of: Project, token: str = "token") -> Lease:  # noqa: S107 - a lease's, no secret
    """A new build of that project, taken by a worker."""
    build = lifecycle.enqueue(of, by="alice")
    lease = lifecycle.claim("worker", token)
    if lease is None or lease.build_id != build.pk:
        raise AssertionError("another build was queued before")
    return lease


def state(build_id: int) -> dict[str, Any]:
    """All of the build's row that its own verbs change."""
    row = Build.objects.filter(pk=build_id).values().get()
    row["steps"] = list(Build.objects.get(pk=build_id).steps.values())
    return row


@contextlib.contextmanager
def answer_lost(landed: bool = True) -> Iterator[None]:
    """In it, this thread's next commit raises as if the connection had died: after it was carried out, or before."""
    left = [True]

    def dying(commit: Callable[..., Any]) -> Callable[..., Any]:
        def carried_out(*arguments: Any) -> Any:
            if not left:
                return commit(*arguments)
            left.clear()
            if landed:
                commit(*arguments)
            raise OperationalError("the connection was lost")

        return carried_out

    alone = dying(logrows.take_and_insert)  # a statement that is a transaction by itself
    with (
        mock.patch.object(connection, "_commit", dying(connection._commit)),
        mock.patch.object(logrows, "take_and_insert", alone),
    ):
        yield


def told(build_id: int) -> list[tuple[str, str]]:
    """Kind and status of every event that is not a log line."""
    records = events.read(build_id, 0)
    return [(r.kind, json.loads(r.data).get("status", "")) for r in records if r.kind != "log"]


def whole_build(of: Project, token: str) -> Build:
    """A new build of that project that has passed."""
    lease = leased(of, token)
    for position in (0, 1):
        lifecycle.begin_step(lease, position)
        lifecycle.end_step(lease, position, Status.PASSED, exit_code=0)
    lifecycle.finish(lease, Status.PASSED)
    return Build.objects.get(pk=lease.build_id)
