"""The board's figures for Prometheus. What the database knows is read from it at each scrape, so that every web
process tells the same; what only this process knows (its viewers, its memory) is this process's own.
"""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from django.db import Error as DatabaseError
from django.db.models import Count, F, Min, Sum
from django.utils import timezone
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from buildboard.presence import database

from .. import beats, gauges
from ..models import Board, Build, Outgoing, Project
from ..models.outwards import OUTGOING_STATES, WAITING
from ..states import BUILD_STATUSES, Status
from .seldom import Seldom

logger = logging.getLogger(__name__)


def render() -> tuple[bytes, str]:
    """The text, and its content type. Never raises for a database that is away: `buildboard_database_up` says so."""
    return generate_latest(_registry), CONTENT_TYPE_LATEST


class BoardCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        try:
            metrics = list(_from_database())
            answers = 1
        except DatabaseError as error:
            if not database.is_away:  # that has been said once for all
                logger.warning("action=metrics error=%r", error)
            metrics = []
            answers = 0
        yield from _of_streams()
        yield GaugeMetricFamily("buildboard_database_up", "1 while the database answers.", value=answers)
        yield from metrics


_STORED = Sum(F("head") - F("horizon") + 1)


class _Past(NamedTuple):
    """What whole tables are read for, and so no more than once a minute."""

    over: dict[str, int]
    """How many builds are over, by status."""
    events: int
    """In their logs."""
    done: dict[str, int]
    """Messages by state, without those that wait."""


def _count() -> _Past:
    over = Build.objects.filter(finished_at__isnull=False).order_by()
    rows = list(over.values_list("status").annotate(Count("pk"), stored=_STORED))
    done = Outgoing.objects.filter(done_at__isnull=False).order_by().values_list("state").annotate(Count("pk"))
    return _Past({row[0]: row[1] for row in rows}, sum(row[2] for row in rows), dict(done))


_past = Seldom(_count, 60.0)


def _from_database() -> Iterator[Metric]:
    board = Board.objects.values_list("world", "revision").first()
    world, revision = board or (None, 0)
    past = _past(world or object())
    live = Build.objects.filter(status__in=(Status.QUEUED, Status.RUNNING)).order_by()
    rows = list(live.values_list("status").annotate(Count("pk"), stored=_STORED))
    counted = past.over | {row[0]: row[1] for row in rows}
    builds = GaugeMetricFamily(
        "buildboard_builds",
        "Builds that are kept, by status; those that are over as of the last minute.",
        labels=["status"],
    )
    for status in BUILD_STATUSES:
        builds.add_metric([status.value], counted.get(status.value, 0))
    yield builds

    oldest = Build.objects.filter(status=Status.QUEUED).aggregate(Min("created_at"))["created_at__min"]
    waits = 0.0 if oldest is None else max((timezone.now() - oldest).total_seconds(), 0.0)
    yield _gauge("queue_depth", "Builds that wait for a worker.", counted.get("queued", 0))
    yield _gauge("queue_oldest_seconds", "How long the oldest of them has waited; 0 without one.", waits)
    cancelling = Build.objects.filter(status=Status.RUNNING, cancel_requested_at__isnull=False).count()
    yield _gauge("builds_cancelling", "Running builds whose cancel was asked for.", cancelling)

    living = beats.living()
    workers = GaugeMetricFamily("buildboard_workers", "Worker processes that are alive.", labels=["state"])
    draining = sum(worker.draining for worker in living)
    workers.add_metric(["taking"], sum(worker.takes_builds for worker in living))
    workers.add_metric(["draining"], draining)
    workers.add_metric(["resting"], sum(bool(worker.note) and not worker.draining for worker in living))
    yield workers

    yield _gauge(
        "events",
        "Events in the logs of the builds that are kept, with those that a cut stands for; as of the last minute.",
        past.events + sum(row[2] for row in rows),
    )
    differ = Build.objects.filter(compacted_at__isnull=True, pruned_at__isnull=True, finished_at__isnull=False)
    says = "Builds whose log could not be compacted: its blocks differed."
    yield _gauge("logs_not_compacted", says, differ.exclude(log_note="").count())
    yield _gauge("revision", "The board's revision: visible changes of builds; a new world makes it jump.", revision)
    yield _gauge("projects", "Projects.", Project.objects.count())
    yield from _of_messages(past)


def _of_messages(past: _Past) -> Iterator[Metric]:
    """To those outside. Of those that were sent only as many as are listed still."""
    found = past.done | {WAITING: Outgoing.objects.filter(state=WAITING).count()}
    messages = GaugeMetricFamily("buildboard_messages", "Messages to targets, by state.", labels=["state"])
    for state in OUTGOING_STATES:
        messages.add_metric([state], found.get(state, 0))
    yield messages


def _of_streams() -> Iterator[Metric]:
    """Of this web process alone: several of them are told apart by their scrape's `instance`."""
    now = gauges.streams.snapshot()
    viewers = GaugeMetricFamily("buildboard_viewers", "Open streams of this process, by kind.", labels=["kind"])
    for kind in ("build", "board", *sorted(set(now["open"]) - {"build", "board"})):
        viewers.add_metric([kind], now["open"].get(kind, 0))
    yield viewers
    yield _counted("streams_opened", "Streams opened, by kind.", "kind", now["opened"])
    yield _counted("streams_closed", "Streams that ended, by reason.", "reason", now["closed"])
    yield CounterMetricFamily("buildboard_stream_frames", "Frames handed to viewers.", value=now["frames"])
    yield CounterMetricFamily("buildboard_stream_writes", "Writes that they left in.", value=now["writes"])
    lag = now["lag"]
    buckets = [(str(bound), count) for bound, count in lag["buckets"]] + [("+Inf", lag["count"])]
    says = "From the writing of a flush's newest event to its leaving this process, in seconds."
    yield HistogramMetricFamily("buildboard_event_lag_seconds", says, buckets=buckets, sum_value=lag["sum"])


def _counted(name: str, help_text: str, label: str, counts: dict[str, int]) -> Metric:
    metric = CounterMetricFamily(f"buildboard_{name}", help_text, labels=[label])
    for value, count in sorted(counts.items()):
        metric.add_metric([value], count)
    return metric


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"buildboard_{name}", help_text, value=value)


_registry = CollectorRegistry()
_registry.register(BoardCollector())
ProcessCollector(registry=_registry)
PlatformCollector(registry=_registry)
GCCollector(registry=_registry)
